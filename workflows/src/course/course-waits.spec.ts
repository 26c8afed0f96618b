import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { CourseStep } from '@sluice/domain';
import {
  type CourseSettings,
  cancel,
  fails,
  gives,
  type PlayedCourse,
  playCourse,
  takes,
} from '../../../test/src/workflows/course-stage.ts';
import { unsuccessful } from '../../../test/src/workflows/fake-activities.ts';
import { matrix, step } from '../../../test/src/workflows/fake-course-rules.ts';
import { FakeLease } from '../../../test/src/workflows/fake-lease.ts';
import { FakeRecords } from '../../../test/src/workflows/fake-records.ts';
import type { PromotionStage } from '../../../test/src/workflows/promotion-stage.ts';
import {
  answerOf,
  ballotFor,
  decide,
  openPromotionStage,
  untilAsked,
} from '../../../test/src/workflows/promotion-stage.ts';
import { pause, until } from '../../../test/src/workflows/waiting.ts';

let stage: PromotionStage;

beforeAll(async () => {
  stage = await openPromotionStage();
});
afterAll(() => stage.close());

const play = (steps: readonly CourseStep[], settings: CourseSettings = {}): Promise<PlayedCourse> =>
  playCourse(stage, steps, settings);

const approval = { count: 1, roles: ['approver' as const], deadlineSeconds: 60 };

const rollOut = [
  step('plan', { type: 'plan@1' }),
  step('extra', { needs: ['plan'], if: 'false' }),
  step('ask', { type: 'approval@1', needs: ['plan'] }),
  step('deploy', { type: 'deploy@1', needs: ['ask', 'extra'] }),
  step('verify', { type: 'verify@1', needs: ['deploy'] }),
];

describe('approvals', () => {
  test('one that is given lets the course go on; its plan can be read', async () => {
    const { result, steps } = await play(
      [...rollOut, step('read', { needs: ['ask'], if: 'steps.ask.outputs.plan.size() > 10' })],
      {
        rules: { approval },
        meanwhile: async (promotion) => {
          await untilAsked(promotion);
          expect(await answerOf(decide(promotion, ballotFor(promotion)))).toBe('approved');
        },
      },
    );
    expect(result.state).toBe('succeeded');
    expect(steps).toMatchObject({ ask: 'succeeded', deploy: 'succeeded', read: 'succeeded' });
  });

  test('one that is refused denies the promotion', async () => {
    const { result, steps } = await play(rollOut, {
      rules: { approval },
      meanwhile: async (promotion) => {
        await untilAsked(promotion);
        await decide(promotion, ballotFor(promotion, { decision: 'reject' }));
      },
    });
    expect(result).toMatchObject({ state: 'denied', reason: { code: 'approval-rejected' } });
    expect(steps).toMatchObject({ ask: 'failed', deploy: 'skipped need-bad' });
  });

  test('cancelled while people are asked, the request is withdrawn', async () => {
    const { result, records, steps } = await play(rollOut, {
      rules: { approval },
      meanwhile: async (promotion) => {
        await untilAsked(promotion);
        await cancel(promotion);
      },
    });
    expect(result.state).toBe('cancelled');
    expect(records.approvals.requests.get(1)?.state).toBe('withdrawn');
    expect(steps).toMatchObject({ ask: 'cancelled' });
  });
});

describe('a plan that goes stale', () => {
  test('while people are asked: plan and approval again, and what was skipped is looked at again', async () => {
    const { result, records } = await play(rollOut, {
      rules: { approval },
      meanwhile: async (promotion) => {
        await untilAsked(promotion);
        promotion.records.world = 1;
        await promotion.handle.signal('targetsChanged', { resource: promotion.resource });
        await untilAsked(promotion, 2);
        await decide(promotion, ballotFor(promotion));
      },
    });
    expect(result.state).toBe('succeeded');
    expect(records.begun.filter((one) => one.startsWith('plan'))).toEqual(['plan', 'plan~2']);
    expect(records.changes.filter((one) => one.startsWith('extra'))).toEqual([
      'extra skipped',
      'extra pending',
      'extra skipped',
    ]);
    expect(records.begun).toContain('deploy~2/host-1');
    expect(records.refusals).toEqual([]);
  });

  test('found under the lease by two deployments at once: both go back, and both run', async () => {
    const records = new FakeRecords();
    let asked = 0;
    const { result } = await play(
      [
        step('plan', { type: 'plan@1' }),
        step('deploy-eu', { type: 'deploy@1', needs: ['plan'] }),
        step('deploy-us', { type: 'deploy@1', needs: ['plan'] }),
      ],
      {
        records,
        members: { 'deploy-eu': ['host-1'], 'deploy-us': ['host-2'] },
        override: {
          checkPlans: async ({ planDigest }) => {
            asked += 1;
            if (asked === 1) records.world = 1;
            return { stale: records.isStale(planDigest) ? ['host-1'] : [] };
          },
        },
      },
    );
    expect(result.state).toBe('succeeded');
    expect([...records.journal].sort()).toEqual([
      'deploy host-1 succeeded',
      'deploy host-2 succeeded',
    ]);
    expect(records.begun.filter((one) => one.startsWith('plan'))).toEqual(['plan', 'plan~2']);
    expect(records.refusals).toEqual([]);
  });

  test('refused by every target: the deployment is planned again', async () => {
    const { result, records } = await play(
      [step('plan', { type: 'plan@1' }), step('deploy', { type: 'deploy@1', needs: ['plan'] })],
      {
        steps: {
          deploy: async ({ round = 1 }) =>
            round === 1
              ? unsuccessful('failed', 'plan-stale')
              : { outcome: 'succeeded', outputs: {}, reason: null },
        },
      },
    );
    expect(result.state).toBe('succeeded');
    expect(records.begun.filter((one) => one.startsWith('plan'))).toEqual(['plan', 'plan~2']);
  });

  test('something has been done by it already: the promotion fails instead', async () => {
    const { result, records, steps } = await play(
      [
        step('plan', { type: 'plan@1' }),
        step('migrate', { type: 'script@1', needs: ['plan'] }),
        step('deploy', { type: 'deploy@1', needs: ['migrate'] }),
      ],
      { override: { checkPlans: async () => ({ stale: ['host-1'] }) } },
    );
    expect(result).toMatchObject({ state: 'reverted', reason: { code: 'plan-stale' } });
    expect(steps.deploy).toBe('failed plan-stale');
    expect(records.journal).toEqual(['undo migrate succeeded']);
  });
});

