import { type JsonValue, MAX_INLINE_BYTES } from '@sluice/domain';
import type { EvidenceStore } from '@sluice/evidence-store';
import type { ValueReference, ValueReferences } from '@sluice/persistence';
import { canonicalJson } from '@sluice/pure';
import { putText, type StoredBlob } from '../evidence/stored-document.ts';
import { errorCodeOf } from '../failures.ts';

/**
 * Values by reference that one execution reads, together; its inputs have no more, so that they can be read again where it is put back.
 * Bytes of canonical JSON.
 */
export const MAX_READ_BYTES = 16 * 1024 * 1024;

/** Of a value in the evidence store: its canonical JSON. */
export const VALUE_MEDIA_TYPE = 'application/vnd.sluice.value+json';

/** Values as the records keep them. */
export interface KeptValues {
  readonly values: Readonly<Record<string, JsonValue>>;
  readonly references: ValueReferences;
  /** They lie in the evidence store; their rows are yet to be written. */
  readonly blobs: readonly StoredBlob[];
}

/** What a record names and the evidence store does not have any more as it was; or too much of it at once. No retry mends it. */
export class LargeValueError extends Error {
  readonly code: 'output-unavailable' | 'output-changed' | 'outputs-too-large';

  constructor(code: LargeValueError['code'], message: string) {
    super(message);
    this.name = 'LargeValueError';
    this.code = code;
  }
}

/** The code of a {@link LargeValueError}; undefined for anything else. */
export function findLargeValueCode(error: unknown): LargeValueError['code'] | undefined {
  return (error as Error | undefined)?.name === 'LargeValueError'
    ? (error as LargeValueError).code
    : undefined;
}

/** Bytes of a value's canonical JSON. */
export function sizeOfValue(value: unknown): number {
  return Buffer.byteLength(canonicalJson(value));
}

/**
 * Whether a value's JSON has more bytes than that. It is looked at no further than it must be: the same large part may stand in it very
 * often.
 */
export function isLargerThan(most: number, value: JsonValue): boolean {
  return measure(value, most) > most;
}

/** Bytes; some number beyond `most` where there are more. */
function measure(value: JsonValue, most: number): number {
  if (typeof value === 'string') return Buffer.byteLength(JSON.stringify(value));
  // Numbers and the like are as long as they are written.
  if (typeof value !== 'object' || value === null) return String(value).length;
  // Brackets, and a comma less than there are members.
  let bytes = 1;
  if (Array.isArray(value)) {
    for (const member of value as readonly JsonValue[]) {
      if (bytes > most) return bytes;
      bytes += 1 + measure(member, most - bytes);
    }
  } else {
    for (const [name, member] of Object.entries(value)) {
      if (bytes > most) return bytes;
      bytes += 2 + Buffer.byteLength(JSON.stringify(name)) + measure(member, most - bytes);
    }
  }
  return Math.max(bytes, 2);
}

/**
 * Keeps values: as they are up to {@link MAX_INLINE_BYTES} together; of more the largest go to the evidence store, one after the other, until the
 * rest fits. Those of one size go by name.
 * @param inline names of those that stay in the records whatever their size: others than the worker read them there
 */
export async function keepValues(
  evidence: EvidenceStore,
  values: Readonly<Record<string, JsonValue>>,
  inline: ReadonlySet<string> = new Set(),
): Promise<KeptValues> {
  let left = sizeOfValue(values);
  if (left <= MAX_INLINE_BYTES) return { values, references: {}, blobs: [] };
  const movable = Object.entries(values)
    .filter(([name]) => !inline.has(name))
    .map(([name, value]) => ({ name, text: canonicalJson(value) }))
    .map((one) => ({ ...one, bytes: Buffer.byteLength(one.text) }))
    .sort((a, b) => b.bytes - a.bytes || (a.name < b.name ? -1 : 1));
  const references: Record<string, ValueReference> = {};
  const blobs: StoredBlob[] = [];
  for (const { name, text, bytes } of movable) {
    if (left <= MAX_INLINE_BYTES) break;
    const blob = await putText(evidence, text, VALUE_MEDIA_TYPE);
    blobs.push(blob);
    references[name] = { digest: blob.digest, bytes };
    left -= bytes;
  }
  const kept = Object.entries(values).filter(([name]) => !Object.hasOwn(references, name));
  return { values: Object.fromEntries(kept), references, blobs };
}

/** Reads values that are kept by reference, of one execution: bounded as a whole. */
export interface LargeValueReader {
  /**
   * @param what for people: `Output hosts of step list`
   * @throws LargeValueError
   */
  read(what: string, reference: ValueReference): Promise<JsonValue>;
}

/** See {@link LargeValueReader}. */
export function createLargeValueReader(evidence: EvidenceStore): LargeValueReader {
  let total = 0;
  const known = new Map<string, JsonValue>();
  return {
    read: async (what, reference) => {
      const { digest, bytes } = reference;
      const found = known.get(digest);
      if (found !== undefined) return found;
      total += bytes;
      if (total > MAX_READ_BYTES) {
        throw new LargeValueError(
          'outputs-too-large',
          `${what} has ${bytes} bytes, and with it the outputs by reference that are read here have ${total}; at most ${MAX_READ_BYTES} are read at once. Read less, or give less.`,
        );
      }
      const value = await readValue(evidence, what, reference);
      known.set(digest, value);
      return value;
    },
  };
}

async function readValue(
  evidence: EvidenceStore,
  what: string,
  { digest, bytes }: ValueReference,
): Promise<JsonValue> {
  const changed = (why: string): LargeValueError =>
    new LargeValueError(
      'output-changed',
      `${what} is kept as ${digest} (${bytes} bytes), and what the evidence store has there is another content: ${why}. Restore it from a backup, then promote again.`,
    );
  let content: Uint8Array;
  try {
    content = await evidence.getBytes(digest, { maxBytes: bytes });
  } catch (error) {
    const code = errorCodeOf(error);
    if (code === 'evidence-not-found') {
      throw new LargeValueError(
        'output-unavailable',
        `${what} is kept as ${digest} (${bytes} bytes), and the evidence store does not have it. Restore it from a backup, then promote again.`,
      );
    }
    // What is wrong with the disk is tried again.
    if (code?.startsWith('evidence-') !== true) throw error;
    throw changed(code);
  }
  if (content.byteLength !== bytes) throw changed(`${content.byteLength} bytes`);
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(content)) as JsonValue;
  } catch {
    throw changed('it is no JSON');
  }
}

/** Values with those by reference among them again. @throws LargeValueError */
export async function readValues(
  reader: LargeValueReader,
  what: (name: string) => string,
  values: Readonly<Record<string, JsonValue>>,
  references: ValueReferences,
): Promise<Readonly<Record<string, JsonValue>>> {
  const entries = Object.entries(references);
  if (entries.length === 0) return values;
  const all: Record<string, JsonValue> = { ...values };
  for (const [name, reference] of entries) all[name] = await reader.read(what(name), reference);
  return all;
}
