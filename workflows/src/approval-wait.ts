import type { ApprovalState, PipelineStep } from '@sluice/domain';
import type { FrozenRules, Reason } from '@sluice/temporal-contract';
import { CancellationScope, condition, isCancellation, log } from '@temporalio/workflow';
import { records } from './activity-classes.ts';
import { ApprovalRequest } from './approval-request.ts';
import { isActivityFailure, meaningOfFailure } from './failure-reason.ts';
import { findStalePlans } from './plan-check.ts';
import type { PromotionRun } from './promotion-run.ts';
import { findPlanDigest, planAgain, roundsExhausted } from './replan.ts';
import { recordStepState } from './step-records.ts';

/** What ended a wait that no vote has decided. */
type Interruption =
  | { readonly kind: 'expired' | 'stopped' }
  | { readonly kind: 'stale' | 'failed'; readonly reason: Reason };

/**
 * Carries out an approval step: asks, waits for enough decisions (Update `decideApproval`), its deadline, the run's end or
 * a stale plan, and closes the request. Meanwhile the promotion's own clock stands still. What votes that were admitted
 * come to goes before any other end, for those who gave them were told so.
 */
export async function awaitApproval(
  run: PromotionRun,
  rules: FrozenRules,
  step: PipelineStep,
): Promise<void> {
  const request = composeRequest(run, rules, step);
  if ('code' in request) return recordStepState(run, step.id, 'failed', request);
  run.approval = request;
  if (run.stopCause !== undefined) request.shut('withdrawn');
  run.clock?.pause();
  try {
    const problem = await open(request);
    if (problem !== null) return await recordStepState(run, step.id, 'failed', problem);
    run.setStep(step.id, 'waiting', null);
    run.showState('waiting');
    const interruption = await waitForDecision(run, request);
    await CancellationScope.nonCancellable(() => condition(() => request.isSettled()));
    await conclude(run, rules, step, request, interruption);
  } finally {
    run.clock?.resume();
  }
}

function composeRequest(
  run: PromotionRun,
  { approval, requester, releaseDigest, pipeline }: FrozenRules,
  { id }: PipelineStep,
): ApprovalRequest | Reason {
  const planDigest = findPlanDigest(run, pipeline, id);
  if (approval == null || requester === undefined || planDigest === undefined) {
    const message = `Step ${id} has nothing to ask for: no rule, no requester or no plan before it. Correct the pipeline.`;
    return { code: 'approval-impossible', message };
  }
  return new ApprovalRequest({
    round: {
      promotion: run.input.promotion,
      stepId: id,
      round: run.round,
      releaseDigest,
      planDigest,
    },
    rule: approval,
    requesterPersonId: requester.personId,
    deadline: Date.now() + approval.deadlineSeconds * 1000,
  });
}

/** Not interrupted: whether people were asked must be known, for then the request must be closed. */
async function open(request: ApprovalRequest): Promise<Reason | null> {
  const { round, deadline } = request.terms;
  try {
    const opened = await CancellationScope.nonCancellable(() =>
      records.openApproval({ ...round, deadline: new Date(deadline).toISOString() }),
    );
    for (const vote of opened?.votes ?? []) request.adopt(vote);
    request.opening = 'done';
    return null;
  } catch (error) {
    request.opening = 'failed';
    request.shut('withdrawn');
    const meaning = meaningOfFailure(error, 'approval', `Request of step ${round.stepId}`, 0);
    if (meaning === undefined || meaning.kind === 'cancelled') throw error;
    return meaning.reason;
  }
}