describe('groups', () => {
  test('within one promotion one step at a time is in the group', async () => {
    let inside = 0;
    let most = 0;
    const { result } = await play(
      Array.from({ length: 4 }, (_, index) => step(`s${index}`, { concurrencyGroup: 'db' })),
      {
        steps: {
          noop: async () => {
            inside += 1;
            most = Math.max(most, inside);
            await pause(100);
            inside -= 1;
            return { outcome: 'succeeded', outputs: {}, reason: null };
          },
        },
      },
    );
    expect(result.state).toBe('succeeded');
    expect(most).toBe(1);
  });

  test('across promotions too, and it is given back after a failure', async () => {
    const groups = new Map<string, FakeLease>();
    const inside: string[] = [];
    const one = (name: string): Promise<PlayedCourse> =>
      play([step('work', { concurrencyGroup: 'db' })], {
        records: new FakeRecords(new FakeLease(), groups),
        steps: {
          work: async () => {
            inside.push(`${name} in`);
            await pause(300);
            inside.push(`${name} out`);
            return name === 'b' ? fails() : { outcome: 'succeeded', outputs: {}, reason: null };
          },
        },
        rules: { deadlines: SHORT_QUEUE },
      });
    const states = await Promise.all(['a', 'b', 'c'].map(one));
    expect(states.map(({ result }) => result.state)).toEqual(['succeeded', 'failed', 'succeeded']);
    for (let at = 0; at < inside.length; at += 2) {
      expect(inside[at + 1]).toBe(inside[at]?.replace('in', 'out'));
    }
    expect(groups.get('group:db')?.holder).toBeUndefined();
  });
});

// Asked again each second: no other promotion tells these fakes that the group is free.
const SHORT_QUEUE = {
  promotionSeconds: 3600,
  queueSeconds: 60,
  scanSeconds: 300,
  gateSeconds: 60,
  deploySeconds: 300,
  verifySeconds: 120,
  revertSeconds: 300,
};

describe('wait', () => {
  test('lasts so long, or until then; a time that has passed is no wait', async () => {
    const begun = Date.now();
    const { result, records } = await play([
      step('one', { type: 'wait@1', inputs: { seconds: 1 } }),
      step('past', { type: 'wait@1', inputs: { until: '2020-01-01T00:00:00Z' } }),
      step('wired', { type: 'wait@1', inputs: { seconds: { cel: '1 + 0' } }, needs: ['past'] }),
    ]);
    expect(result.state).toBe('succeeded');
    expect(Date.now() - begun).toBeGreaterThan(950);
    expect(records.changes).toContain('one running');
    expect(records.refusals).toEqual([]);
  });

  test('a cancellation ends it', async () => {
    const { result, steps } = await play(
      [step('long', { type: 'wait@1', inputs: { seconds: 3600 } })],
      {
        meanwhile: async (promotion) => {
          await until(() => promotion.records.stepStates.get('long') === 'running');
          await cancel(promotion);
        },
      },
    );
    expect(result.state).toBe('cancelled');
    expect(steps.long).toBe('cancelled promotion-cancelled');
  });

  test.each([
    ['nothing', {}, 'input-invalid'],
    ['no number', { seconds: 'soon' }, 'input-invalid'],
    ['no zone', { until: '2030-01-01T00:00:00' }, 'input-invalid'],
    ['what is not there', { seconds: { ref: 'steps.build.outputs.pause' } }, 'input-unavailable'],
  ])('for %s it fails', async (_what, inputs, code) => {
    const { result } = await play([
      step('build'),
      step('w', { type: 'wait@1', inputs, needs: ['build'] }),
    ]);
    expect(result).toMatchObject({ state: 'failed', reason: { code } });
  });

  test('longer than its timeout it fails when that is over', async () => {
    const { result } = await play([
      step('w', { type: 'wait@1', inputs: { seconds: 60 }, timeoutSeconds: 1 }),
    ]);
    expect(result).toMatchObject({ state: 'failed', reason: { code: 'wait-deadline-exceeded' } });
  });
});

