import { HISTORY_EXPORT_SCHEMA } from '@sluice/domain';
import { historyFromJSON } from '@temporalio/common/lib/proto-utils.js';
import type { CodecKeys } from '../codec-keys.ts';
import { isArchiveFile, openHistory } from './archive-file.ts';
import { decodePayloads } from './decode-payloads.ts';
import { HistoryFileError } from './history-file-error.ts';
import { findHead, type HistoryFileHead } from './history-head.ts';
import { findHeadFault } from './history-head-form.ts';
import { assertWhole, decodeHistory, type History } from './history-message.ts';

/** A file of a history is at most so large: 256 MiB. JSON is several times larger than the engine's own form. */
export const MAX_HISTORY_FILE_BYTES = 256 * 1024 * 1024;

/** A history as it was read, its payloads decoded: a worker without a codec replays it. */
export interface ReadHistory {
  /** `redacted`: texts are blanked and people renamed. */
  readonly form: 'archived' | 'redacted' | 'raw';
  readonly head: HistoryFileHead;
  readonly history: History;
}

/** The first byte of a protobuf `History`: field 1, length-delimited. */
const FIRST_EVENT = 0x0a;

/**
 * Reads a history from any file that holds one: an archive file, a redacted export, what `temporal workflow show --output json`
 * and the Temporal UI write, `{workflowId, history}`, or the engine's protobuf form.
 * @param options.keys needed for what is encrypted
 * @throws HistoryFileError
 */
export async function readHistoryFile(
  bytes: Uint8Array,
  options: { readonly keys?: CodecKeys | undefined } = {},
): Promise<ReadHistory> {
  const { keys } = options;
  if (bytes.length > MAX_HISTORY_FILE_BYTES) {
    throw new HistoryFileError(
      'history-too-large',
      `The file has ${bytes.length} bytes, and no more than ${MAX_HISTORY_FILE_BYTES} are read.`,
    );
  }
  if (isArchiveFile(bytes)) {
    const { head, history } = await openHistory(bytes, keys ?? NO_KEYS);
    return {
      form: 'archived',
      head,
      history: await decodePayloads(history, head.workflowId, keys),
    };
  }
  return bytes[0] === FIRST_EVENT
    ? readRaw(decodeHistory(bytes), undefined, keys)
    : readJson(bytes, keys);
}

const NO_KEYS: CodecKeys = { current: new Map(), all: new Map() };

async function readJson(bytes: Uint8Array, keys: CodecKeys | undefined): Promise<ReadHistory> {
  const content = parse(bytes);
  const { schema, head, workflowId } = content as Record<string, unknown>;
  const history = historyOf(content);
  if (schema === HISTORY_EXPORT_SCHEMA) {
    return { form: 'redacted', head: headOfExport(head, history), history };
  }
  if (typeof schema === 'string') throw unreadable(`its schema is ${schema.slice(0, 100)}`);
  return readRaw(history, typeof workflowId === 'string' ? workflowId : undefined, keys);
}

/** Its fields in their forms, and of as many events; more only the original could tell. */
function headOfExport(given: unknown, history: History): HistoryFileHead {
  const fault = findHeadFault(given);
  if (fault !== undefined) {
    const what = fault === 'head' ? 'it has no head' : `the ${fault} of its head is unusable`;
    throw unreadable(`${what}; export it again`);
  }
  const head = given as HistoryFileHead;
  if (head.eventCount !== history.events?.length) {
    throw unreadable('its head is that of another history; export it again');
  }
  return head;
}

async function readRaw(
  history: History,
  knownId: string | undefined,
  keys: CodecKeys | undefined,
): Promise<ReadHistory> {
  const started = history.events?.[0]?.workflowExecutionStartedEventAttributes;
  // Servers before 1.24 do not write the id into the history.
  const workflowId = knownId || started?.workflowId || 'unknown';
  const readable = await decodePayloads(history, workflowId, keys);
  return { form: 'raw', head: findHead({ workflowId, history }), history: readable };
}

function parse(bytes: Uint8Array): object {
  let content: unknown;
  try {
    content = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    throw unreadable("it is neither JSON nor the engine's protobuf form", error);
  }
  if (typeof content !== 'object' || content === null) throw unreadable('its JSON is no object');
  return content;
}

/** A list of events, or `{events}`, or that as `history` of something. */
function historyOf(content: object): History {
  const { history = content } = content as { history?: unknown };
  const { events = history } = (history ?? {}) as { events?: unknown };
  if (!Array.isArray(events)) throw unreadable('it has no list of events');
  try {
    return assertWhole(historyFromJSON({ events }));
  } catch (error) {
    if ((error as Error).name === 'HistoryFileError') throw error;
    throw unreadable(`an event of it cannot be read (${(error as Error).message})`, error);
  }
}

function unreadable(what: string, cause?: unknown): HistoryFileError {
  return new HistoryFileError(
    'history-file-unreadable',
    `This is no history: ${what}. Sluice reads its own archives and exports, and what ` +
      '`temporal workflow show --output json` or the Temporal UI writes.',
    cause,
  );
}
