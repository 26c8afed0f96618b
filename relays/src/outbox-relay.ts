import { type Logger, type Metrics, withSpan } from '@sluice/observability';
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
import { createDeliveryLanes, type DeliveryLanes } from './delivery-lanes.ts';
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

/** Messages that are claimed at once; few, so that several relays share the work. */
const BATCH = 20;

/** Messages that are claimed and not done, at most: a relay that dies holds back no more than these. */
const MOST_UNDERWAY = 60;

/** Milliseconds between looks when nobody notifies: a notification may be missed. */
const LONGEST_SLEEP_MS = 2000;

/** After so many attempts a message is logged as an error; it is tried on nevertheless. */
const LOUD_ATTEMPTS = 10;

/**
 * Turns committed outbox rows into calls of the engine, at least once each. Messages to one workflow go in
 * order, those to different ones beside each other: neither one that takes long nor one that cannot be delivered
 * (it is put off with growing pauses) holds up others.
 */
export function startOutboxRelay(options: OutboxRelayOptions): Relay {
  const { logger, pool } = options;
  let stopping = false;
  const lanes = createDeliveryLanes(
    async (message) => {
      try {
        // What has not begun is free for the next process at once, instead of when the claim runs out.
        if (stopping) await deferOutbox(pool, message, 'the relay stopped before its turn');
        else if (!(await deliverOne(options, message))) loop.wake();
      } catch (error) {
        const { kind, outboxId } = message;
        logger.warn({ err: error, kind, outboxId }, 'outbox: not noted; it comes again');
      }
    },
    () => {
      if (lanes.size >= MOST_UNDERWAY - 1) loop.wake();
    },
  );
  const loop = repeat(
    () => takeDue(options, lanes),
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
      stopping = true;
      await loop.stop();
      await lanes.empty();
      await listener.close();
    },
  };
}

/** Takes on what is due now, as far as there is room; gives the milliseconds until the next look. */
async function takeDue(options: OutboxRelayOptions, lanes: DeliveryLanes): Promise<number> {
  for (;;) {
    const limit = Math.min(BATCH, MOST_UNDERWAY - lanes.size);
    // The next one that is done wakes the loop.
    if (limit <= 0) return LONGEST_SLEEP_MS;
    const messages = await claimOutbox(options.pool, { limit });
    lanes.add(messages);
    if (messages.length < limit) break;
  }
  const { nextDueMs, pending, oldestSeconds } = await readOutboxBacklog(options.pool);
  const { metrics } = options;
  metrics?.gauge('sluice_outbox_pending', 'Undelivered messages').set(pending);
  metrics
    ?.gauge('sluice_outbox_oldest_seconds', 'Age of the oldest undelivered message')
    .set(oldestSeconds);
  return Math.min(Math.max(nextDueMs ?? LONGEST_SLEEP_MS, 50), LONGEST_SLEEP_MS);
}

/** False when it was put off: the loop looks then when that is. */
async function deliverOne(options: OutboxRelayOptions, message: OutboxRecord): Promise<boolean> {
  const { pool, logger, metrics } = options;
  const { kind, outboxId, attempts } = message;
  const { workflowId } = message.body;
  const outcomes = metrics?.counter('sluice_outbox_deliveries_total', 'Deliveries by outcome', [
    'kind',
    'outcome',
  ]);
  try {
    const note = await traced(message, () => deliverMessage(options, message));
    await settleOutbox(pool, message);
    outcomes?.inc({ kind, outcome: note === undefined ? 'delivered' : 'nothing-to-do' });
    logger.info({ kind, outboxId, workflowId, ...(note && { note }) }, 'outbox: delivered');
    return true;
  } catch (error) {
    outcomes?.inc({ kind, outcome: 'deferred' });
    const level = attempts >= LOUD_ATTEMPTS ? 'error' : 'warn';
    logger[level]({ err: error, kind, outboxId, workflowId, attempts }, 'outbox: put off');
    await deferOutbox(pool, message, String((error as { message?: unknown } | null)?.message));
    return false;
  }
}

/** In the trace of the request that asked for it, where its input names one: a start's does. */
function traced<T>(message: OutboxRecord, deliver: () => Promise<T>): Promise<T> {
  const input = 'input' in message.body ? message.body.input : undefined;
  const { traceparent } = (input ?? {}) as { readonly traceparent?: unknown };
  if (typeof traceparent !== 'string') return deliver();
  const { tenantId, kind, attempts } = message;
  return withSpan('deliver message', traceparent, { tenantId, kind, attempt: attempts }, deliver);
}
