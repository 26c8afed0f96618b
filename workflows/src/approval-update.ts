import { admitApproval } from '@sluice/domain';
import type { DecideApprovalInput, DecideApprovalResult } from '@sluice/temporal-contract';
import { PROMOTION_MESSAGES } from '@sluice/temporal-contract';
import {
  ApplicationFailure,
  CancellationScope,
  condition,
  defineUpdate,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import { records } from './activity-classes.ts';
import type { ApprovalRequest } from './approval-request.ts';
import { failureTypeOf, isActivityFailure, rootMessage } from './failure-reason.ts';
import type { PromotionRun } from './promotion-run.ts';

const decideApproval = defineUpdate<DecideApprovalResult, [DecideApprovalInput]>(
  PROMOTION_MESSAGES.decideApproval,
);

/**
 * Takes decisions. The validator is synchronous, for its promise would be dropped; the handler asks the same again before
 * it reserves the vote, so that nothing that stands between the two lets a second one pass. One that was decided in a run before this one,
 * which has continued as new, is answered as it was then: the engine itself does so only for Updates of the same run.
 */
export function listenToDecisions(run: PromotionRun): void {
  setHandler(decideApproval, (ballot) => answer(run, ballot), {
    validator: (ballot): void => {
      if (!run.decided.has(ballot.approvalId)) admit(run, ballot);
    },
  });
}

function answer(run: PromotionRun, ballot: DecideApprovalInput): Promise<DecideApprovalResult> {
  const known = run.decided.get(ballot.approvalId);
  if (known === undefined) return decide(run, ballot);
  run.updatedAt = workflowInfo().historyLength;
  return Promise.resolve(known);
}

/** @throws ApplicationFailure whose type is the refusal's code */
function admit(run: PromotionRun, ballot: DecideApprovalInput): ApprovalRequest {
  const request = run.approval;
  const outcome = admitApproval(request?.facts(), ballot, Date.now());
  if (!outcome.ok) throw refusal(outcome.refusal.code, outcome.refusal.message);
  if (request === undefined) throw refusal('approval-not-open', 'No approval is asked for.');
  return request;
}

/** Not interrupted by a cancellation: what was admitted is recorded, or refused with the record's own failure. */
async function decide(
  run: PromotionRun,
  ballot: DecideApprovalInput,
): Promise<DecideApprovalResult> {
  run.updatedAt = workflowInfo().historyLength;
  const request = admit(run, ballot);
  const vote = request.reserve(ballot);
  const decidedAt = new Date(Date.now()).toISOString();
  return CancellationScope.nonCancellable(async () => {
    try {
      // The plan is known before its request's row is: a decision may be faster than that row.
      await condition(() => request.opening !== 'pending');
      if (request.opening === 'failed') {
        throw refusal('approval-closed', 'The approval could not be asked for; promote again.');
      }
      await records.recordApproval({ ...request.terms.round, ballot, decidedAt });
    } catch (error) {
      request.drop(vote);
      if (!isActivityFailure(error)) throw error;
      throw refusal(failureTypeOf(error), rootMessage(error));
    }
    request.confirm(vote);
    run.updatedAt = workflowInfo().historyLength;
    const decided = { approvalId: ballot.approvalId, state: request.tally() };
    run.decided.set(ballot.approvalId, decided);
    return decided;
  });
}

function refusal(type: string, message: string): ApplicationFailure {
  return ApplicationFailure.create({ type, message, nonRetryable: true });
}
