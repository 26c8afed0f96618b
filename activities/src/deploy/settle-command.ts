import {
  type AgentCommand,
  type AgentReport,
  deploymentStateAfter,
  isCarriedOut,
  traceIdOf,
} from '@sluice/domain';
import {
  type CommandRecord,
  deleteClaimsOfTarget,
  findCommandOfActivity,
  findFinalReport,
  insertEffect,
  insertEvent,
  isPersistenceError,
  type Pool,
  type PromotionRecord,
  type ReportRecord,
  setDeploymentState,
  type Tx,
  withTenant,
} from '@sluice/persistence';
import { statementDigest } from '@sluice/signing';
import { promotionOfWorkflowId, type StepResult } from '@sluice/temporal-contract';
import { settleRoute } from '../route/settle-route.ts';
import { effectKey, REVERT_STEP, stepOfCommand } from '../step/effect-key.ts';
import { type FrozenCourses, frozenCoursesOf } from '../step/frozen-course.ts';
import { settleStep } from '../step/settle-step.ts';
import { failedResult, succeededResult } from '../step/step-type.ts';

/** Which asynchronous activity a stored report completes. */
export interface ReportedActivity {
  readonly tenantId: string;
  readonly workflowId: string;
  readonly runId: string;
  readonly activityId: string;
}

/**
 * The result of a deploy, revert or route activity by the agent's stored final report, written as the effect record (of a route: its change)
 * with state and event. The relay calls it before it completes the activity. Undefined when no command of ours
 * belongs to the activity or no final report is stored.
 */
export async function settleReportedActivity(
  pool: Pool,
  activity: ReportedActivity,
): Promise<StepResult | undefined> {
  const { tenantId, workflowId, runId, activityId } = activity;
  const promotionId = promotionOfWorkflowId(tenantId, workflowId);
  if (promotionId === undefined) return undefined;
  return withTenant(pool, tenantId, async (tx) => {
    const command = await findCommandOfActivity(tx, { workflowId, runId, activityId });
    if (command?.promotionId !== promotionId) return undefined;
    return settleByReport(tx, command, frozenCoursesOf(pool));
  });
}

/** The result when the agent's final report is stored already. */
export function readResult(
  { pool }: { readonly pool: Pool },
  tenantId: string,
  command: CommandRecord,
): Promise<StepResult | undefined> {
  return withTenant(pool, tenantId, (tx) => settleByReport(tx, command, frozenCoursesOf(pool)));
}

/** As {@link settleReportedActivity}, for a command at hand. Undefined before its final report. */
export async function settleByReport(
  tx: Tx,
  command: CommandRecord,
  courses: Pick<FrozenCourses, 'read'>,
): Promise<StepResult | undefined> {
  const stored = await findFinalReport(tx, command.commandDigest);
  if (stored === undefined) return undefined;
  const report = stored.body;
  const { promotion, rules } = await courses.read(tx, command.promotionId);
  if (command.kind === 'route') return settleRoute(tx, promotion, command, stored);
  const { stepId, round } = stepOfCommand(command);
  const result = resultOfReport(command, stored);
  const record = (inner: Tx): Promise<void> => recordDeployment(inner, promotion, command, report);
  if (command.kind === 'deploy') {
    const settled = await settleStep(tx, {
      promotion,
      rules,
      stepId,
      round,
      target: command.target,
      result,
      record,
      evenWhenEnded: true,
    });
    return settled.result;
  }
  return recordRevert(tx, promotion, command.target, result, record);
}

/** Stores what came of a revert, once; the first result comes back. */
export async function recordRevert(
  tx: Tx,
  promotion: PromotionRecord,
  target: string,
  result: StepResult,
  record: (tx: Tx) => Promise<void>,
): Promise<StepResult> {
  const { inserted, effect } = await insertEffect(tx, {
    idempotencyKey: effectKey(promotion.promotionId, REVERT_STEP, target),
    promotionId: promotion.promotionId,
    stepId: REVERT_STEP,
    target,
    result,
  });
  if (inserted) await record(tx);
  return effect.result;
}

/** What an agent's final report means for the activity that waits for it. */
export function resultOfReport(
  command: Pick<CommandRecord, 'target' | 'kind' | 'envelope'>,
  { body: report, envelope }: Pick<ReportRecord, 'body' | 'envelope'>,
): StepResult {
  const { target, kind } = command;
  const signed = JSON.parse(
    Buffer.from(command.envelope.payload, 'base64').toString('utf8'),
  ) as AgentCommand;
  const outputs = { plan: signed.planDigest, report: statementDigest(envelope) };
  if (isCarriedOut(report.stage)) return succeededResult(outputs);
  const failure = report.failure ?? {
    code: `deployment-${report.stage}`,
    message: 'The agent gave no reason.',
  };
  const next =
    kind === 'deploy'
      ? "Look at the agent's log on the target, then promote again."
      : 'The target needs a person: look at it and at its agent.';
  return {
    ...failedResult(
      failure.code,
      `Target ${target} ${report.stage} the ${kind}: ${failure.message} ${next}`,
    ),
    outputs,
  };
}

async function recordDeployment(
  tx: Tx,
  promotion: PromotionRecord,
  command: CommandRecord,
  report: AgentReport,
): Promise<void> {
  const { promotionId, target, kind } = command;
  await deleteClaimsOfTarget(tx, command);
  const state = deploymentStateAfter(kind, report.stage);
  if (state !== undefined) {
    try {
      await setDeploymentState(tx, { promotionId, target, state, failure: report.failure });
    } catch (error) {
      // A late report of a deployment that was put back meanwhile: the later word stands.
      if (!isPersistenceError(error, 'illegal-transition')) throw error;
    }
  }
  await insertEvent(tx, {
    type: 'deployment.settled',
    actor: `agent:${target}`,
    subject: `target:${target}`,
    promotionId,
    data: {
      kind,
      stage: report.stage,
      command: command.commandDigest,
      activeRelease: report.activeRelease,
      ...(report.failure === null ? {} : { failure: report.failure.code }),
    },
    traceId: traceIdOf(promotion.traceparent) ?? null,
  });
}
