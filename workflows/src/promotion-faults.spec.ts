import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { DEFAULT_DEADLINES } from '@sluice/domain';
import type { PromotionResult } from '@sluice/temporal-contract';
import { bundleSources } from '../../test/src/workflows/bundle-workflows.ts';
import type {
  FakeSettings,
  PromotionActivities,
} from '../../test/src/workflows/fake-activities.ts';
import { createFakeActivities, unsuccessful } from '../../test/src/workflows/fake-activities.ts';
import { composeRules } from '../../test/src/workflows/fake-rules.ts';
import type { CallName } from '../../test/src/workflows/fault-injection.ts';
import { failOnce, runEachTwice } from '../../test/src/workflows/fault-injection.ts';
import { routeByEnvironment } from '../../test/src/workflows/route-by-environment.ts';
import type { WorkflowEnvironment } from '../../test/src/workflows/workflow-environment.ts';
import {
  openWorkflowEnvironment,
  startPromotion,
} from '../../test/src/workflows/workflow-environment.ts';

// Dozens of runs at once: on a busy machine that takes its time.
jest.setTimeout(180_000);

let env: WorkflowEnvironment;

beforeAll(async () => {
  env = await openWorkflowEnvironment(await bundleSources());
});
afterAll(() => env.close());

const rules = composeRules({ deadlines: { ...DEFAULT_DEADLINES, queueSeconds: 60 } });

/** The ways a promotion can go, each over every kind of activity. */
const STORIES: Readonly<Record<string, Omit<FakeSettings, 'rules'>>> = {
  succeeded: {},
  denied: { steps: { gate: async () => unsuccessful('denied', 'secret-in-image') } },
  reverted: { steps: { verify: async () => unsuccessful('failed', 'unhealthy') } },
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

/** Runs one story once for each fault, all at the same time on one set of workers. */
async function tell(
  story: Omit<FakeSettings, 'rules'>,
  faults: readonly Fault[],
): Promise<readonly Told[]> {
  const routes = new Map<string, PromotionActivities>();
  return env.withWorkers(routeByEnvironment(routes), () =>
    Promise.all(
      faults.map(async (fault) => {
        const { activities, records } = createFakeActivities({ ...story, rules });
        const faulty = failOnce(activities, fault.call, fault.when ?? 'before');
        const given = fault.twice === true ? runEachTwice(faulty.activities) : faulty.activities;
        const environment = `env-${randomUUID()}`;
        routes.set(environment, given);
        const { handle } = await startPromotion(env.client, rules.releaseDigest, environment);
        const result = (await handle.result()) as PromotionResult;
        return { result, endState: records.endState(), calls: faulty.log.calls };
      }),
    ),
  );
}

async function tellPlainly(story: Omit<FakeSettings, 'rules'>): Promise<Told> {
  const [plain] = await tell(story, [{}]);
  if (plain === undefined) throw new Error('nothing was told');
  return plain;
}

test.each(Object.entries(STORIES))(
  'a promotion that is %s ends the same when any activity fails once, before or after its effect',
  async (name, story) => {
    const plain = await tellPlainly(story);
    expect(plain.result.state).toBe(name);
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
