import { Inject, Injectable } from '@nestjs/common';
import { isPromotionEnd, tallyVotes } from '@sluice/domain';
import { withSpan } from '@sluice/observability';
import {
  type ApprovalRecord,
  findApproval,
  findPromotion,
  getPromotion,
  insertApproval,
  insertEvent,
  listApprovalRequestsOf,
  listApprovalsOf,
  type PromotionRecord,
  reaskApproval,
  refuseApproval,
  type Tx,
  votesOn,
} from '@sluice/persistence';
import type { DecideApprovalInput as Ballot } from '@sluice/temporal-contract';
import type { DecideAnswer } from '../common/engine-client.ts';
import { type GraphqlContext, principalOf } from '../common/graphql-context.ts';
import {
  approvalRefused,
  engineUnavailable,
  idempotencyConflict,
  notFound,
  stateConflict,
} from '../common/refusal.ts';
import { GRAPHQL_PARTS, type GraphqlParts } from '../common/tokens.ts';
import { type ApprovalRequestView, approvalRequestView } from './approval.view.ts';
import type { DecideApprovalInput } from './decide-approval.input.ts';

/**
 * Decisions of people. The row is written first, because the API alone knows who asked; then the workflow is asked
 * whether it counts. A refused Update leaves no trace in the engine, so the refusal is recorded here.
 */
@Injectable()
export class ApprovalCommands {
  readonly #parts: GraphqlParts;

  constructor(@Inject(GRAPHQL_PARTS) parts: GraphqlParts) {
    this.#parts = parts;
  }

  /**
   * Decides, and gives the request as it is then. A repeated key gives the first answer; after a refusal it asks again,
   * for its time may have come since.
   */
  async decide(context: GraphqlContext, input: DecideApprovalInput): Promise<ApprovalRequestView> {
    const ballot = ballotOf(context, input);
    const asked = await context.inTenant((tx) => ask(tx, input.promotion, ballot));
    const settled =
      asked.state === 'asked' ? await this.#settle(context, input.promotion, ballot, asked) : asked;
    if (settled.state === 'refused') throw refusalOfRecord(settled);
    return this.#show(context, settled);
  }

  async #settle(
    context: GraphqlContext,
    promotionId: string,
    asked: Ballot,
    { comment }: ApprovalRecord,
  ): Promise<ApprovalRecord> {
    // As it is stored: the signer compares the statement with the row.
    const ballot = { ...asked, comment };
    const { tenantId } = principalOf(context);
    const { traceparent } = await context.inTenant((tx) => getPromotion(tx, promotionId));
    // Part of the promotion's trace, as all that happens to it: the request of whoever decides is another, and linked.
    const answer = await withSpan('decide approval', traceparent, { tenantId, promotionId }, () =>
      this.#parts.engine.decideApproval({ tenantId, promotionId }, ballot),
    );
    return context.inTenant(async (tx) => {
      if (answer.kind === 'refused') await recordRefused(tx, context, promotionId, ballot, answer);
      // Whatever the engine said to this call, a record that is there counts: an earlier one with this key made it.
      const record = await findApproval(tx, ballot.approvalId);
      if (record === undefined) throw new Error(`The decision ${ballot.approvalId} is gone.`);
      if (record.state === 'asked') throw await unsettled(tx, promotionId, answer);
      return record;
    });
  }

  async #show(
    context: GraphqlContext,
    { promotionId, round, stepId, approvalId }: ApprovalRecord,
  ): Promise<ApprovalRequestView> {
    const [rounds, approvals] = await context.inTenant(async (tx) => [
      await listApprovalRequestsOf(tx, [promotionId]),
      await listApprovalsOf(tx, [promotionId]),
    ]);
    const request = rounds.find(
      (candidate) => candidate.round === round && candidate.stepId === (stepId ?? candidate.stepId),
    );
    if (request !== undefined) {
      const votes = votesOn(request, approvals);
      // The workflow closes the request a moment after the decision that settles it was recorded.
      const state = request.state === 'waiting' ? tallyVotes(request.rule, votes) : request.state;
      return approvalRequestView({ ...request, state });
    }
    throw new Error(`The request for approval that ${approvalId} answered is not there.`);
  }
}

