import type { Plan } from '@sluice/domain';
import {
  type DeploymentRecord,
  findCommandByIdempotencyKey,
  findDeployment,
  findEffect,
  findFinalReport,
  findNewestCommand,
  getPlan,
  type PromotionRecord,
  type Tx,
  withTenant,
} from '@sluice/persistence';
import type { FrozenRules, RevertActivities, StepResult } from '@sluice/temporal-contract';
import type { ActivityDependencies } from '../dependencies.ts';
import { runActivity } from '../run-activity.ts';
import { commandKey, effectKey, REVERT_STEP } from '../step/effect-key.ts';
import { type FrozenCourses, frozenCoursesOf } from '../step/frozen-course.ts';
import { succeededResult } from '../step/step-type.ts';
import { awaitReport, dispatchCommand } from './dispatch-command.ts';
import { readResult, recordRevert } from './settle-command.ts';

/** `revertTarget`: a signed command puts back what the plan's current side says. */
export function createRevertActivities(
  parts: Pick<ActivityDependencies, 'pool' | 'signer' | 'logger' | 'scope' | 'observe' | 'now'>,
): RevertActivities {
  return {
    revertTarget: ({ promotion: { tenantId, promotionId }, target, traceparent }) =>
      runActivity(
        parts,
        'revertTarget',
        { tenantId, promotionId, target, traceparent },
        async (log, scope) => {
          const begun = await withTenant(parts.pool, tenantId, (tx) =>
            beginRevert(tx, frozenCoursesOf(parts.pool), promotionId, target),
          );
          if ('result' in begun) return begun.result;
          const { promotion, rules, deployment, plan } = begun;
          const command = await dispatchCommand(
            parts,
            {
              tenantId,
              promotion,
              stepId: REVERT_STEP,
              target,
              kind: 'revert',
              planDigest: deployment.planDigest,
              plan,
              validSeconds: rules.deadlines.revertSeconds,
            },
            scope,
          );
          const result = await readResult(parts, tenantId, command);
          if (result !== undefined) return result;
          log.info({ sequence: command.sequence }, 'revert dispatched; the agent answers');
          return awaitReport(parts, tenantId, scope, command);
        },
      ),
  };
}

type BegunRevert =
  | { readonly result: StepResult }
  | {
      readonly promotion: PromotionRecord;
      readonly rules: FrozenRules;
      readonly deployment: DeploymentRecord;
      readonly plan: Plan;
    };

async function beginRevert(
  tx: Tx,
  courses: Pick<FrozenCourses, 'read'>,
  promotionId: string,
  target: string,
): Promise<BegunRevert> {
  const effect = await findEffect<StepResult>(tx, effectKey(promotionId, REVERT_STEP, target));
  if (effect !== undefined) return { result: effect.result };
  const { promotion, rules } = await courses.read(tx, promotionId);
  const deployment = await findDeployment(tx, promotionId, target);
  const nothing = async (): Promise<BegunRevert> => ({
    result: await recordRevert(tx, promotion, target, succeededResult({}), async () => undefined),
  });
  if (deployment === undefined || deployment.state === 'planned') return nothing();
  const plan = await getPlan(tx, deployment.planDigest);
  const dispatched = await findCommandByIdempotencyKey(
    tx,
    commandKey(promotionId, REVERT_STEP, target, 'revert'),
  );
  if (dispatched === undefined && (await isUnchanged(tx, deployment, plan))) return nothing();
  return { promotion, rules, deployment, plan };
}

/** True when the agent's own final word is that the target has what it had before the command. */
async function isUnchanged(tx: Tx, deployment: DeploymentRecord, plan: Plan): Promise<boolean> {
  const { promotionId, target } = deployment;
  // The newest: one of an earlier round was refused, else there were no later one.
  const deploy = await findNewestCommand(tx, { promotionId, target, kind: 'deploy' });
  if (deploy === undefined) return true;
  const report = (await findFinalReport(tx, deploy.commandDigest))?.body;
  // A refused command changed nothing, and what is there instead of the plan's current side is not ours to put back.
  if (report?.stage === 'refused') return true;
  return report?.stage === 'reverted' && report.activeRelease === (plan.current?.release ?? null);
}
