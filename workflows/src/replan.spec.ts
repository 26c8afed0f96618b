import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { PromotionStatus } from '@sluice/temporal-contract';
import { FAILURES, PROMOTION_MESSAGES } from '@sluice/temporal-contract';
import { ApplicationFailure } from '@temporalio/common';
import type { FakeSettings } from '../../test/src/workflows/fake-activities.ts';
import { succeeded, unsuccessful } from '../../test/src/workflows/fake-activities.ts';
import { FakeRecords } from '../../test/src/workflows/fake-records.ts';
import { composeApprovedRules, composeRules } from '../../test/src/workflows/fake-rules.ts';
import type { PlayedPromotion, PromotionStage } from '../../test/src/workflows/promotion-stage.ts';
import {
  answerOf,
  ballotFor,
  decide,
  openPromotionStage,
  untilAsked,
} from '../../test/src/workflows/promotion-stage.ts';
import { pause, until } from '../../test/src/workflows/waiting.ts';

const OTHER = 'promotion:other/1';

let stage: PromotionStage;

beforeAll(async () => {
  stage = await openPromotionStage();
});
afterAll(() => stage.close());

const tellGranted = ({ handle, resource, records }: PlayedPromotion): Promise<void> =>
  handle.signal(PROMOTION_MESSAGES.leaseGranted, {
    resource,
    fencingToken: records.lease.fencingToken,
  });

const tellChanged = ({ handle }: PlayedPromotion, resource: string): Promise<void> =>
  handle.signal(PROMOTION_MESSAGES.targetsChanged, { resource });

async function approve(promotion: PlayedPromotion, round: number): Promise<void> {
  await untilAsked(promotion, round);
  expect(await answerOf(decide(promotion, ballotFor(promotion)))).toBe('approved');
}

