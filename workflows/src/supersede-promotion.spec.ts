import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { FAILURES, PROMOTION_MESSAGES } from '@sluice/temporal-contract';
import { ApplicationFailure } from '@temporalio/common';
import type { FakeSettings } from '../../test/src/workflows/fake-activities.ts';
import { succeeded, unsuccessful } from '../../test/src/workflows/fake-activities.ts';
import { FakeRecords } from '../../test/src/workflows/fake-records.ts';
import {
  composeApprovedRules,
  composeFirstRules,
  composeRollbackRules,
  composeRules,
} from '../../test/src/workflows/fake-rules.ts';
import type { PlayedPromotion, PromotionStage } from '../../test/src/workflows/promotion-stage.ts';
import {
  answerOf,
  ballotFor,
  decide,
  openPromotionStage,
  untilAsked,
} from '../../test/src/workflows/promotion-stage.ts';
import { createPoint, type Point, until } from '../../test/src/workflows/waiting.ts';

const ROLLBACK = 'promotion:env/99';

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

/** What a rollback's lease does to the holder: the row first, then the signal. */
async function supersede({ handle, records }: PlayedPromotion): Promise<void> {
  records.lease.preempt(ROLLBACK);
  await handle.signal(PROMOTION_MESSAGES.supersedePromotion, { by: 'env/99' });
}

/** An activity that a test holds in the middle. */
function held<T>(reach: () => void, result: T): () => Promise<T> {
  return async () => {
    reach();
    await open.reached;
    return result;
  };
}

const superseded = { state: 'cancelled', reason: { code: 'superseded' } };
const reverts = ({ records }: PlayedPromotion): readonly string[] =>
  records.journal.filter((line) => line.startsWith('revert'));

describe('a promotion that a rollback supersedes is cancelled, touches nothing more and leaves the lease', () => {
  const isOver = async (promotion: PlayedPromotion): Promise<void> => {
    const result = await promotion.result();
    expect(result).toMatchObject(superseded);
    expect(reverts(promotion)).toEqual([]);
    expect(promotion.records.endState()).toMatchObject({
      promotion: 'cancelled',
      sealed: { state: 'cancelled', code: 'superseded' },
    });
    expect(promotion.records.lease.queue).toEqual([]);
  };

  test('while its approval waits', async () => {
    const promotion = await stage.start({ rules: composeApprovedRules() });
    await untilAsked(promotion);
    await supersede(promotion);
    await isOver(promotion);
    expect(promotion.records.approvals.endState()).toMatchObject({ requests: ['1 withdrawn'] });
  });

  test('while it is queued', async () => {
    const records = new FakeRecords();
    records.lease.take('promotion:other/1');
    const promotion = await stage.start({ rules: composeRules(), records });
    await until(() => records.promotionState === 'queued');
    await supersede(promotion);
    await isOver(promotion);
    expect(records.lease.holder).toBe(ROLLBACK);
  });

  test.each([
    ['deploying', 'deploy', { deploy: 'cancelled', verify: 'skipped' }],
    ['verifying', 'verify', { deploy: 'succeeded', verify: 'cancelled' }],
  ])('while it is %s', async (_what, type, steps) => {
    const { reached, reach } = createPoint();
    const promotion = await stage.start({
      rules: composeRules(),
      steps: { [type]: held(reach, succeeded('late')) },
    });
    await reached;
    await supersede(promotion);
    await isOver(promotion);
    expect(promotion.records.endState()).toMatchObject({ steps });
    expect(promotion.records.lease.holder).toBe(ROLLBACK);
  });

  test('while its targets are put back: that is interrupted', async () => {
    const { reached, reach } = createPoint();
    const promotion = await stage.start({
      rules: composeRules(),
      steps: { verify: async () => unsuccessful('failed', 'unhealthy') },
      revert: held(reach, succeeded('late')),
    });
    await reached;
    await supersede(promotion);
    await isOver(promotion);
  });

  test('while it is sealed as a success: the records decide', async () => {
    const { reached, reach } = createPoint();
    const goOn = createPoint();
    const promotion = await stage.start({ rules: composeRules() }, (activities) => ({
      ...activities,
      sealPromotion: async (input) => {
        reach();
        await goOn.reached;
        return activities.sealPromotion(input);
      },
    }));
    await reached;
    await supersede(promotion);
    goOn.reach();
    await isOver(promotion);
  });

  test('while it was being cancelled by a person', async () => {
    const { reached, reach } = createPoint();
    const promotion = await stage.start({
      rules: composeRules(),
      steps: { verify: held(reach, succeeded('late')) },
      revert: held(reach, succeeded('late')),
    });
    await reached;
    await promotion.handle.signal(PROMOTION_MESSAGES.cancelPromotion, {
      requestedBy: 'principal:mia',
      reason: 'no',
    });
    await until(() => promotion.records.stepStates.get('verify') === 'cancelled');
    await supersede(promotion);
    await isOver(promotion);
  });

  test('though the signer refused it before it was told', async () => {
    const { reached, reach } = createPoint();
    const promotion = await stage.start({
      rules: composeRules(),
      steps: {
        deploy: async () => {
          reach();
          throw ApplicationFailure.nonRetryable(
            'the lease is held by env/99',
            FAILURES.signerRefused,
          );
        },
      },
    });
    await reached;
    await until(() => promotion.records.stepStates.get('deploy') === 'failed');
    await supersede(promotion);
    await isOver(promotion);
  });

  test('also when its rules are of the first form', async () => {
    const { reached, reach } = createPoint();
    const promotion = await stage.start({
      rules: composeFirstRules(),
      steps: { verify: held(reach, succeeded('late')) },
    });
    await reached;
    await supersede(promotion);
    await isOver(promotion);
  });

  test('a vote after it is refused', async () => {
    const { reached, reach } = createPoint();
    const promotion = await stage.start({
      rules: composeApprovedRules(),
      override: { closeApproval: held(reach, undefined) },
    });
    await untilAsked(promotion);
    await supersede(promotion);
    await reached;
    expect(await answerOf(decide(promotion, ballotFor(promotion)))).toBe('approval-closed');
  });
});

