import { PREDICATE_TYPES } from '@sluice/domain';
import {
  type ApprovalRecord,
  assertPromotionOpen,
  findApproval,
  getPromotion,
  getRelease,
  recordApproval,
  type Tx,
  withTenant,
} from '@sluice/persistence';
import type { ApprovalPredicate } from '@sluice/signing';
import { FAILURES, type InterpreterActivities } from '@sluice/temporal-contract';
import type { ActivityDependencies } from '../dependencies.ts';
import {
  recordStatement,
  type SignedStatement,
  signStatement,
  statementContext,
} from '../evidence/statement-signing.ts';
import { activityFailure } from '../failures.ts';
import { recordEventOf } from '../records/promotion-event.ts';

type BallotInput = Parameters<InterpreterActivities['recordApproval']>[0];

/**
 * Signs what somebody said and records it, once. It must be what the API stored when it authenticated them: the
 * workflow's word alone makes no approval.
 */
export async function recordBallot(
  { pool, signer }: Pick<ActivityDependencies, 'pool' | 'signer'>,
  input: BallotInput,
): Promise<void> {
  const { tenantId, promotionId } = input.promotion;
  const { stored, context } = await withTenant(pool, tenantId, async (tx) => {
    const { releaseDigest } = await getPromotion(tx, promotionId);
    return {
      stored: await getAsked(tx, input),
      context: statementContext(promotionId, await getRelease(tx, releaseDigest)),
    };
  });
  if (stored.state === 'recorded') return;
  const { promotionId: _named, ...predicate } = predicateOf(input, stored);
  const type = PREDICATE_TYPES.approval;
  const signed = await signStatement(signer, tenantId, context, type, predicate);
  await withTenant(pool, tenantId, (tx) => record(tx, input, signed));
}

/** The row that the API wrote for this decision. */
async function getAsked(tx: Tx, input: BallotInput): Promise<ApprovalRecord> {
  const { ballot } = input;
  const stored = await findApproval(tx, ballot.approvalId);
  const isSame =
    stored !== undefined &&
    stored.promotionId === input.promotion.promotionId &&
    stored.principalId === ballot.voter.principalId &&
    stored.personId === ballot.voter.personId &&
    stored.kind === ballot.voter.kind &&
    stored.role === ballot.voter.role &&
    stored.decision === ballot.decision &&
    stored.releaseDigest === ballot.releaseDigest &&
    stored.planDigest === ballot.planDigest;
  if (isSame) return stored;
  throw activityFailure(
    FAILURES.integrity,
    `Approval ${ballot.approvalId} of ${input.promotion.promotionId} is not what the API recorded when it was given.`,
  );
}

function predicateOf({ round, decidedAt }: BallotInput, stored: ApprovalRecord): ApprovalPredicate {
  return {
    promotionId: stored.promotionId,
    approvalId: stored.approvalId,
    principal: stored.principalId,
    person: stored.personId,
    role: stored.role,
    decision: stored.decision,
    comment: stored.comment,
    planDigest: stored.planDigest,
    round,
    decidedAt,
  };
}

async function record(
  tx: Tx,
  { promotion: { promotionId }, stepId, round, ballot, decidedAt }: BallotInput,
  signed: SignedStatement,
): Promise<void> {
  // Nothing is added to a promotion that is sealed.
  await assertPromotionOpen(tx, promotionId);
  const { approvalId, voter, decision, planDigest } = ballot;
  const isNew = await recordApproval(tx, {
    approvalId,
    stepId,
    round,
    statementDigest: signed.digest,
  });
  if (!isNew) return;
  await recordStatement(tx, promotionId, signed, { stepId });
  const data = { approval: approvalId, step: stepId, round, decision, plan: planDigest, decidedAt };
  await recordEventOf(
    tx,
    'approval.recorded',
    await getPromotion(tx, promotionId),
    { ...data, person: voter.personId, statement: signed.digest },
    `principal:${voter.principalId}`,
  );
}
