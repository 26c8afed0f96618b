import { openCommand } from '@sluice/agent-protocol';
import type { Plan, TrustRoot } from '@sluice/domain';
import { findRelease, listCommandsTo, type PromotionRecord, type Tx } from '@sluice/persistence';
import { canonicalJson } from '@sluice/pure';
import type { SignCommandRequest } from '@sluice/signing';
import { type Refused, refusal } from './refusal.ts';

/**
 * Why a promotion may not put back what was on a target before it; undefined when it may: that it deployed there, by this plan and by a command that
 * was signed here, and that what it puts back is a release. Refusals: `rollback-not-reverted`, `nothing-to-revert`, `plan-differs`.
 */
export async function findRevertProblem(
  tx: Tx,
  promotion: PromotionRecord,
  plan: Plan,
  { tenantId, target, planDigest: digest }: SignCommandRequest,
  trustRoot: TrustRoot,
): Promise<Refused | undefined> {
  const { promotionId } = promotion;
  if (promotion.kind === 'rollback') {
    return refusal('rollback-not-reverted', `${promotionId} is a rollback: it is never reverted.`);
  }
  // The rows are the worker's word too: only what was signed here, for this very plan, can be put back.
  const dispatched = (await listCommandsTo(tx, { promotionId, target })).some(({ envelope }) => {
    const opened = openCommand(envelope, trustRoot);
    if (!opened.ok) return false;
    const { command } = opened.value;
    return (
      command.tenantId === tenantId &&
      command.promotionId === promotionId &&
      command.target === target &&
      command.kind === 'deploy' &&
      command.planDigest === digest
    );
  });
  if (!dispatched) {
    return refusal(
      'nothing-to-revert',
      `${promotionId} deployed nothing by this plan to ${target}.`,
    );
  }
  if (plan.current === null) return undefined;
  // The plan is the worker's word: what it says was there must at least be a release of ours as it was made.
  const release = await findRelease(tx, plan.current.release);
  return release !== undefined &&
    canonicalJson(release.body.components) === canonicalJson(plan.current.components)
    ? undefined
    : refusal('plan-differs', `What the plan of ${promotionId} puts back is no release.`);
}
