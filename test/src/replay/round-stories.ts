import { FAILURES, PROMOTION_MESSAGES } from '@sluice/temporal-contract';
import { ApplicationFailure } from '@temporalio/common';
import type { FakeSettings } from '../workflows/fake-activities.ts';
import { succeeded, unsuccessful } from '../workflows/fake-activities.ts';
import { FakeRecords } from '../workflows/fake-records.ts';
import {
  composeApprovedRules,
  composeRollbackRules,
  composeRules,
} from '../workflows/fake-rules.ts';
import type { PlayedPromotion } from '../workflows/promotion-stage.ts';
import { ballotFor, decide, startSettlement, untilAsked } from '../workflows/promotion-stage.ts';
import { createPoint, until } from '../workflows/waiting.ts';
import { playPromotion, type Story } from './play-promotion.ts';

const OTHER = 'promotion:dev/1';

/** Says yes to a round's plan, or no. */
async function answer(
  promotion: PlayedPromotion,
  round: number,
  decision: 'approve' | 'reject' = 'approve',
  person = 'otto',
): Promise<void> {
  await untilAsked(promotion, round);
  const approvalId = `${person}/round-${round}`;
  await decide(promotion, ballotFor(promotion, { person, decision, approvalId }));
}

/** An activity that comes to no end while the story is told. */
function unending(): { readonly steps: FakeSettings['steps']; readonly reached: Promise<void> } {
  const { reached, reach } = createPoint();
  const verify = async (): Promise<never> => {
    reach();
    throw ApplicationFailure.retryable('not yet', FAILURES.unavailable);
  };
  return { steps: { verify }, reached };
}

function staleInQueue(): Story {
  const records = new FakeRecords();
  records.lease.take(OTHER);
  return playPromotion({ rules: composeApprovedRules(), records }, async (promotion) => {
    await answer(promotion, 1);
    await until(() => records.promotionState === 'queued');
    records.world += 1;
    records.lease.release(OTHER);
    const { resource } = promotion;
    const { fencingToken } = records.lease;
    await promotion.handle.signal(PROMOTION_MESSAGES.leaseGranted, { resource, fencingToken });
    await answer(promotion, 2);
  });
}

function twoRounds(): Story {
  return playPromotion({ rules: composeApprovedRules({ count: 2 }) }, async (promotion) => {
    await answer(promotion, 1);
    promotion.records.world += 1;
    const { resource } = promotion;
    await promotion.handle.signal(PROMOTION_MESSAGES.targetsChanged, { resource });
    await answer(promotion, 2);
    await answer(promotion, 2, 'approve', 'ada');
  });
}

function superseded(): Story {
  const { steps, reached } = unending();
  return playPromotion({ rules: composeRules(), ...(steps && { steps }) }, async (promotion) => {
    await reached;
    promotion.records.lease.preempt('promotion:dev/99');
    await promotion.handle.signal(PROMOTION_MESSAGES.supersedePromotion, { by: 'dev/99' });
  });
}

function settled(): Story {
  const { steps, reached } = unending();
  return playPromotion(
    { rules: composeRules(), ...(steps && { steps }) },
    async (promotion, { client }) => {
      await reached;
      await promotion.handle.terminate('a test');
      return startSettlement(client, promotion.input, {
        code: 'promotion-abandoned',
        message: 'Its workflow was terminated.',
      });
    },
  );
}

/** What promotions do since plans are rounds and people decide. Named by file. */
export const ROUND_STORIES: Readonly<Record<string, Story>> = {
  'promotion-succeeded-planned': playPromotion({ rules: composeRules() }),
  'promotion-succeeded-approved': playPromotion({ rules: composeApprovedRules() }, (promotion) =>
    answer(promotion, 1),
  ),
  'promotion-succeeded-stale-in-queue': staleInQueue(),
  'promotion-succeeded-two-rounds': twoRounds(),
  'promotion-succeeded-refused-by-agents': playPromotion({
    rules: composeRules(),
    steps: {
      deploy: async ({ target = '', round }) =>
        round === undefined ? unsuccessful('failed', 'plan-stale') : succeeded(target),
    },
  }),
  'promotion-succeeded-rollback': playPromotion({ rules: composeRollbackRules() }),
  'promotion-denied-rejected': playPromotion({ rules: composeApprovedRules() }, (promotion) =>
    answer(promotion, 1, 'reject'),
  ),
  'promotion-denied-approval-expired': playPromotion({
    rules: composeApprovedRules({ deadlineSeconds: 2 }),
  }),
  'promotion-cancelled-while-asked': playPromotion(
    { rules: composeApprovedRules() },
    async (promotion) => {
      await untilAsked(promotion);
      await promotion.handle.signal(PROMOTION_MESSAGES.cancelPromotion, {
        requestedBy: 'principal:mia',
        reason: 'a test',
      });
    },
  ),
  'promotion-cancelled-superseded': superseded(),
  'promotion-reverted-planned': playPromotion({
    rules: composeRules(),
    steps: { verify: async () => unsuccessful('failed', 'unhealthy') },
  }),
  'promotion-failed-rollback': playPromotion({
    rules: composeRollbackRules(),
    steps: { verify: async () => unsuccessful('failed', 'unhealthy') },
  }),
  'promotion-failed-without-rules': playPromotion({
    rules: composeRules(),
    override: {
      freezeRules: () =>
        Promise.reject(ApplicationFailure.nonRetryable('not verified', FAILURES.invalidInput)),
    },
  }),
  'settlement-reverted': settled(),
};
