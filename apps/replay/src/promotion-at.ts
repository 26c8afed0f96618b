import type { PromotionState } from '@sluice/domain';
import { type HistoryFileHead, type ReadHistory, rfc3339 } from '@sluice/temporal-client';
import type { PromotionStatus, StepStatus } from '@sluice/temporal-contract';
import { readBlockers } from './blockers-at.ts';
import { eventTypeOf, type HistoryEvent } from './command.ts';
import { type Decided, readDecisions } from './decisions-at.ts';
import { type PendingActivity, type PendingTimer, readPending } from './pending-at.ts';
import type { Activation } from './probe.ts';
import { readRecordedTasks } from './recorded-commands.ts';

/** A promotion as it was at one event of its history. */
export interface PromotionAt {
  readonly schema: 'sluice.promotion-at/v1';
  readonly workflowId: string;
  readonly runId: string;
  readonly event: number;
  readonly eventType: string;
  /** RFC 3339. */
  readonly at: string;
  /** How many events the history has. */
  readonly events: number;
  /** Null for a workflow that is no promotion's own. */
  readonly state: PromotionState | null;
  readonly steps: readonly StepStatus[];
  readonly fencingToken: number | null;
  readonly approval: NonNullable<PromotionStatus['approval']> | null;
  readonly pending: readonly PendingActivity[];
  readonly timers: readonly PendingTimer[];
  readonly blockers: readonly { readonly code: string; readonly message: string }[];
  readonly decisions: readonly Decided[];
}

/** An event that a history does not have. */
export class NoSuchEventError extends Error {
  readonly code = 'event-unknown';

  constructor(event: number, events: number) {
    super(`There is no event ${event}: the history has 1 to ${events}.`);
    this.name = 'NoSuchEventError';
  }
}

/**
 * Puts together what was so once an event was written: what the code knew is from the last workflow task that was done by
 * then, everything else from the history's own events.
 * @param activations what a replay of the whole history told
 * @throws NoSuchEventError
 */
export function readPromotionAt(
  { head, history }: Pick<ReadHistory, 'history'> & { readonly head: HistoryFileHead },
  activations: readonly Activation[],
  event: number,
): PromotionAt {
  const events = history.events ?? [];
  const found = events[event - 1];
  if (found === undefined) throw new NoSuchEventError(event, events.length);
  const past = events.slice(0, event);
  const status = statusAt(history, activations, event);
  const isPromotion = activations.some((activation) => activation.status !== null);
  const pending = readPending(past);
  const steps = status?.steps ?? [];
  const state = status?.state ?? (isPromotion ? 'requested' : null);
  return {
    schema: 'sluice.promotion-at/v1',
    workflowId: head.workflowId,
    runId: head.runId,
    event,
    eventType: eventTypeOf(found),
    at: rfc3339(found.eventTime),
    events: events.length,
    state,
    steps,
    fencingToken: status?.fencingToken ?? null,
    approval: status?.approval ?? null,
    pending: pending.activities,
    timers: pending.timers,
    blockers: readBlockers({ past, status, pending: pending.activities, isClosed: isEnd(found) }),
    decisions: readDecisions(past),
  };
}

/** What the code answered after the last task that was done by then; undefined before the first. */
function statusAt(
  history: ReadHistory['history'],
  activations: readonly Activation[],
  event: number,
): PromotionStatus | null | undefined {
  const done = readRecordedTasks(history).findLast(({ completed }) => completed <= event);
  if (done === undefined) return undefined;
  return activations.findLast((activation) => activation.event <= done.started)?.status;
}

function isEnd(event: HistoryEvent): boolean {
  return /^WorkflowExecution(Completed|Failed|Canceled|Terminated|TimedOut|ContinuedAsNew)$/.test(
    eventTypeOf(event),
  );
}
