import { hasStepOfType } from '@sluice/domain';
import { type CommandRecord, withTenant } from '@sluice/persistence';
import type { StepResult } from '@sluice/temporal-contract';
import type { ActivityDependencies } from '../dependencies.ts';
import { planDeployment } from '../plan/plan-deployment.ts';
import { readPlannedDeployment } from '../plan/planned-deployment.ts';
import { planTargets } from '../plan/target-plans.ts';
import { failedResult, type StepOutcome, type StepRun, type StepType } from '../step/step-type.ts';
import { awaitReport, type DispatchOrder, dispatchCommand } from './dispatch-command.ts';
import { readResult } from './settle-command.ts';

/** What a deployment needs. */
export type DeployParts = Pick<ActivityDependencies, 'pool' | 'signer' | 'now'>;

/**
 * `deploy@1`: dispatches a signed command for the stored plan to the target's agent, and lets the agent's final
 * report complete the activity. A retry finds the stored command or the stored report and never dispatches
 * twice. In a pipeline without a plan step it plans by itself first.
 */
export function createDeployStep(parts: DeployParts): StepType {
  return {
    type: 'deploy',
    version: 1,
    run: (run) => deployToTarget(parts, run),
  };
}

/** Brings the release to the execution's target by its stored plan; what `deploy@1` does, and `rollout@1` with each member. */
export async function deployToTarget(parts: DeployParts, run: StepRun): Promise<StepOutcome> {
  const { input, promotion, rules, scope, log } = run;
  const { tenantId } = input.promotion;
  const target = input.target ?? '';
  const { plan, digest } = await withTenant(parts.pool, tenantId, (tx) =>
    hasStepOfType(rules.pipeline, 'plan')
      ? readPlannedDeployment(tx, promotion, target, input.round ?? 1)
      : planDeployment(tx, promotion, target),
  );
  const order: DispatchOrder = {
    tenantId,
    promotion,
    stepId: input.stepId,
    round: input.round,
    target,
    kind: 'deploy',
    plan,
    planDigest: digest,
    validSeconds: rules.deadlines.deploySeconds,
  };
  let command: CommandRecord;
  try {
    command = await dispatchCommand(parts, order, scope);
  } catch (error) {
    if (!(await isStale(parts, run, order, error))) throw error;
    log.info({ target, plan: digest }, 'the plan became stale; nothing was dispatched');
    return { result: staleResult(order) };
  }
  const result = await readResult(parts, tenantId, command);
  if (result !== undefined) return { result };
  log.info({ sequence: command.sequence, plan: digest }, 'command dispatched; the agent answers');
  return awaitReport(parts, tenantId, scope, command);
}

/**
 * True when the signer found that a planned deployment is not what would be planned now: the target's settings changed
 * after its plan was checked. As when the agent finds so, it can be planned again.
 */
async function isStale(
  { pool }: DeployParts,
  { promotion, rules }: StepRun,
  { tenantId, target, planDigest }: DispatchOrder,
  error: unknown,
): Promise<boolean> {
  const { refusalCode } = (error ?? {}) as { readonly refusalCode?: unknown };
  const isPlanned = promotion.kind === 'promote' && hasStepOfType(rules.pipeline, 'plan');
  if (refusalCode !== 'plan-differs' || !isPlanned) return false;
  const [now] = await withTenant(pool, tenantId, (tx) => planTargets(tx, promotion, [target]));
  return now?.known !== true || now.digest !== planDigest;
}

function staleResult({ target, promotion: { promotionId } }: DispatchOrder): StepResult {
  return failedResult(
    'plan-stale',
    `Target ${target} or its settings changed after ${promotionId} was planned, and nothing was sent there. ` +
      'Promote again when nobody changes it.',
  );
}
