import type { Payload } from '@temporalio/common';
import proto from '@temporalio/proto';
import { HistoryFileError } from './history-file-error.ts';

const { History: HistoryMessage } = proto.temporal.api.history.v1;

/** What the engine recorded of one run, in its own form; `Worker.runReplayHistories` takes it. */
export type History = proto.temporal.api.history.v1.IHistory;

/** One event of a {@link History}. */
export type HistoryEvent = proto.temporal.api.history.v1.IHistoryEvent;

/** A history's protobuf form is at most so large: 64 MiB. The engine's own limit is 50 MB. */
export const MAX_HISTORY_BYTES = 64 * 1024 * 1024;

/**
 * The protobuf form of a history: the same bytes whenever the same run is read. The engine gives the members of its maps in
 * any order, so they are sorted here.
 * @throws HistoryFileError `history-too-large`
 */
export function encodeHistory(history: History): Uint8Array {
  const bytes = HistoryMessage.encode(withSortedMembers(history)).finish();
  if (bytes.length > MAX_HISTORY_BYTES) {
    throw new HistoryFileError(
      'history-too-large',
      `The history has ${bytes.length} bytes, and no more than ${MAX_HISTORY_BYTES} are kept or read.`,
    );
  }
  return bytes;
}

/**
 * Reads a history's protobuf form.
 * @throws HistoryFileError `history-file-unreadable` for what is no whole history
 */
export function decodeHistory(bytes: Uint8Array): History {
  try {
    return assertWhole(HistoryMessage.decode(bytes));
  } catch (error) {
    if ((error as Error).name === 'HistoryFileError') throw error;
    throw new HistoryFileError(
      'history-file-unreadable',
      "These bytes are no history in the engine's protobuf form.",
      error,
    );
  }
}

/**
 * Makes sure that a history begins with its start and that no event is missing between.
 * @throws HistoryFileError `history-file-unreadable`
 */
export function assertWhole(history: History): History {
  const events = history.events ?? [];
  const gap = events.findIndex(({ eventId }, index) => Number(eventId ?? 0) !== index + 1);
  if (events[0]?.workflowExecutionStartedEventAttributes == null || gap !== -1) {
    const what = gap > 0 ? `event ${gap + 1} is missing` : 'it does not begin with its start';
    throw new HistoryFileError(
      'history-file-unreadable',
      `This is no whole history: ${what}. Export it again, from its first event on.`,
    );
  }
  return history;
}

/** True for a message of the engine that holds one value of ours; also for the payload of nothing, which has no data. */
export function isPayload(value: object): value is Payload {
  return Object.hasOwn(value, 'metadata') && (value as Payload).metadata != null;
}

/** True for what has members to visit: no bytes, no 64-bit number. */
export function isVisited(value: unknown): value is object {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return false;
  // By its name: there may be several copies of the class.
  return Object.getPrototypeOf(value)?.constructor?.name !== 'Long';
}

/** An ASCII text that stands in a payload's metadata; empty when it is not there. */
export function metadataText(payload: Payload, field: string): string {
  return Buffer.from(payload.metadata?.[field] ?? []).toString('latin1');
}

function withSortedMembers<T>(value: T): T {
  if (!isVisited(value)) return value;
  if (Array.isArray(value)) return value.map(withSortedMembers) as T;
  const members = Object.entries(value).map(([name, member]) => [name, withSortedMembers(member)]);
  return Object.fromEntries(members.sort(([a], [b]) => (a < b ? -1 : 1))) as T;
}
