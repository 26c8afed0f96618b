import { openReport, parseReportRequest } from '@sluice/agent-protocol';
import {
  type AgentCommand,
  type AgentReport,
  deploymentStateAfter,
  type Envelope,
  isCarriedOut,
  isFinalStage,
  traceIdOf,
} from '@sluice/domain';
import type { Logger } from '@sluice/observability';
import {
  type CommandRecord,
  enqueueOutbox,
  findCommandByDigest,
  insertEvent,
  insertReport,
  isPersistenceError,
  setDeploymentState,
  settleCommand,
  type Tx,
  withTenant,
} from '@sluice/persistence';
import { statementDigest } from '@sluice/signing';
import type { StepResult } from '@sluice/temporal-contract';
import type { ApiParts } from '../api-parts.ts';
import { assertInput, ReportInput } from './agent.inputs.ts';
import { AgentRefusal, refuse } from './agent-refusal.ts';
import type { AgentCaller } from './authenticate-agent.ts';
import { traceparentOf } from './poll-commands.ts';

/**
 * Stores a signed report, with all that follows from it, in one transaction. A report that came before
 * changes nothing and is answered the same way.
 */
export async function acceptReport(
  parts: ApiParts,
  caller: AgentCaller,
  body: Uint8Array,
  log: Logger,
): Promise<void> {
  const parsed = parseReportRequest(body);
  if (!parsed.ok) throw refuse(400, parsed.refusal);
  assertInput(ReportInput, parsed.value, 'body-malformed');
  const { envelope } = parsed.value;
  const opened = openReport(envelope, caller.publicKey);
  if (!opened.ok) throw refuse(400, opened.refusal);
  const report = opened.value;
  if (report.tenantId !== caller.tenantId || report.target !== caller.target) {
    throw new AgentRefusal(
      403,
      'target-foreign',
      `This agent speaks for ${caller.target}, not for ${report.target}.`,
    );
  }
  await withTenant(parts.pool, caller.tenantId, async (tx) => {
    const command = await getOwnCommand(tx, caller, report);
    if (!(await insertReport(tx, { envelope, body: report }))) return;
    await insertEvent(tx, {
      type: 'report.received',
      actor: `agent:${caller.target}`,
      subject: `target:${caller.target}`,
      promotionId: command.promotionId,
      data: {
        command: report.commandDigest,
        stage: report.stage,
        failure: report.failure?.code ?? null,
        activeRelease: report.activeRelease,
        report: statementDigest(envelope),
      },
      traceId: traceIdOf(traceparentOf(command.payload)) ?? null,
    });
    if (isFinalStage(report.stage)) await settle(tx, command, report, envelope, log);
  });
}

async function getOwnCommand(
  tx: Tx,
  { target }: AgentCaller,
  report: AgentReport,
): Promise<CommandRecord> {
  const command = await findCommandByDigest(tx, report.commandDigest);
  if (command === undefined) {
    throw new AgentRefusal(
      404,
      'command-unknown',
      `There is no command ${report.commandDigest}; drop this report.`,
    );
  }
  if (command.target !== target || command.sequence !== report.sequence) {
    throw new AgentRefusal(
      403,
      'command-foreign',
      `Command ${report.commandDigest} is not command ${report.sequence} of ${target}.`,
    );
  }
  return command;
}

async function settle(
  tx: Tx,
  command: CommandRecord,
  report: AgentReport,
  envelope: Envelope,
  log: Logger,
): Promise<void> {
  const { promotionId, target, workflowId, runId, activityId } = command;
  await settleCommand(tx, command.commandDigest);
  const state = deploymentStateAfter(command.kind, report.stage);
  if (state !== undefined) {
    try {
      await setDeploymentState(tx, { promotionId, target, state, failure: report.failure });
    } catch (error) {
      // The signed report is the truth and must be kept; the state was settled otherwise before.
      if (!isPersistenceError(error, 'illegal-transition')) throw error;
      log.warn({ err: error, promotionId, target }, 'deployment state not changed by report');
    }
  }
  await enqueueOutbox(tx, {
    kind: 'complete-activity',
    body: { workflowId, runId, activityId, result: stepResultOf(command, report, envelope) },
  });
}

/** What a final report makes of the step that waits for it. */
export function stepResultOf(
  { kind, target, envelope: signed }: Pick<CommandRecord, 'kind' | 'target' | 'envelope'>,
  report: AgentReport,
  envelope: Envelope,
): StepResult {
  const command = JSON.parse(
    Buffer.from(signed.payload, 'base64').toString('utf8'),
  ) as AgentCommand;
  const outputs = { report: statementDigest(envelope), plan: command.planDigest };
  if (isCarriedOut(report.stage)) return { outcome: 'succeeded', outputs, reason: null };
  const { code, message } = report.failure ?? {
    code: `deployment-${report.stage}`,
    message: 'The agent gave no reason; look at its log.',
  };
  const reason = { code, message: `Target ${target} ${report.stage} the ${kind}: ${message}` };
  return { outcome: 'failed', outputs, reason };
}