describe('while it waits for the lease', () => {
  test('an approved plan that went stale is made and approved again; the place is kept, others overtake', async () => {
    const records = new FakeRecords();
    const { lease } = records;
    lease.take(OTHER);
    const promotion = await stage.start({ rules: composeApprovedRules(), records });
    await approve(promotion, 1);
    await until(() => records.promotionState === 'queued');
    // The other one's success changed what runs there.
    records.world += 1;
    lease.release(OTHER);
    expect(lease.holder).toBe(promotion.holder);
    await tellGranted(promotion);
    await untilAsked(promotion, 2);
    expect({ holder: lease.holder, queue: lease.queue }).toEqual({
      holder: undefined,
      queue: [promotion.holder],
    });
    const status = await promotion.handle.query<PromotionStatus>('promotionStatus');
    expect(status).toMatchObject({ fencingToken: null, approval: { round: 2, state: 'waiting' } });

    // One that came later is ready and overtakes; the place is still the first.
    lease.take('promotion:other/2');
    lease.enter('promotion:other/3');
    await approve(promotion, 2);
    await until(() => records.promotionState === 'queued');
    expect(lease.queue).toEqual([promotion.holder, 'promotion:other/3']);
    lease.release('promotion:other/2');
    await tellGranted(promotion);
    expect(await promotion.result()).toMatchObject({ state: 'succeeded' });
    expect(records.endState()).toMatchObject({
      steps: { plan: 'succeeded', approval: 'succeeded', deploy: 'succeeded' },
      approvals: { requests: ['1 approved', '2 approved'] },
      journal: ['deploy host-1 succeeded', 'deploy host-2 succeeded'],
    });
    expect(records.changes.filter((change) => change === 'plan pending')).toHaveLength(1);
  });

  test('without an approval the lease is kept, and only the plan is made again', async () => {
    const records = new FakeRecords();
    records.lease.take(OTHER);
    const yields: string[] = [];
    const rounds: (number | undefined)[] = [];
    const promotion = await stage.start({ rules: composeRules(), records }, (activities) => ({
      ...activities,
      executeStep: async (input) => {
        rounds.push(input.round);
        return activities.executeStep(input);
      },
      yieldLease: async ({ resource }) => {
        yields.push(resource);
      },
    }));
    await until(() => records.promotionState === 'queued');
    records.world += 1;
    records.lease.release(OTHER);
    await tellGranted(promotion);
    expect(await promotion.result()).toMatchObject({ state: 'succeeded' });
    expect(yields).toEqual([]);
    expect(records.lease.fencingToken).toBe(2);
    // scan, gate and plan of the first round; plan, and deploy and verify on two targets, of the second.
    expect(rounds).toEqual([undefined, undefined, undefined, 2, 2, 2, 2, 2]);
  });

  test('targets that change again and again end it after ten rounds', async () => {
    let planned = 0;
    const promotion = await stage.start(
      {
        rules: composeRules(),
        override: { checkPlans: async () => ({ stale: ['host-1', 'host-2'] }) },
      },
      (activities) => ({
        ...activities,
        executeStep: async (input) => {
          if (input.type === 'plan') planned += 1;
          return activities.executeStep(input);
        },
      }),
    );
    const result = await promotion.result();
    expect(result).toMatchObject({ state: 'failed', reason: { code: 'plan-unstable' } });
    expect(result.reason?.message).toContain('host-1, host-2');
    expect(planned).toBe(10);
    expect(promotion.records.endState()).toMatchObject({
      steps: { plan: 'succeeded', deploy: 'failed', verify: 'skipped' },
      journal: [],
      leaseHolder: undefined,
      queue: [],
    });
  });

  test('plans that cannot be looked at again fail the step', async () => {
    const promotion = await stage.start({
      rules: composeRules(),
      override: {
        checkPlans: () =>
          Promise.reject(ApplicationFailure.nonRetryable('another plan', FAILURES.integrity)),
      },
    });
    expect(await promotion.result()).toMatchObject({
      state: 'failed',
      reason: { code: 'integrity' },
    });
    expect(promotion.records.endState()).toMatchObject({
      steps: { deploy: 'failed' },
      journal: [],
    });
  });

  test('a deployment without a plan before it fails', async () => {
    const { pipeline } = composeRules();
    const steps = [{ id: 'deploy', type: 'deploy@1', needs: [], inputs: {} }] as const;
    const promotion = await stage.start({
      rules: composeRules({ pipeline: { ...pipeline, steps } }),
    });
    expect(await promotion.result()).toMatchObject({
      state: 'failed',
      reason: { code: 'plan-missing' },
    });
  });
});

