import { hasStepOfType } from '@sluice/domain';
import { withTenant } from '@sluice/persistence';
import { TASK_QUEUES } from '@sluice/temporal-contract';
import type { ActivityDependencies } from '../dependencies.ts';
import { planDeployment } from '../plan/plan-deployment.ts';
import { readPlannedDeployment } from '../plan/planned-deployment.ts';
import type { StepOutcome, StepRun, StepType } from '../step/step-type.ts';
import { awaitReport, dispatchCommand } from './dispatch-command.ts';
import { readResult } from './settle-command.ts';

type DeployParts = Pick<ActivityDependencies, 'pool' | 'signer' | 'now'>;

/**
 * `deploy@1`: dispatches a signed command for the stored plan to the target's agent, and lets the agent's final
 * report complete the activity. A retry finds the stored command or the stored report and never dispatches
 * twice. In a pipeline without a plan step it plans by itself first.
 */
export function createDeployStep(parts: DeployParts): StepType {
  return {
    type: 'deploy',
    version: 1,
    queue: TASK_QUEUES.deploy,
    run: (run) => deploy(parts, run),
  };
}

async function deploy(parts: DeployParts, run: StepRun): Promise<StepOutcome> {
  const { input, promotion, rules, scope, log } = run;
  const { tenantId } = input.promotion;
  const target = input.target ?? '';
  const { plan, digest } = await withTenant(parts.pool, tenantId, (tx) =>
    hasStepOfType(rules.pipeline, 'plan')
      ? readPlannedDeployment(tx, promotion, target, input.round ?? 1)
      : planDeployment(tx, promotion, target),
  );
  const command = await dispatchCommand(
    parts,
    {
      tenantId,
      promotion,
      stepId: input.stepId,
      round: input.round,
      target,
      kind: 'deploy',
      plan,
      planDigest: digest,
      validSeconds: rules.deadlines.deploySeconds,
    },
    scope,
  );
  const result = await readResult(parts, tenantId, command);
  if (result !== undefined) return { result };
  log.info({ sequence: command.sequence, plan: digest }, 'command dispatched; the agent answers');
  return awaitReport(scope, command);
}
