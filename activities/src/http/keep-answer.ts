import type { JsonValue } from '@sluice/domain';
import type { EvidenceStore } from '@sluice/evidence-store';
import { canonicalJson } from '@sluice/pure';
import type { StoredBlob } from '../evidence/stored-document.ts';
import { maskBody } from '../outbound/answer-body.ts';
import type { OutboundAnswer } from '../outbound/outbound-client.ts';
import { MAX_BODY_BYTES, readBodyValue, selectHeaders } from './answer-values.ts';

const MEDIA_TYPE = 'application/vnd.sluice.http-answer';

/** What the values of one step may have together. Bytes of canonical JSON. */
const MAX_VALUES_BYTES = 64 * 1024;

/** An answer whose bytes lie in the evidence store. */
export interface KeptAnswer {
  readonly blob: StoredBlob;
  /** The step's outputs. */
  readonly values: Readonly<Record<string, JsonValue>>;
  /** Why the body is no output; absent where it is one. */
  readonly withoutBody?: string;
}

/**
 * Puts an answer's bytes into the evidence store while they come. Secrets that it repeats are masked: what is kept is read by people who may
 * not know them.
 * @throws OutboundError
 */
export async function keepAnswer(
  evidence: EvidenceStore,
  answer: OutboundAnswer,
  maxBytes: number,
  secrets: readonly string[],
): Promise<KeptAnswer> {
  const head: Buffer[] = [];
  let headBytes = 0;
  const masked = async function* (): AsyncGenerator<Uint8Array> {
    for await (const chunk of maskBody(answer.body, secrets)) {
      if (headBytes <= MAX_BODY_BYTES) head.push(chunk);
      headBytes += chunk.byteLength;
      yield chunk;
    }
  };
  // A mask may be longer than what it hides.
  const stored = await evidence.put(masked(), { maxBytes: maxBytes * 3 + 1024 });
  const blob = { ...stored, mediaType: MEDIA_TYPE };
  const body = readBodyValue(answer.headers, Buffer.concat(head));
  const values = {
    status: answer.status,
    headers: selectHeaders(answer.headers, secrets),
    bodyDigest: blob.digest,
  };
  if (body.value === undefined) return { blob, values, withoutBody: body.without };
  const all = { ...values, body: body.value };
  if (Buffer.byteLength(canonicalJson(all)) <= MAX_VALUES_BYTES) return { blob, values: all };
  return { blob, values, withoutBody: 'with the headers it has more than 64 KiB' };
}
