import { type AgentCommand, type CommandKind, type Plan, traceIdOf } from '@sluice/domain';
import {
  type CommandRecord,
  findCommandByIdempotencyKey,
  holdStepState,
  insertCommand,
  insertEvent,
  moveCommand,
  nextCommandSequence,
  type PromotionRecord,
  setDeploymentState,
  setStepState,
  type Tx,
  withTenant,
} from '@sluice/persistence';
import { canonicalJson, digestOfBytes } from '@sluice/pure';
import { FAILURES } from '@sluice/temporal-contract';
import type { ActivityScope } from '../activity-scope.ts';
import type { ActivityDependencies } from '../dependencies.ts';
import { activityFailure } from '../failures.ts';
import { workflowActor } from '../records/promotion-event.ts';
import { commandKey } from '../step/effect-key.ts';
import { composePlanPayload, sideOf } from './command-payload.ts';

/** What an agent shall be told. */
export interface DispatchOrder {
  readonly tenantId: string;
  readonly promotion: PromotionRecord;
  readonly stepId: string;
  readonly target: string;
  readonly kind: CommandKind;
  /** Round of planning; the first when absent. */
  readonly round?: number | undefined;
  /** Its desired side is deployed, its current side is what a revert puts back. */
  readonly plan: Plan;
  readonly planDigest: string;
  /** How long the command is valid. */
  readonly validSeconds: number;
}

/** How far an agent's clock may be behind the worker's. Milliseconds. */
const CLOCK_TOLERANCE_MS = 30_000;

/**
 * Has the signer sign the command and stores it, once: a command that was stored before comes back as it is.
 * Sequence, signature and row belong to one transaction that holds the target's row, so that commands become
 * visible in the order of their sequences.
 */
export async function dispatchCommand(
  parts: Pick<ActivityDependencies, 'pool' | 'signer' | 'now'>,
  order: DispatchOrder,
  scope: ActivityScope,
): Promise<CommandRecord> {
  const { promotion, stepId, round, target, kind, plan } = order;
  const key = commandKey(promotion.promotionId, stepId, target, kind, round);
  const now = (parts.now ?? Date.now)();
  return withTenant(parts.pool, order.tenantId, async (tx) => {
    const payload = canonicalJson(await composePlanPayload(tx, promotion, kind, plan));
    const stored = await findCommandByIdempotencyKey(tx, key);
    if (stored !== undefined) return stored;
    const sequence = await nextCommandSequence(tx, target);
    const raced = await findCommandByIdempotencyKey(tx, key);
    if (raced !== undefined) return raced;
    await assertWanted(tx, order);
    const expiresAt = new Date(now + order.validSeconds * 1000).toISOString();
    const { envelope, commandDigest } = await parts.signer.signCommand({
      tenantId: order.tenantId,
      promotionId: promotion.promotionId,
      target,
      kind,
      planDigest: order.planDigest,
      payloadDigest: digestOfBytes(payload),
      idempotencyKey: key,
      sequence,
      notBefore: new Date(now - CLOCK_TOLERANCE_MS).toISOString(),
      expiresAt,
    });
    const command = JSON.parse(
      Buffer.from(envelope.payload, 'base64').toString('utf8'),
    ) as AgentCommand;
    const record = {
      target,
      sequence,
      commandDigest,
      kind,
      promotionId: promotion.promotionId,
      releaseDigest: sideOf(kind, plan)?.release ?? null,
      idempotencyKey: key,
      envelope,
      payload,
      fencingToken: command.fencingToken,
      expiresAt,
      workflowId: scope.workflowId,
      runId: scope.runId,
      activityId: scope.activityId,
    };
    await insertCommand(tx, record);
    await recordDispatch(tx, order, commandDigest, sequence);
    return { ...record, createdAt: new Date(now).toISOString(), settledAt: null };
  });
}

/**
 * Ends this attempt: the agent's report completes the activity. A command that an earlier run of the same workflow dispatched
 * before it was reset is this run's from now on; a report that is being stored in this moment is found by the next attempt.
 * Where another workflow dispatched it, nothing completes this activity: it asks again until the report is stored.
 */
export async function awaitReport(
  { pool }: Pick<ActivityDependencies, 'pool'>,
  tenantId: string,
  scope: ActivityScope,
  command: CommandRecord,
): Promise<never> {
  const { workflowId, runId, activityId } = command;
  if (workflowId === scope.workflowId) {
    if (runId !== scope.runId || activityId !== scope.activityId) {
      await withTenant(pool, tenantId, (tx) => moveCommand(tx, command.commandDigest, scope));
    }
    return scope.completeLater();
  }
  throw activityFailure(
    FAILURES.reportAwaited,
    `Command ${command.sequence} of ${command.target} was dispatched by ${workflowId}, run ${runId}; ` +
      'its report is not there yet and is looked for again.',
  );
}

/**
 * A deploy step that the interpreter has ended (cancel, deadline) must not reach a target any more: its row's
 * lock and its state decide, so that after `recordStep` nothing is dispatched behind the interpreter's back.
 */
async function assertWanted(tx: Tx, { promotion, stepId, kind }: DispatchOrder): Promise<void> {
  if (kind !== 'deploy') return;
  const { promotionId } = promotion;
  if (promotion.rules?.form !== 3) {
    await setStepState(tx, { promotionId, stepId, state: 'running' });
    return;
  }
  // Targets beside each other do not wait for each other's commands to be signed.
  const state = await holdStepState(tx, promotionId, stepId);
  if (state === 'running') return;
  throw activityFailure(
    FAILURES.illegalTransition,
    `Step ${stepId} of ${promotionId} is ${state}: nothing is sent to a target any more.`,
  );
}

async function recordDispatch(
  tx: Tx,
  { promotion, target, kind, planDigest, stepId }: DispatchOrder,
  commandDigest: string,
  sequence: number,
): Promise<void> {
  const { promotionId } = promotion;
  if (kind === 'deploy') await setDeploymentState(tx, { promotionId, target, state: 'dispatched' });
  await insertEvent(tx, {
    type: 'command.dispatched',
    actor: workflowActor(tx.tenantId, promotionId),
    subject: `target:${target}`,
    promotionId,
    data: { kind, step: stepId, sequence, command: commandDigest, plan: planDigest },
    traceId: traceIdOf(promotion.traceparent) ?? null,
  });
}