describe('matrices', () => {
  const four = ['a', 'b', 'c', 'd'];
  const failsFor =
    (...keys: readonly string[]) =>
    async ({ member }: { readonly member?: { readonly key: string } }) =>
      keys.includes(member?.key ?? '')
        ? unsuccessful('failed', 'broken')
        : { outcome: 'succeeded' as const, outputs: {}, reason: null };

  test.each([
    ['all', undefined, ['a'], 'failed', 'failed broken', 'skipped need-bad'],
    ['partial', undefined, ['a'], 'failed', 'partial broken', 'skipped need-bad'],
    ['partial', undefined, four, 'failed', 'failed broken', 'skipped need-bad'],
    ['minimum', 3, ['a'], 'succeeded', 'partial broken', 'succeeded'],
    ['minimum', 3, ['a', 'b'], 'failed', 'failed broken', 'skipped need-bad'],
  ] as const)(
    'policy %s %s with failures of %j',
    async (policy, minimum, bad, state, fan, next) => {
      const own = matrix({ policy, ...(minimum === undefined ? {} : { minimum }) });
      const { result, steps } = await play(
        [step('fan', { matrix: own }), step('next', { needs: ['fan'] })],
        { members: { fan: four }, steps: { fan: failsFor(...bad) } },
      );
      expect(result.state).toBe(state);
      expect(steps).toEqual({ fan, next });
    },
  );

  test('one without members is skipped by its own will', async () => {
    const { result, steps } = await play(
      [step('fan', { matrix: matrix() }), step('next', { needs: ['fan'] })],
      { members: { fan: [] } },
    );
    expect(result.state).toBe('succeeded');
    expect(steps).toEqual({ fan: 'skipped matrix-empty', next: 'succeeded' });
  });

  test('failFast: no member begins after a failure, and each that never began is recorded', async () => {
    const { records, steps } = await play(
      [step('fan', { matrix: matrix({ failFast: true, maxParallel: 1 }) })],
      { members: { fan: four }, steps: { fan: failsFor('b') } },
    );
    expect(steps.fan).toBe('failed broken');
    expect(records.begun).toEqual(['fan/a', 'fan/b']);
    expect(Object.fromEntries(records.members)).toEqual({
      'fan/a': 'succeeded',
      'fan/b': 'failed',
      'fan/c': 'skipped',
      'fan/d': 'skipped',
    });
  });

  test('at most so many members at a time', async () => {
    let inside = 0;
    let most = 0;
    await play([step('fan', { matrix: matrix({ maxParallel: 2 }) })], {
      members: { fan: four },
      steps: {
        fan: async (input) => {
          inside += 1;
          most = Math.max(most, inside);
          const result = await takes(100)(input);
          inside -= 1;
          return result;
        },
      },
    });
    expect(most).toBe(2);
  });

  test('its outputs are lists by member', async () => {
    const { steps } = await play(
      [
        step('fan', {
          matrix: matrix({ policy: 'partial' }),
          reads: ['n'],
          continueOnFailure: true,
        }),
        step('next', { needs: ['fan'], if: 'steps.fan.outputs.n == [0, null, 2, 3]' }),
      ],
      {
        members: { fan: four },
        steps: {
          fan: async ({ member }) =>
            member?.key === 'b' ? fails() : gives({ n: member?.index ?? -1 })(),
        },
      },
    );
    expect(steps).toEqual({ fan: 'partial broken', next: 'succeeded' });
  });

  test('cancelled members are recorded, and each effect of the others is put back', async () => {
    const { result, records, steps } = await play(
      [step('fan', { type: 'script@1', matrix: matrix() }), step('bad', { needs: ['fan'] })],
      { members: { fan: four }, steps: { bad: fails } },
    );
    expect(result.state).toBe('reverted');
    expect([...records.journal].sort()).toEqual(four.map((key) => `undo fan/${key} succeeded`));
    expect(steps.fan).toBe('reverted broken');
  });

  test('values that cannot be found fail the step', async () => {
    const { result } = await play([step('fan', { matrix: matrix() })], {
      override: {
        expandMatrix: async () => {
          const { ApplicationFailure } = await import('@temporalio/common');
          throw ApplicationFailure.nonRetryable(`no list ${randomUUID()}`, 'InvalidInput');
        },
      },
    });
    expect(result).toMatchObject({ state: 'failed', reason: { code: 'invalid-input' } });
  });
});
