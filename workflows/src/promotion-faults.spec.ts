import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { DEFAULT_DEADLINES } from '@sluice/domain';
import type { PromotionResult, Reason } from '@sluice/temporal-contract';
import type { FakeSettings } from '../../test/src/workflows/fake-activities.ts';
import { succeeded, unsuccessful } from '../../test/src/workflows/fake-activities.ts';
import {
  composeApprovedRules,
  composeRollbackRules,
  composeRules,
} from '../../test/src/workflows/fake-rules.ts';
import type { CallName } from '../../test/src/workflows/fault-injection.ts';
import { failOnce, runEachTwice } from '../../test/src/workflows/fault-injection.ts';
import type { PlayedPromotion, PromotionStage } from '../../test/src/workflows/promotion-stage.ts';
import { ballotFor, decide, openPromotionStage } from '../../test/src/workflows/promotion-stage.ts';
import { until } from '../../test/src/workflows/waiting.ts';

// Dozens of runs at once: on a busy machine that takes its time.
const PATIENCE_SECONDS = 240;
jest.setTimeout((PATIENCE_SECONDS + 60) * 1000);

let stage: PromotionStage;

beforeAll(async () => {
  stage = await openPromotionStage();
});
afterAll(() => stage.close());

interface Story {
  readonly state: string;
  readonly settings: FakeSettings;
  /** What people do while it runs; gives the workflow that ends it. */
  readonly meanwhile?: (promotion: PlayedPromotion) => Promise<unknown>;
}

const deadlines = { ...DEFAULT_DEADLINES, queueSeconds: 60 };
const rules = composeRules({ deadlines });
const approved = composeApprovedRules({}, { deadlines });
const ABANDONED: Reason = { code: 'promotion-abandoned', message: 'Its workflow was terminated.' };

/** Says yes to the plan of a round; the id is the same in every run of the story. */
async function approve(promotion: PlayedPromotion, round: number): Promise<void> {
  const { requests } = promotion.records.approvals;
  await until(() => requests.get(round)?.state === 'waiting', PATIENCE_SECONDS);
  await decide(promotion, ballotFor(promotion, { approvalId: `otto/${round}` }));
}

/** The ways a promotion can go, each over every kind of activity. */
const STORIES: Readonly<Record<string, Story>> = {
  succeeded: { state: 'succeeded', settings: { rules } },
  denied: {
    state: 'denied',
    settings: { rules, steps: { gate: async () => unsuccessful('denied', 'secret-in-image') } },
  },
  reverted: {
    state: 'reverted',
    settings: { rules, steps: { verify: async () => unsuccessful('failed', 'unhealthy') } },
  },
  approved: {
    state: 'succeeded',
    settings: { rules: approved },
    meanwhile: (promotion) => approve(promotion, 1),
  },
  'planned, approved and refused twice': {
    state: 'succeeded',
    settings: {
      rules: approved,
      steps: {
        deploy: async ({ target = '', round }) =>
          round === undefined ? unsuccessful('failed', 'plan-stale') : succeeded(target),
      },
    },
    meanwhile: async (promotion) => {
      await approve(promotion, 1);
      await approve(promotion, 2);
    },
  },
  'rolled back': { state: 'succeeded', settings: { rules: composeRollbackRules({ deadlines }) } },
};

interface Told {
  readonly result: PromotionResult;
  readonly endState: Readonly<Record<string, unknown>>;
  readonly calls: readonly CallName[];
}

interface Fault {
  readonly call?: CallName;
  readonly when?: 'before' | 'after';
  readonly twice?: boolean;
}

/** Runs one story once for each fault, all at the same time. */
function tell(story: Story, faults: readonly Fault[]): Promise<readonly Told[]> {
  return Promise.all(
    faults.map(async (fault) => {
      let calls: readonly CallName[] = [];
      const promotion = await stage.start(story.settings, (activities) => {
        const faulty = failOnce(activities, fault.call, fault.when ?? 'before');
        calls = faulty.log.calls;
        return fault.twice === true ? runEachTwice(faulty.activities) : faulty.activities;
      });
      await story.meanwhile?.(promotion);
      const result = await promotion.result();
      return { result, endState: promotion.records.endState(), calls };
    }),
  );
}

async function tellPlainly(story: Story): Promise<Told> {
  const [plain] = await tell(story, [{}]);
  if (plain === undefined) throw new Error('nothing was told');
  return plain;
}

test.each(Object.entries(STORIES))(
  'a promotion that is %s ends the same when any activity fails once, before or after its effect',
  async (_name, story) => {
    const plain = await tellPlainly(story);
    expect(plain.result.state).toBe(story.state);
    const faults = plain.calls.flatMap((call) => [
      { call, when: 'before' as const },
      { call, when: 'after' as const },
    ]);
    expect(faults.length).toBeGreaterThanOrEqual(12);
    const told = await tell(story, faults);
    for (const [index, { result, endState, calls }] of told.entries()) {
      expect({ fault: faults[index], result, endState }).toEqual({
        fault: faults[index],
        result: plain.result,
        endState: plain.endState,
      });
      expect(calls.length).toBe(plain.calls.length + 1);
    }
  },
);

test.each(Object.entries(STORIES))(
  'a promotion that is %s ends the same when every activity runs twice',
  async (_name, story) => {
    const plain = await tellPlainly(story);
    const [twice] = await tell(story, [{ twice: true }]);
    expect(twice?.result).toEqual(plain.result);
    expect(twice?.endState).toEqual(plain.endState);
    expect(twice?.calls.length).toBe(plain.calls.length * 2);
  },
);

/** Terminates a promotion in its verification and settles it under faults that begin then. */
async function settleUnder(fault: Fault): Promise<Told> {
  let isSettling = false;
  let isVerifying = false;
  let calls: readonly CallName[] = [];
  const verify = async (): Promise<never> => {
    isVerifying = true;
    throw new Error('not yet');
  };
  const promotion = await stage.start({ rules, steps: { verify } }, (activities) => {
    const faulty = failOnce(activities, fault.call, fault.when ?? 'before');
    calls = faulty.log.calls;
    const given = fault.twice === true ? runEachTwice(faulty.activities) : faulty.activities;
    return Object.fromEntries(
      Object.entries(activities).map(([name, plain]) => [
        name,
        (input: never) =>
          (isSettling ? given[name as keyof typeof given] : plain)(input) as Promise<unknown>,
      ]),
    ) as unknown as typeof activities;
  });
  await until(() => isVerifying, PATIENCE_SECONDS);
  await promotion.handle.terminate('a test');
  isSettling = true;
  const settlement = await stage.settle(promotion, ABANDONED);
  const result = (await settlement.result()) as PromotionResult;
  return { result, endState: promotion.records.endState(), calls };
}

test('a settlement ends the same when any activity fails once, or every one runs twice', async () => {
  const plain = await settleUnder({});
  expect(plain.result.state).toBe('reverted');
  const faults: readonly Fault[] = [
    { twice: true },
    ...plain.calls.flatMap((call) => [
      { call, when: 'before' as const },
      { call, when: 'after' as const },
    ]),
  ];
  const told = await Promise.all(faults.map(settleUnder));
  for (const [index, { result, endState }] of told.entries()) {
    expect({ fault: faults[index], result, endState }).toEqual({
      fault: faults[index],
      result: plain.result,
      endState: plain.endState,
    });
  }
});
