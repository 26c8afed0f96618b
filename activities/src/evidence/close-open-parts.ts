import {
  findAgent,
  type PromotionRecord,
  type ReasonRecord,
  setCurrentRelease,
  setDeploymentState,
  setStepState,
  type Tx,
} from '@sluice/persistence';
import type { Reason } from '@sluice/temporal-contract';
import { closeRound } from '../approval/approval-records.ts';
import { recordStepEvent } from '../step/settle-step.ts';
import type { DeploymentFacts, PromotionEvidence } from './promotion-facts.ts';

type StepFacts = PromotionEvidence['steps'][number];

/** A step as it is once its promotion has ended: what never ran is skipped, what was under way is cancelled. */
export function closedStep(step: StepFacts, reason: Reason | null): StepFacts {
  const state = closedState(step.state);
  return state === undefined ? step : { ...step, state, reason: reason?.code ?? null };
}

/** A request for approval as it is once its promotion has ended. */
export function closedApproval(approval: PromotionEvidence['approval']): typeof approval {
  return approval?.state === 'waiting' ? { ...approval, state: 'withdrawn' } : approval;
}

/**
 * Closes what is still open of a promotion that ends: steps, and a request for approval that waits. Most promotions
 * leave nothing to it; one whose workflow is gone does.
 */
export async function closeOpenParts(
  tx: Tx,
  { promotion, steps, approval }: PromotionEvidence,
  reason: Reason | null,
): Promise<void> {
  const { promotionId } = promotion;
  for (const { id: stepId, state: from } of steps) {
    const state = closedState(from);
    if (state === undefined) continue;
    if (!(await setStepState(tx, { promotionId, stepId, state, reason }))) continue;
    const data = reason === null ? {} : { reason: reason.code };
    await recordStepEvent(tx, promotion, stepId, state, data);
  }
  if (approval?.state === 'waiting') {
    await closeRound(tx, promotion, approval, { state: 'withdrawn', reason });
  }
}

function closedState(state: string): 'skipped' | 'cancelled' | undefined {
  if (state === 'pending') return 'skipped';
  return state === 'running' || state === 'waiting' ? 'cancelled' : undefined;
}

/** Says what became of a target whose agent did not answer; after a success, what runs there from now on. */
export async function settleDeployment(
  tx: Tx,
  promotion: PromotionRecord,
  { target, state, desired }: DeploymentFacts,
  succeeded: boolean,
): Promise<void> {
  const { promotionId } = promotion;
  if (state === 'lost') {
    const failure = await explainSilence(tx, promotion, target);
    await setDeploymentState(tx, { promotionId, target, state: 'lost', failure });
  }
  if (succeeded && promotion.supersededBy === null) {
    await setCurrentRelease(tx, { target, promotionId, side: desired });
  }
}

async function explainSilence(
  tx: Tx,
  { supersededBy }: PromotionRecord,
  target: string,
): Promise<ReasonRecord> {
  if (supersededBy !== null) {
    const message =
      `${supersededBy} took the lease before the agent of ${target} answered; ` +
      'what runs there is what that rollback says.';
    return { code: 'superseded', message };
  }
  const heartbeat = (await findAgent(tx, target))?.lastHeartbeatAt ?? 'never';
  const message =
    `The agent of ${target} did not report an end; its last heartbeat: ${heartbeat}. ` +
    'Look at the target and at its agent, start the agent again, then promote again.';
  return { code: 'agent-silent', message };
}