/** @returns undefined when the votes have decided; otherwise the request is shut, and this is why */
async function waitForDecision(
  run: PromotionRun,
  request: ApprovalRequest,
): Promise<Interruption | undefined> {
  const { deadline, round } = request.terms;
  const isDecided = (): boolean => request.isSettled() && request.tally() !== 'waiting';
  let changesSeen = run.changesAtPlanning;
  try {
    for (;;) {
      const remaining = deadline - Date.now();
      if (remaining > 0) {
        await condition(() => isDecided() || run.targetChanges > changesSeen, remaining);
      }
      if (isDecided()) return undefined;
      const remainingMs = deadline - Date.now();
      if (remainingMs <= 0) {
        request.shut('expired');
        return { kind: 'expired' };
      }
      if (run.targetChanges === changesSeen) continue;
      changesSeen = run.targetChanges;
      const answer = await findStalePlans(run, round.planDigest, Math.ceil(remainingMs / 1000));
      // Votes that suffice came first: the plan is looked at again when the lease is held.
      if (answer === null || answer.kind === 'deadline' || request.isDecidedSoon()) continue;
      request.shut('withdrawn');
      return answer;
    }
  } catch (error) {
    const isStopped = run.stopCause !== undefined && isActivityFailure(error);
    if (!isCancellation(error) && !isStopped) throw error;
    request.shut('withdrawn');
    return { kind: 'stopped' };
  }
}

async function conclude(
  run: PromotionRun,
  rules: FrozenRules,
  step: PipelineStep,
  request: ApprovalRequest,
  interruption: Interruption | undefined,
): Promise<void> {
  const tally = request.tally();
  if (tally === 'approved') {
    const problem = await close(run, request, 'approved', null);
    if (problem !== null) return recordStepState(run, step.id, 'failed', problem);
    run.outputs.set(step.id, { plan: request.terms.round.planDigest });
    return run.setStep(step.id, 'succeeded', null);
  }
  if (tally === 'rejected') return deny(run, step, request, 'rejected', rejected(request));
  if (interruption?.kind === 'expired') {
    return deny(run, step, request, 'expired', expired(request));
  }
  if (interruption?.kind === 'stale') {
    const reason = roundsExhausted(run, interruption.reason) ?? interruption.reason;
    await close(run, request, 'withdrawn', reason);
    const problem =
      reason === interruption.reason ? await planAgain(run, rules, step, reason) : reason;
    if (problem === null) return;
    // Closed for a stale plan alone the step is still open in the records.
    if (problem !== reason) return recordStepState(run, step.id, 'failed', problem);
    return run.setStep(step.id, 'cancelled', reason);
  }
  const reason = interruption?.kind === 'failed' ? interruption.reason : stopReason(run, step);
  await close(run, request, 'withdrawn', reason);
  run.setStep(step.id, 'cancelled', reason);
}

async function deny(
  run: PromotionRun,
  step: PipelineStep,
  request: ApprovalRequest,
  state: 'rejected' | 'expired',
  reason: Reason,
): Promise<void> {
  await close(run, request, state, reason);
  run.denial = reason;
  run.setStep(step.id, 'failed', reason);
}

/** Ends the request here and in the records; refused by them it is at least shut here. */
async function close(
  run: PromotionRun,
  request: ApprovalRequest,
  state: Exclude<ApprovalState, 'waiting'>,
  reason: Reason | null,
): Promise<Reason | null> {
  request.close(state);
  run.showState('running');
  const { round } = request.terms;
  try {
    await CancellationScope.nonCancellable(() =>
      records.closeApproval({ ...round, state, reason }),
    );
    return null;
  } catch (error) {
    const meaning = meaningOfFailure(error, 'approval', `End of step ${round.stepId}`, 0);
    if (meaning === undefined || meaning.kind === 'cancelled') throw error;
    log.warn('request for approval was not closed', { stepId: round.stepId, state, meaning });
    return meaning.reason;
  }
}

function rejected(request: ApprovalRequest): Reason {
  const people = request.rejecters().join(', ');
  const message = `Rejected by ${people}. Read the comment, then promote a release that answers it.`;
  return { code: 'approval-rejected', message };
}

function expired({ terms: { deadline, rule } }: ApprovalRequest): Reason {
  const until = new Date(deadline).toISOString();
  return {
    code: 'approval-deadline-exceeded',
    message:
      `${rule.count} of ${rule.roles.join(' or ')} had to approve by ${until} and did not. ` +
      'Ask them, then promote again.',
  };
}

function stopReason(run: PromotionRun, { id }: PipelineStep): Reason {
  const message = `Step ${id} was cancelled from outside of its promotion; promote again.`;
  return run.stopCause?.reason ?? { code: 'step-interrupted', message };
}