describe('while it waits for an approval', () => {
  test('a changed target sends it back to planning, and what people saw before counts no more', async () => {
    const promotion = await stage.start({ rules: composeApprovedRules({ count: 2 }) });
    const { records, resource } = promotion;
    await untilAsked(promotion);
    const before = ballotFor(promotion);
    expect(await answerOf(decide(promotion, before))).toBe('waiting');
    // Something else changed, or the plan still holds: nothing happens.
    await tellChanged(promotion, 'environment:else');
    await tellChanged(promotion, resource);
    await pause(500);
    expect(records.approvals.requests.get(1)?.state).toBe('waiting');

    records.world += 1;
    await tellChanged(promotion, resource);
    await untilAsked(promotion, 2);
    const { planDigest } = before;
    const blind = ballotFor(promotion, { person: 'ada', planDigest });
    expect(await answerOf(decide(promotion, blind))).toBe('approval-wrong-plan');
    // Who had decided for the old plan decides again.
    expect(await answerOf(decide(promotion, ballotFor(promotion)))).toBe('waiting');
    expect(await answerOf(decide(promotion, ballotFor(promotion, { person: 'ada' })))).toBe(
      'approved',
    );
    expect(await promotion.result()).toMatchObject({ state: 'succeeded' });
    expect(records.endState()).toMatchObject({
      approvals: { requests: ['1 withdrawn', '2 approved'] },
    });
    expect(records.journal).toHaveLength(2);
  });

  test('a change between plan and request is noticed when people are asked', async () => {
    const promotion = await stage.start({ rules: composeApprovedRules() }, (activities) => ({
      ...activities,
      openApproval: async (input) => {
        if (input.round === 1) {
          promotion.records.world += 1;
          await tellChanged(promotion, promotion.resource);
        }
        await activities.openApproval(input);
      },
    }));
    await approve(promotion, 2);
    expect(await promotion.result()).toMatchObject({ state: 'succeeded' });
    expect(promotion.records.approvals.endState()).toMatchObject({
      requests: ['1 withdrawn', '2 approved'],
    });
  });

  test('a vote that decides while the plans are looked at goes first; the lease finds the plan stale', async () => {
    const promotion = await stage.start({ rules: composeApprovedRules() }, (activities) => ({
      ...activities,
      checkPlans: async (input) => {
        await pause(700);
        return activities.checkPlans(input);
      },
    }));
    await untilAsked(promotion);
    promotion.records.world += 1;
    await tellChanged(promotion, promotion.resource);
    expect(await answerOf(decide(promotion, ballotFor(promotion)))).toBe('approved');
    await approve(promotion, 2);
    expect(await promotion.result()).toMatchObject({ state: 'succeeded' });
    expect(promotion.records.approvals.endState()).toMatchObject({
      requests: ['1 approved', '2 approved'],
    });
  });

  test('plans that cannot be looked at again withdraw the request and fail it', async () => {
    const promotion = await stage.start({
      rules: composeApprovedRules(),
      override: {
        checkPlans: () =>
          Promise.reject(ApplicationFailure.nonRetryable('another plan', FAILURES.integrity)),
      },
    });
    await untilAsked(promotion);
    await tellChanged(promotion, promotion.resource);
    expect(await promotion.result()).toMatchObject({
      state: 'failed',
      reason: { code: 'integrity' },
    });
    expect(promotion.records.endState()).toMatchObject({
      steps: { approval: 'cancelled', deploy: 'skipped' },
      approvals: { requests: ['1 withdrawn'] },
    });
  });
});

describe('when the agents find something else', () => {
  const staleOn = (targets: readonly string[]): NonNullable<FakeSettings['steps']> => ({
    deploy: async ({ target = '', round = 1 }) =>
      round === 1 && targets.includes(target)
        ? unsuccessful('failed', 'plan-stale')
        : succeeded(target),
  });

  test('all of them: planned, approved and deployed again', async () => {
    const promotion = await stage.start({
      rules: composeApprovedRules(),
      steps: staleOn(['host-1', 'host-2']),
    });
    await approve(promotion, 1);
    await untilAsked(promotion, 2);
    expect(promotion.records.lease.holder).toBeUndefined();
    await approve(promotion, 2);
    expect(await promotion.result()).toMatchObject({ state: 'succeeded' });
    expect(promotion.records.endState()).toMatchObject({
      steps: { deploy: 'succeeded', verify: 'succeeded' },
      journal: [
        'deploy host-1 failed',
        'deploy host-1 succeeded',
        'deploy host-2 failed',
        'deploy host-2 succeeded',
      ],
    });
  });

  test('cancelled in the next round, nothing is put back: nothing was touched', async () => {
    const promotion = await stage.start({
      rules: composeApprovedRules(),
      steps: staleOn(['host-1', 'host-2']),
    });
    await approve(promotion, 1);
    await untilAsked(promotion, 2);
    await promotion.handle.cancel();
    expect(await promotion.result()).toMatchObject({ state: 'cancelled' });
    expect(promotion.records.journal.filter((line) => line.startsWith('revert'))).toEqual([]);
  });

  test('one of them: the promotion fails and the other target is put back', async () => {
    const promotion = await stage.start({ rules: composeRules(), steps: staleOn(['host-2']) });
    expect(await promotion.result()).toMatchObject({
      state: 'reverted',
      reason: { code: 'plan-stale' },
    });
    expect(promotion.records.journal).toContain('revert host-1 succeeded');
  });
});
