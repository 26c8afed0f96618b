import type { Logger, Metrics } from '@sluice/observability';
import {
  claimOutbox,
  createListener,
  deferOutbox,
  OUTBOX_CHANNEL,
  type OutboxRecord,
  readOutboxBacklog,
  settleOutbox,
} from '@sluice/persistence';
import { type DeliveryParts, deliverMessage } from './deliver-message.ts';
import { repeat } from './repeat.ts';

/** What the outbox relay is built from. */
export interface OutboxRelayOptions extends DeliveryParts {
  /** Same role as the pool's; for LISTEN. */
  readonly connectionString: string;
  readonly logger: Logger;
  readonly metrics?: Metrics;
}

/** A running relay. */
export interface Relay {
  /** Lets what is being delivered end, then stops. */
  stop(): Promise<void>;
}

/** Messages that are claimed at once; few, so that a relay that dies holds back little. */
const BATCH = 20;

/** Milliseconds between looks when nobody notifies: a notification may be missed. */
const LONGEST_SLEEP_MS = 2000;

/** After so many attempts a message is logged as an error; it is tried on nevertheless. */
const LOUD_ATTEMPTS = 10;

/**
 * Turns committed outbox rows into calls of the engine, at least once each. Messages to one workflow go in
 * order, those to different ones beside each other, and a message that cannot be delivered is put off with
 * growing pauses without holding up others.
 */
export function startOutboxRelay(options: OutboxRelayOptions): Relay {
  const { logger } = options;
  const loop = repeat(
    () => deliverDue(options),
    (error, failures) => logger.warn({ err: error, failures }, 'outbox relay: the round failed'),
  );
  const listener = createListener({
    connectionString: options.connectionString,
    channels: [OUTBOX_CHANNEL],
    applicationName: 'sluice-relay-listener',
    onNotify: () => loop.wake(),
    onConnected: () => loop.wake(),
    onConnectionError: (error) => logger.warn({ err: error }, 'outbox relay: listening was lost'),
  });
  return {
    stop: async () => {
      await loop.stop();
      await listener.close();
    },
  };
}

/** Delivers what is due now; gives the milliseconds until the next look. */
async function deliverDue(options: OutboxRelayOptions): Promise<number> {
  for (;;) {
    const messages = await claimOutbox(options.pool, { limit: BATCH });
    await Promise.all(groupByWorkflow(messages).map((group) => deliverInOrder(options, group)));
    if (messages.length < BATCH) break;
  }
  const { nextDueMs, pending, oldestSeconds } = await readOutboxBacklog(options.pool);
  const { metrics } = options;
  metrics?.gauge('sluice_outbox_pending', 'Undelivered messages').set(pending);
  metrics
    ?.gauge('sluice_outbox_oldest_seconds', 'Age of the oldest undelivered message')
    .set(oldestSeconds);
  return Math.min(Math.max(nextDueMs ?? LONGEST_SLEEP_MS, 50), LONGEST_SLEEP_MS);
}

function groupByWorkflow(messages: readonly OutboxRecord[]): readonly (readonly OutboxRecord[])[] {
  const groups = new Map<string, OutboxRecord[]>();
  for (const message of messages) {
    const key = `${message.tenantId}/${message.body.workflowId}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [message]);
    else group.push(message);
  }
  return [...groups.values()];
}

async function deliverInOrder(
  options: OutboxRelayOptions,
  messages: readonly OutboxRecord[],
): Promise<void> {
  for (const message of messages) await deliverOne(options, message);
}

async function deliverOne(options: OutboxRelayOptions, message: OutboxRecord): Promise<void> {
  const { pool, logger, metrics } = options;
  const { kind, outboxId, attempts } = message;
  const { workflowId } = message.body;
  const outcomes = metrics?.counter('sluice_outbox_deliveries_total', 'Deliveries by outcome', [
    'kind',
    'outcome',
  ]);
  try {
    const note = await deliverMessage(options, message);
    await settleOutbox(pool, message);
    outcomes?.inc({ kind, outcome: note === undefined ? 'delivered' : 'nothing-to-do' });
    logger.info({ kind, outboxId, workflowId, ...(note && { note }) }, 'outbox: delivered');
  } catch (error) {
    outcomes?.inc({ kind, outcome: 'deferred' });
    const level = attempts >= LOUD_ATTEMPTS ? 'error' : 'warn';
    logger[level]({ err: error, kind, outboxId, workflowId, attempts }, 'outbox: put off');
    await deferOutbox(pool, message, String((error as { message?: unknown } | null)?.message));
  }
}