test('a promotion whose signer refuses for another reason waits a moment, then is put back', async () => {
  const promotion = await stage.start({
    rules: composeRules(),
    steps: {
      deploy: () =>
        Promise.reject(ApplicationFailure.nonRetryable('no decision', FAILURES.signerRefused)),
    },
  });
  expect(await promotion.result()).toMatchObject({
    state: 'reverted',
    reason: { code: 'signer-refused' },
  });
});

describe('a rollback', () => {
  const rollback = (settings: Omit<FakeSettings, 'rules'> = {}): Promise<PlayedPromotion> =>
    stage.start({ rules: composeRollbackRules(), ...settings });

  test('takes the lease from its holder before it plans, and nobody is asked', async () => {
    const records = new FakeRecords();
    records.lease.take('promotion:other/1');
    const order: string[] = [];
    const promotion = await stage.start(
      { rules: composeRollbackRules(), records },
      (activities) => ({
        ...activities,
        takeLease: async (input) => {
          order.push(`lease ${String(input.preempt)}`);
          return activities.takeLease(input);
        },
        executeStep: async (input) => {
          order.push(input.type);
          return activities.executeStep(input);
        },
        checkPlans: () => Promise.reject(new Error('nobody asks whether a rollback is stale')),
      }),
    );
    expect(await promotion.result()).toMatchObject({ state: 'succeeded' });
    expect(order).toEqual(['lease true', 'plan', 'deploy', 'deploy', 'verify', 'verify']);
    expect(records.lease.superseded.get('promotion:other/1')).toBe(promotion.holder);
    expect(records.endState()).toMatchObject({
      steps: { plan: 'succeeded', deploy: 'succeeded', verify: 'succeeded' },
      leaseHolder: undefined,
    });
  });

  test('that fails is never put back, and says what runs', async () => {
    const promotion = await rollback({
      steps: {
        deploy: async ({ target }) =>
          target === 'host-2' ? unsuccessful('failed', 'disk-full') : succeeded('host-1'),
      },
      revert: () => Promise.reject(new Error('a rollback is never reverted')),
    });
    const result = await promotion.result();
    expect(result).toMatchObject({ state: 'failed', reason: { code: 'disk-full' } });
    expect(result.reason?.message).toMatch(/sha256:[0-9a-f]+ runs on host-1\./);
    expect(result.reason?.message).toContain('Look at what runs on host-2.');
    expect(reverts(promotion)).toEqual([]);
    expect(promotion.records.endState()).toMatchObject({
      steps: { deploy: 'failed', verify: 'skipped' },
      leaseHolder: undefined,
    });
  });

  test('that is cancelled in its verification is not put back either', async () => {
    const { reached, reach } = createPoint();
    const promotion = await rollback({ steps: { verify: held(reach, succeeded('late')) } });
    await reached;
    await promotion.handle.cancel();
    const result = await promotion.result();
    expect(result).toMatchObject({ state: 'cancelled', reason: { code: 'promotion-cancelled' } });
    expect(result.reason?.message).toContain('runs on host-1, host-2.');
    expect(reverts(promotion)).toEqual([]);
  });

  test('that another rollback supersedes is cancelled', async () => {
    const { reached, reach } = createPoint();
    const promotion = await rollback({ steps: { deploy: held(reach, succeeded('late')) } });
    await reached;
    await supersede(promotion);
    expect(await promotion.result()).toMatchObject(superseded);
    expect(promotion.records.lease.holder).toBe(ROLLBACK);
  });

  test('that cannot have the lease fails before it does anything', async () => {
    const promotion = await rollback({
      override: {
        takeLease: () =>
          Promise.reject(
            ApplicationFailure.nonRetryable('it has ended', FAILURES.illegalTransition),
          ),
      },
    });
    expect(await promotion.result()).toMatchObject({
      state: 'failed',
      reason: { code: 'illegal-transition' },
    });
    expect(promotion.records.journal).toEqual([]);
  });
});
