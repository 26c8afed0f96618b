import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { PromotionResult, Reason } from '@sluice/temporal-contract';
import { FAILURES, PER_TARGET_STEPS, PROMOTION_MESSAGES } from '@sluice/temporal-contract';
import { ApplicationFailure } from '@temporalio/common';
import type { FakeSettings } from '../../test/src/workflows/fake-activities.ts';
import { succeeded, unsuccessful } from '../../test/src/workflows/fake-activities.ts';
import { FakeRecords } from '../../test/src/workflows/fake-records.ts';
import {
  composeApprovedRules,
  composeRollbackRules,
  composeRules,
} from '../../test/src/workflows/fake-rules.ts';
import type { PlayedPromotion, PromotionStage } from '../../test/src/workflows/promotion-stage.ts';
import { openPromotionStage, untilAsked } from '../../test/src/workflows/promotion-stage.ts';
import { createPoint, type Point, until } from '../../test/src/workflows/waiting.ts';

const ABANDONED: Reason = { code: 'promotion-abandoned', message: 'Its workflow was terminated.' };
const SUPERSEDED: Reason = { code: 'superseded', message: 'A rollback took the lease.' };

let stage: PromotionStage;
/** Lets every activity go on that a test holds. */
let open: Point;

beforeAll(async () => {
  stage = await openPromotionStage();
  open = createPoint();
});
afterAll(async () => {
  open.reach();
  await stage.close();
});

/** Terminates the promotion's own workflow once it is where the test wants it, and settles it. */
async function abandon(
  promotion: PlayedPromotion,
  reached: Promise<unknown>,
  reason: Reason = ABANDONED,
): Promise<PromotionResult | null> {
  await reached;
  await promotion.handle.terminate('a test');
  const settlement = await stage.settle(promotion, reason);
  return (await settlement.result()) as PromotionResult | null;
}

/** Reached when the step has begun on each of its places: one, or both targets. */
function heldAt(type: string, settings: Partial<FakeSettings> = {}) {
  const { reached, reach } = createPoint();
  let missing = PER_TARGET_STEPS.has(type) ? composeRules().targets.length : 1;
  const held = async () => {
    missing -= 1;
    if (missing === 0) reach();
    await open.reached;
    return succeeded('late');
  };
  const started = stage.start({ rules: composeRules(), ...settings, steps: { [type]: held } });
  return { started, reached };
}

const leftNothing = { leaseHolder: undefined, queue: [] };