function ballotOf(context: GraphqlContext, input: DecideApprovalInput): Ballot {
  const { principalId, personId, kind, role } = principalOf(context);
  return {
    approvalId: `${principalId}/${input.idempotencyKey}`,
    voter: { principalId, personId, kind, role },
    decision: input.decision === 'APPROVE' ? 'approve' : 'reject',
    comment: input.comment ?? '',
    releaseDigest: input.release,
    planDigest: input.plan,
  };
}

/** Stores the decision as asked, or gives what became of it before; a refused one is asked again. */
async function ask(tx: Tx, promotionId: string, ballot: Ballot): Promise<ApprovalRecord> {
  const before = await findApproval(tx, ballot.approvalId);
  if (before !== undefined && same(before, promotionId, ballot).state === 'recorded') return before;
  const promotion = await findPromotion(tx, promotionId);
  if (promotion === undefined) {
    throw notFound('promotion-unknown', `There is no promotion ${promotionId}; list promotions.`);
  }
  if (isPromotionEnd(promotion.state)) throw promotionEnded(promotion);
  const { approvalId, voter, decision, comment, releaseDigest, planDigest } = ballot;
  if (before !== undefined) {
    await reaskApproval(tx, approvalId);
    return { ...before, state: 'asked' };
  }
  const { approval } = await insertApproval(tx, {
    approvalId,
    promotionId,
    ...voter,
    decision,
    comment,
    releaseDigest,
    planDigest,
  });
  return same(approval, promotionId, ballot);
}

/** The stored decision, when the same voter says the same: one whose role changed since is another. */
function same(stored: ApprovalRecord, promotionId: string, ballot: Ballot): ApprovalRecord {
  const isSame =
    stored.promotionId === promotionId &&
    stored.role === ballot.voter.role &&
    stored.kind === ballot.voter.kind &&
    stored.personId === ballot.voter.personId &&
    stored.decision === ballot.decision &&
    stored.comment === ballot.comment &&
    stored.releaseDigest === ballot.releaseDigest &&
    stored.planDigest === ballot.planDigest;
  if (!isSame) throw idempotencyConflict('decideApproval');
  return stored;
}

async function recordRefused(
  tx: Tx,
  context: GraphqlContext,
  promotionId: string,
  ballot: Ballot,
  { code, message }: Extract<DecideAnswer, { readonly kind: 'refused' }>,
): Promise<void> {
  const { approvalId, voter, decision, releaseDigest, planDigest } = ballot;
  // Two that ask with one key at once are refused once.
  if (!(await refuseApproval(tx, { approvalId, code, message }))) return;
  await insertEvent(tx, {
    type: 'approval.refused',
    actor: `principal:${voter.principalId}`,
    subject: `promotion:${promotionId}`,
    promotionId,
    data: { approvalId, person: voter.personId, decision, code, releaseDigest, planDigest },
    traceId: context.traceId,
  });
}

/** What to say of a decision that neither counts nor was refused. */
async function unsettled(tx: Tx, promotionId: string, answer: DecideAnswer): Promise<Error> {
  switch (answer.kind) {
    case 'ended':
      return promotionEnded(await getPromotion(tx, promotionId));
    case 'not-started':
      return stateConflict(
        'promotion-not-started',
        `Promotion ${promotionId} has not begun yet; decide when it asks for approval.`,
      );
    case 'unavailable':
      return engineUnavailable(answer.code, UNAVAILABLE[answer.code]);
    default:
      return new Error(`The engine said "${answer.kind}", and the records know nothing of it.`);
  }
}

const UNAVAILABLE = {
  'engine-unreachable':
    'The engine can not be reached; send the same request with the same idempotencyKey again.',
  'approval-unanswered':
    'No worker answered, and the decision may still come to count; send the same request with the same idempotencyKey again, or look whether the promotion is stuck.',
} as const;

/** Names why it ended: who comes after the deadline must not take it for somebody's no. */
function promotionEnded({ promotionId, state, reason }: PromotionRecord): Error {
  const how = reason === null ? state : `${state}, ${reason.code}`;
  return stateConflict(
    'promotion-ended',
    `Promotion ${promotionId} has ended (${how}); there is nothing to decide any more.`,
  );
}

function refusalOfRecord({ refusal, approvalId }: ApprovalRecord): Error {
  if (refusal === null) return new Error(`The decision ${approvalId} is refused without a reason.`);
  return approvalRefused(refusal.code, refusal.message);
}
