import { type AgentCommand, type CommandKind, traceIdOf } from '@sluice/domain';
import {
  type CommandRecord,
  insertCommand,
  insertEvent,
  type PromotionRecord,
  type Tx,
} from '@sluice/persistence';
import { digestOfBytes } from '@sluice/pure';
import type { ActivityScope } from '../activity-scope.ts';
import type { ActivityDependencies } from '../dependencies.ts';
import { workflowActor } from '../records/promotion-event.ts';

/** What is to be signed and stored. */
export interface NewCommand {
  readonly tenantId: string;
  readonly promotion: PromotionRecord;
  readonly stepId: string;
  readonly target: string;
  readonly kind: CommandKind;
  readonly idempotencyKey: string;
  /** Taken in this transaction. */
  readonly sequence: number;
  readonly planDigest: string;
  /** Canonical JSON. */
  readonly payload: string;
  /** What the command puts there; null where it puts nothing. */
  readonly releaseDigest: string | null;
  /** How long the command is valid. */
  readonly validSeconds: number;
}

/** How far an agent's clock may be behind the worker's. Milliseconds. */
const CLOCK_TOLERANCE_MS = 30_000;

/**
 * Has the signer sign a command and stores it with its event, in the transaction that took its sequence. The agent's final report completes the
 * activity of this scope.
 */
export async function storeSignedCommand(
  tx: Tx,
  { signer, now: clock }: Pick<ActivityDependencies, 'signer' | 'now'>,
  order: NewCommand,
  scope: ActivityScope,
): Promise<CommandRecord> {
  const { tenantId, promotion, target, kind, idempotencyKey, sequence, planDigest, payload } =
    order;
  const { promotionId } = promotion;
  const now = (clock ?? Date.now)();
  const expiresAt = new Date(now + order.validSeconds * 1000).toISOString();
  const { envelope, commandDigest } = await signer.signCommand({
    tenantId,
    promotionId,
    target,
    kind,
    planDigest,
    payloadDigest: digestOfBytes(payload),
    idempotencyKey,
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
    promotionId,
    releaseDigest: order.releaseDigest,
    idempotencyKey,
    envelope,
    payload,
    fencingToken: command.fencingToken,
    expiresAt,
    workflowId: scope.workflowId,
    runId: scope.runId,
    activityId: scope.activityId,
  };
  await insertCommand(tx, record);
  await insertEvent(tx, {
    type: 'command.dispatched',
    actor: workflowActor(tx.tenantId, promotionId),
    subject: `target:${target}`,
    promotionId,
    data: { kind, step: order.stepId, sequence, command: commandDigest, plan: planDigest },
    traceId: traceIdOf(promotion.traceparent) ?? null,
  });
  return { ...record, createdAt: new Date(now).toISOString(), settledAt: null };
}
