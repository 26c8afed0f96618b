import { type CommandRecord, withTenant } from '@sluice/persistence';
import { type StepResult, TASK_QUEUES } from '@sluice/temporal-contract';
import type { ActivityDependencies } from '../dependencies.ts';
import type { StepOutcome, StepRun, StepType } from '../step/step-type.ts';
import { dispatchCommand } from './dispatch-command.ts';
import { settleByReport } from './settle-command.ts';
import { planDeployment } from './target-plan.ts';

type DeployParts = Pick<ActivityDependencies, 'pool' | 'signer' | 'now'>;

/**
 * `deploy@1`: plans, stores the plan, dispatches a signed command to the target's agent, and lets the agent's
 * final report complete the activity. A retry finds the stored command or the stored report and never
 * dispatches twice.
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
    planDeployment(tx, promotion, target),
  );
  const command = await dispatchCommand(
    parts,
    {
      tenantId,
      promotion,
      stepId: input.stepId,
      target,
      kind: 'deploy',
      planDigest: digest,
      side: plan.desired,
      validSeconds: rules.deadlines.deploySeconds,
    },
    scope,
  );
  const result = await readResult(parts, tenantId, command);
  if (result !== undefined) return { result };
  log.info({ sequence: command.sequence, plan: digest }, 'command dispatched; the agent answers');
  return scope.completeLater();
}

/** The result when the agent's final report is stored already. */
export function readResult(
  { pool }: Pick<ActivityDependencies, 'pool'>,
  tenantId: string,
  command: CommandRecord,
): Promise<StepResult | undefined> {
  return withTenant(pool, tenantId, (tx) => settleByReport(tx, command));
}
