import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { CourseStep } from '@sluice/domain';
import type { PromotionResult } from '@sluice/temporal-contract';
import { bundleSources, editBundle } from '../../../test/src/workflows/bundle-workflows.ts';
import { type CourseSettings, fails, hangs } from '../../../test/src/workflows/course-stage.ts';
import { unsuccessful } from '../../../test/src/workflows/fake-activities.ts';
import { composeCourseRules, matrix, step } from '../../../test/src/workflows/fake-course-rules.ts';
import type { FakeRecords } from '../../../test/src/workflows/fake-records.ts';
import type {
  PlayedPromotion,
  PromotionStage,
} from '../../../test/src/workflows/promotion-stage.ts';
import { createPromotionStage } from '../../../test/src/workflows/promotion-stage.ts';
import { createPoint } from '../../../test/src/workflows/waiting.ts';
import { openWorkflowEnvironment } from '../../../test/src/workflows/workflow-environment.ts';

/*
 * Settlements of promotions whose pipeline is data; what outlives them is given less time than in earnest.
 */
let stage: PromotionStage;

beforeAll(async () => {
  const from = "const OUTLIVING = '15s';";
  const hasty = editBundle(await bundleSources(), from, "const OUTLIVING = '2s';");
  stage = createPromotionStage(await openWorkflowEnvironment(hasty));
}, 120_000);
afterAll(() => stage.close());

const ABANDONED = { code: 'promotion-abandoned', message: 'Its workflow was terminated.' };

interface Settled {
  readonly result: PromotionResult;
  readonly records: FakeRecords;
}

/** Terminates a course once it is at the point, and settles it. */
async function settle(
  steps: readonly CourseStep[],
  settings: CourseSettings,
  reached: Promise<unknown>,
  meanwhile: (promotion: PlayedPromotion) => void = () => undefined,
): Promise<Settled> {
  const { rules, ...rest } = settings;
  const promotion = await stage.start({ rules: composeCourseRules(steps, rules), ...rest });
  await reached;
  meanwhile(promotion);
  await promotion.handle.terminate('a test');
  const settlement = await stage.settle(promotion, ABANDONED);
  const result = (await settlement.result()) as PromotionResult;
  return { result, records: promotion.records };
}

test('what never began is no effect: nothing was put back, and nobody must look', async () => {
  const { reached, reach } = createPoint();
  const { result, records } = await settle(
    [
      step('first', {}),
      step('migrate', { type: 'script@1', needs: ['first'] }),
      step('fan', { type: 'script@1', needs: ['first'], matrix: matrix() }),
      step('deploy', { type: 'deploy@1', needs: ['first'] }),
      step('report', { needs: ['migrate'], when: 'always' }),
    ],
    { steps: { first: hangs(reach) }, members: { fan: ['a', 'b'] } },
    reached,
  );
  expect(result).toMatchObject({ state: 'failed', reason: ABANDONED });
  expect(records.journal).toEqual([]);
  expect(Object.fromEntries(records.stepStates)).toEqual({
    first: 'cancelled',
    migrate: 'cancelled',
    fan: 'cancelled',
    deploy: 'cancelled',
    report: 'cancelled',
  });
});

test('a step is put back in the round that it ran in, and is recorded as that', async () => {
  const { reached, reach } = createPoint();
  const seen = { rounds: 0 };
  const { result, records } = await settle(
    [
      step('plan', { type: 'plan@1' }),
      step('idle', { needs: ['plan'] }),
      step('deploy', { type: 'deploy@1', needs: ['idle'] }),
      step('migrate', { type: 'script@1', needs: ['deploy'] }),
      step('fan', { type: 'script@1', needs: ['deploy'], matrix: matrix() }),
      step('watch', { needs: ['migrate', 'fan'] }),
    ],
    {
      members: { fan: ['a', 'b'] },
      steps: {
        watch: hangs(reach),
        deploy: async ({ round = 1 }) => {
          seen.rounds = Math.max(seen.rounds, round);
          return round === 1
            ? unsuccessful('failed', 'plan-stale')
            : { outcome: 'succeeded', outputs: {}, reason: null };
        },
      },
    },
    reached,
  );
  expect(seen.rounds).toBe(2);
  expect(result).toMatchObject({ state: 'reverted', reason: ABANDONED });
  const undone = records.journal.filter((line) => line.startsWith('undo')).sort();
  expect(undone).toEqual([
    'undo fan~2/a succeeded',
    'undo fan~2/b succeeded',
    'undo migrate~2 succeeded',
  ]);
  expect(records.stepStates.get('migrate')).toBe('reverted');
  expect(records.stepStates.get('fan')).toBe('reverted');
  expect(records.stepStates.get('deploy')).toBe('reverted');
});

test('what still runs is fenced first, and is over when it is put back', async () => {
  const { reached, reach } = createPoint();
  const seen: string[] = [];
  let played: PlayedPromotion | undefined;
  const isFenced = (): boolean => played?.records.changes.includes('migrate cancelled') === true;
  const { result, records } = await settle(
    [
      step('migrate', { type: 'script@1', concurrencyGroup: 'db' }),
      step('after', { type: 'script@1', needs: ['migrate'] }),
    ],
    {
      steps: {
        migrate: async () => {
          reach();
          while (!isFenced()) await new Promise((resolve) => setTimeout(resolve, 50));
          await new Promise((resolve) => setTimeout(resolve, 500));
          seen.push('migrate ended');
          return { outcome: 'succeeded', outputs: {}, reason: null };
        },
      },
      compensate: async ({ stepId }) => {
        seen.push(`undo ${stepId}`);
        return { outcome: 'succeeded', outputs: {}, reason: null };
      },
    },
    reached,
    (promotion) => {
      played = promotion;
    },
  );
  expect(result).toMatchObject({ state: 'reverted', reason: ABANDONED });
  expect(seen).toEqual(['migrate ended', 'undo migrate']);
  expect(records.leaseOf('group:db').holder).toBeUndefined();
});

test('what cannot be put back is told', async () => {
  const { reached, reach } = createPoint();
  const { result } = await settle(
    [step('migrate', { type: 'script@1' }), step('watch', { needs: ['migrate'] })],
    { steps: { watch: hangs(reach) }, compensate: fails },
    reached,
  );
  expect(result).toMatchObject({ state: 'failed', reason: { code: 'compensation-failed' } });
  expect(result.reason?.message).toContain('Step migrate was not put back');
});
