import { DEFAULT_APPROVAL_RULE, isPromotionEnd, type Vote } from '@sluice/domain';
import {
  assertPromotionOpen,
  findPlanSet,
  getPromotion,
  insertApprovalRequest,
  listApprovalsOf,
  type PromotionRecord,
  type Tx,
  votesOn,
  withTenant,
} from '@sluice/persistence';
import {
  type ApprovalRound,
  FAILURES,
  type InterpreterActivities,
  type OpenedApproval,
} from '@sluice/temporal-contract';
import type { ActivityDependencies } from '../dependencies.ts';
import { activityFailure } from '../failures.ts';
import { recordEventOf } from '../records/promotion-event.ts';
import { enterPromotionState } from '../records/state.activities.ts';
import { runActivity } from '../run-activity.ts';
import { requireRules } from '../step/frozen-course.ts';
import { type ApprovalClosing, closeRound, enterStepState } from './approval-records.ts';
import { recordBallot } from './record-ballot.ts';

type ApprovalActivities = Pick<
  InterpreterActivities,
  'openApproval' | 'recordApproval' | 'closeApproval'
>;

/** `openApproval`, `recordApproval` and `closeApproval`: what a step that waits for people leaves in the records. */
export function createApprovalActivities(
  parts: Pick<ActivityDependencies, 'pool' | 'signer' | 'logger' | 'scope' | 'observe'>,
): ApprovalActivities {
  return {
    openApproval: (input) =>
      runActivity(parts, 'openApproval', { ...input.promotion, stepId: input.stepId }, () =>
        withTenant(parts.pool, input.promotion.tenantId, (tx) => open(tx, input)),
      ),

    recordApproval: (input) =>
      runActivity(parts, 'recordApproval', { ...input.promotion, stepId: input.stepId }, () =>
        recordBallot(parts, input),
      ),

    closeApproval: (input) =>
      runActivity(parts, 'closeApproval', { ...input.promotion, stepId: input.stepId }, () =>
        withTenant(parts.pool, input.promotion.tenantId, async (tx) => {
          const promotion = await getPromotion(tx, input.promotion.promotionId);
          if (!(await closeRound(tx, promotion, input, input))) return;
          await endStep(tx, promotion, input);
          if (!isPromotionEnd(promotion.state)) await enterPromotionState(tx, promotion, 'running');
        }),
      ),
  };
}

async function open(
  tx: Tx,
  input: Parameters<ApprovalActivities['openApproval']>[0],
): Promise<OpenedApproval> {
  const { stepId, round, releaseDigest, planDigest, deadline } = input;
  const { promotionId } = input.promotion;
  await assertPromotionOpen(tx, promotionId);
  const promotion = await getPromotion(tx, promotionId);
  await assertPlanned(tx, promotion, input);
  const rule = requireRules(promotion).approval ?? DEFAULT_APPROVAL_RULE;
  const opened = await insertApprovalRequest(tx, {
    promotionId,
    stepId,
    round,
    releaseDigest,
    planDigest,
    rule,
    requesterPersonId: promotion.requestedPerson,
    deadline,
  });
  if (!opened) return { votes: await listVotes(tx, input) };
  await enterStepState(tx, promotion, stepId, 'waiting', null);
  // Out of the queue it passes through running, as the table of states wants it.
  if (promotion.state !== 'running') await enterPromotionState(tx, promotion, 'running');
  await enterPromotionState(tx, promotion, 'waiting');
  await recordEventOf(tx, 'approval.requested', promotion, {
    step: stepId,
    round,
    plan: planDigest,
    deadline,
    count: rule.count,
    roles: rule.roles,
  });
  return { votes: [] };
}

/** What people said in this round before the run was reset. */
async function listVotes(tx: Tx, asked: ApprovalRound): Promise<readonly Vote[]> {
  const approvals = await listApprovalsOf(tx, [asked.promotion.promotionId]);
  return votesOn(asked, approvals).map(({ personId, decision }) => ({ personId, decision }));
}

async function assertPlanned(
  tx: Tx,
  { promotionId, releaseDigest }: PromotionRecord,
  asked: ApprovalRound,
): Promise<void> {
  const set = await findPlanSet(tx, promotionId);
  const isStored =
    set?.digest === asked.planDigest &&
    set.round === asked.round &&
    releaseDigest === asked.releaseDigest;
  if (isStored) return;
  throw activityFailure(
    FAILURES.integrity,
    `Approval of plan ${asked.planDigest}, round ${asked.round}, was asked for ${promotionId}, but ` +
      `${set?.digest ?? 'no plan'}, round ${set?.round ?? 0}, of release ${releaseDigest} is stored.`,
  );
}

/** A stale plan sends the step back; what ends the promotion ends the step. */
async function endStep(
  tx: Tx,
  promotion: PromotionRecord,
  { stepId, planDigest, state, reason }: ApprovalRound & ApprovalClosing,
): Promise<void> {
  if (state === 'approved') {
    await enterStepState(tx, promotion, stepId, 'succeeded', null, { plan: planDigest });
  } else if (state === 'withdrawn') {
    const next = reason?.code === 'plan-stale' ? 'pending' : 'cancelled';
    await enterStepState(tx, promotion, stepId, next, reason);
  } else {
    await enterStepState(tx, promotion, stepId, 'failed', reason);
  }
}
