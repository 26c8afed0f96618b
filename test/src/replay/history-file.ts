import { readdir, readFile } from 'node:fs/promises';
import type { Payload, PayloadCodec } from '@temporalio/common';
import { historyFromJSON } from '@temporalio/common/lib/proto-utils.js';

/** Where the recorded histories stand; one JSON file each. */
export const HISTORIES = new URL('../../replay/histories/', import.meta.url);

type History = ReturnType<typeof historyFromJSON>;

/** A recorded run, its payloads decoded. */
export interface HistoryFile {
  /** File name without `.json`. */
  readonly name: string;
  readonly workflowId: string;
  /** What the run gave; a shard gives numbers. */
  readonly result: { readonly state?: string; readonly reason?: { readonly code: string } | null };
  readonly history: History;
}

/** Reads every recorded history, sorted by name. */
export async function listHistoryFiles(folder: URL = HISTORIES): Promise<readonly HistoryFile[]> {
  const files = (await readdir(folder)).filter((name) => name.endsWith('.json')).sort();
  return Promise.all(
    files.map(async (file) => {
      const content = JSON.parse(await readFile(new URL(file, folder), 'utf8')) as Omit<
        HistoryFile,
        'name'
      >;
      const history = historyFromJSON(content.history);
      return { ...content, history, name: file.slice(0, -'.json'.length) };
    }),
  );
}

/**
 * A copy of a stored message with every payload decoded, and without what names the machine that recorded it: identities, sticky
 * queues and stack traces. Search attributes and headers never went through the codec.
 */
export async function toReadableForm<T>(message: T, codec: PayloadCodec): Promise<T> {
  return (await visit(message, codec)) as T;
}

async function visit(value: unknown, codec: PayloadCodec): Promise<unknown> {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value;
  if (Array.isArray(value)) return Promise.all(value.map((member) => visit(member, codec)));
  if (isPayload(value)) {
    const [decoded] = await codec.decode([value]);
    return decoded === undefined ? value : withoutStackTrace(decoded);
  }
  // Long and other number classes have no members of their own to visit.
  if (Object.getPrototypeOf(value)?.constructor?.name === 'Long') return value;
  const copy: Record<string, unknown> = {};
  // A sticky queue is named after its worker's process.
  const isSticky = Boolean((value as { normalName?: string }).normalName);
  for (const [name, member] of Object.entries(value)) {
    const isPlain = name === 'searchAttributes' || name === 'header';
    if (name === 'identity') copy[name] = 'recorder';
    else if (name === 'stackTrace') copy[name] = '';
    else if (name === 'name' && isSticky) copy[name] = 'sticky';
    else copy[name] = isPlain ? member : await visit(member, codec);
  }
  return copy;
}

function isPayload(value: object): value is Payload {
  const { metadata, data } = value as Payload;
  return metadata != null && data !== undefined;
}

/** The converter of failures puts message and stack trace into one payload. */
function withoutStackTrace(payload: Payload): Payload {
  const text = Buffer.from(payload.data ?? []).toString();
  if (!text.includes('"stack_trace"')) return payload;
  const attributes = JSON.parse(text) as Record<string, unknown>;
  return { ...payload, data: Buffer.from(JSON.stringify({ ...attributes, stack_trace: '' })) };
}