describe('a promotion whose workflow was terminated', () => {
  test.each([
    ['scan', { scan: 'cancelled', gate: 'skipped' }],
    ['plan', { gate: 'succeeded', plan: 'cancelled' }],
  ])('in its %s has failed', async (type, steps) => {
    const { started, reached } = heldAt(type);
    const promotion = await started;
    expect(await abandon(promotion, reached)).toMatchObject({ state: 'failed', reason: ABANDONED });
    expect(promotion.records.endState()).toMatchObject({
      promotion: 'failed',
      steps,
      journal: [],
      ...leftNothing,
    });
  });

  test('while its approval waits has failed, and the request is withdrawn', async () => {
    const promotion = await stage.start({ rules: composeApprovedRules() });
    const result = await abandon(promotion, untilAsked(promotion));
    expect(result).toMatchObject({ state: 'failed' });
    expect(promotion.records.endState()).toMatchObject({
      steps: { approval: 'cancelled' },
      approvals: { requests: ['1 withdrawn'] },
      ...leftNothing,
    });
  });

  test('in the queue gives its place back', async () => {
    const records = new FakeRecords();
    records.lease.take('promotion:other/1');
    const promotion = await stage.start({ rules: composeRules(), records });
    const queued = until(() => records.promotionState === 'queued');
    expect(await abandon(promotion, queued)).toMatchObject({ state: 'failed' });
    expect(records.endState()).toMatchObject({ leaseHolder: 'promotion:other/1', queue: [] });
  });

  test.each([
    ['deploy', { deploy: 'reverted', verify: 'skipped' }],
    ['verify', { deploy: 'reverted', verify: 'cancelled' }],
  ])('in its %s is reverted', async (type, steps) => {
    const { started, reached } = heldAt(type);
    const promotion = await started;
    expect(await abandon(promotion, reached)).toMatchObject({
      state: 'reverted',
      reason: ABANDONED,
    });
    expect(promotion.records.endState()).toMatchObject({ steps, ...leftNothing });
    expect(promotion.records.journal.filter((line) => line.startsWith('revert')).sort()).toEqual([
      'revert host-1 succeeded',
      'revert host-2 succeeded',
    ]);
  });

  test('with a target that cannot be put back has failed and names it', async () => {
    const { started, reached } = heldAt('verify', {
      revert: async (target) =>
        target === 'host-2' ? unsuccessful('failed', 'agent-silent') : succeeded('back'),
    });
    const result = await abandon(await started, reached);
    expect(result).toMatchObject({ state: 'failed', reason: { code: 'revert-failed' } });
    expect(result?.reason?.message).toContain('host-2');
  });

  test('because it was superseded is cancelled, and its targets are left alone', async () => {
    const { started, reached } = heldAt('deploy');
    const promotion = await started;
    const result = await abandon(promotion, reached, SUPERSEDED);
    expect(result).toMatchObject({ state: 'cancelled', reason: SUPERSEDED });
    expect(promotion.records.endState()).toMatchObject({
      sealed: { state: 'cancelled', code: 'superseded' },
      steps: { deploy: 'cancelled' },
      journal: [],
    });
  });

  test('as a rollback is not put back', async () => {
    const { started, reached } = heldAt('deploy', { rules: composeRollbackRules() });
    const promotion = await started;
    const result = await abandon(promotion, reached);
    expect(result).toMatchObject({ state: 'failed', reason: { code: 'promotion-abandoned' } });
    expect(result?.reason?.message).toContain('Look at what runs on host-1, host-2.');
    expect(promotion.records.endState()).toMatchObject({ journal: [], ...leftNothing });
  });

  test('is settled though its rules are not to be had', async () => {
    const { reached, reach } = createPoint();
    const promotion = await stage.start(
      {
        rules: composeRules(),
        override: {
          freezeRules: async () => {
            reach();
            throw ApplicationFailure.nonRetryable('no such pipeline', FAILURES.notFound);
          },
          listDeployments: async () => [],
        },
      },
      (activities) => ({
        ...activities,
        sealPromotion: async (input) => {
          if (input.reason?.code !== ABANDONED.code) await open.reached;
          return activities.sealPromotion(input);
        },
      }),
    );
    expect(await abandon(promotion, reached)).toMatchObject({ state: 'failed', reason: ABANDONED });
  });
});

test('a rollback that takes the lease while a settlement puts targets back ends it as superseded', async () => {
  const reverting = createPoint();
  const { started, reached } = heldAt('verify', {
    revert: async () => {
      reverting.reach();
      await open.reached;
      return succeeded('late');
    },
  });
  const promotion = await started;
  await reached;
  await promotion.handle.terminate('a test');
  const settlement = await stage.settle(promotion, ABANDONED);
  await reverting.reached;
  await settlement.signal(PROMOTION_MESSAGES.supersedePromotion, { by: 'env/99' });
  expect(await settlement.result()).toMatchObject({
    state: 'cancelled',
    reason: { code: 'superseded' },
  });
  expect(promotion.records.promotionState).toBe('cancelled');
});

test('a promotion that ended by itself is left as it is', async () => {
  const promotion = await stage.start({ rules: composeRules() });
  expect(await promotion.result()).toMatchObject({ state: 'succeeded' });
  const settlement = await stage.settle(promotion, ABANDONED);
  expect(await settlement.result()).toBeNull();
  expect(promotion.records.endState()).toMatchObject({ promotion: 'succeeded', ...leftNothing });
});

test('a settlement that cannot be sealed fails, and can be started again', async () => {
  let seals = 0;
  const { started, reached } = heldAt('gate', {
    override: {
      sealPromotion: async () => {
        seals += 1;
        if (seals === 1) throw ApplicationFailure.nonRetryable('disk gone', FAILURES.integrity);
        return { packetDigest: 'sha256:1' };
      },
    },
  });
  const promotion = await started;
  await expect(abandon(promotion, reached)).rejects.toMatchObject({
    cause: { type: 'SealingFailed' },
  });
  const again = await stage.settle(promotion, ABANDONED);
  expect(await again.result()).toMatchObject({ state: 'failed', packetDigest: 'sha256:1' });
});
