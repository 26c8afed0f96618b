import {
  closeMembers,
  listAgents,
  loseDeployments,
  type PromotionRecord,
  type ReasonRecord,
  setCurrentReleases,
  setStepStates,
  type Tx,
} from '@sluice/persistence';
import type { Reason } from '@sluice/temporal-contract';
import { closeRound } from '../approval/approval-records.ts';
import { recordStepEvents } from '../step/settle-step.ts';
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
  { promotion, steps, members, approval }: PromotionEvidence,
  reason: Reason | null,
): Promise<void> {
  const { promotionId } = promotion;
  const changes = steps.flatMap(({ id: stepId, state: from }) => {
    const state = closedState(from);
    return state === undefined ? [] : [{ stepId, state, reason }];
  });
  // Steps before their members: so does whoever settles a member, and neither waits for the other.
  const changed = new Set(await setStepStates(tx, promotionId, changes));
  if (members.length > 0) await closeMembers(tx, promotionId, reason);
  await recordStepEvents(
    tx,
    promotion,
    changes.filter(({ stepId }) => changed.has(stepId)),
  );
  if (approval?.state === 'waiting') {
    await closeRound(tx, promotion, approval, { state: 'withdrawn', reason });
  }
}

function closedState(state: string): 'skipped' | 'cancelled' | undefined {
  if (state === 'pending') return 'skipped';
  return state === 'running' || state === 'waiting' ? 'cancelled' : undefined;
}

/** Says what became of targets whose agents did not answer; after a success, what runs on each from now on. */
export async function settleDeployments(
  tx: Tx,
  promotion: PromotionRecord,
  deployments: readonly DeploymentFacts[],
  succeeded: boolean,
): Promise<void> {
  const { promotionId } = promotion;
  const silent = deployments.filter(({ state }) => state === 'lost').map(({ target }) => target);
  if (silent.length > 0) {
    await loseDeployments(tx, promotionId, await explainSilence(tx, promotion, silent));
  }
  if (!succeeded || promotion.supersededBy !== null) return;
  // In a team's pipeline a success may have borne that some targets failed, or were put back.
  const isForgiving = promotion.rules?.form === 3;
  const running = deployments.filter(({ state }) => !isForgiving || state === 'confirmed');
  const sides = running.map(({ target, desired: side }) => ({ target, side }));
  await setCurrentReleases(tx, promotionId, sides);
}

async function explainSilence(
  tx: Tx,
  { supersededBy }: PromotionRecord,
  targets: readonly string[],
): Promise<readonly { readonly target: string; readonly failure: ReasonRecord }[]> {
  if (supersededBy !== null) {
    return targets.map((target) => {
      const message =
        `${supersededBy} took the lease before the agent of ${target} answered; ` +
        'what runs there is what that rollback says.';
      return { target, failure: { code: 'superseded', message } };
    });
  }
  const agents = await listAgents(tx, targets);
  const heartbeats = new Map(agents.map((agent) => [agent.target, agent.lastHeartbeatAt]));
  return targets.map((target) => {
    const message =
      `The agent of ${target} did not report an end; its last heartbeat: ${heartbeats.get(target) ?? 'never'}. ` +
      'Look at the target and at its agent, start the agent again, then promote again.';
    return { target, failure: { code: 'agent-silent', message } };
  });
}
