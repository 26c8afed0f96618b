import { findValueFaults, type JsonValue } from '@sluice/domain';
import { maskHeader } from '../outbound/answer-body.ts';

/** Bytes of a body that become an output. */
export const MAX_BODY_BYTES = 64 * 1024;

/** Characters of one header's value, and of all headers that become an output. */
const MAX_HEADER_LENGTH = 8192;
const MAX_HEADERS_LENGTH = 16 * 1024;

/** Headers with which a service lets somebody in: they are nobody else's to read. */
const CREDENTIAL_HEADER =
  /^(?:set-cookie2?|cookie|(?:www-|proxy-)?authenticat(?:e|ion-info)|proxy-authentication-info|(?:proxy-)?authorization|.*(?:token|secret|password|passwd|api-?key|session|credential).*)$/;

/** NUL, and halves of characters: Postgres and canonical JSON refuse them. */
const UNSTORABLE = /\\u(?:0000|d[89a-f][0-9a-f]{2})/;

const JSON_TYPE = /^application\/(?:[\w.+-]+\+)?json\b/i;

/** The headers that a step gives: without credentials, secrets masked, bounded. */
export function selectHeaders(
  headers: Readonly<Record<string, string>>,
  secrets: readonly string[],
): Record<string, string> {
  const kept: [string, string][] = [];
  let length = 0;
  for (const [name, value] of Object.entries(headers)) {
    if (CREDENTIAL_HEADER.test(name) || name === '__proto__') continue;
    const shown = maskHeader(value, secrets);
    length += name.length + shown.length;
    if (shown.length > MAX_HEADER_LENGTH || shown.includes('\0')) continue;
    if (length > MAX_HEADERS_LENGTH) break;
    kept.push([name, shown]);
  }
  return Object.fromEntries(kept);
}

/** A body as a value, or why there is none. */
export type BodyValue =
  | { readonly value: JsonValue; readonly without?: never }
  | { readonly without: string; readonly value?: never };

/**
 * The value of a JSON answer, else its text.
 * @param head all bytes of the body, or more than {@link MAX_BODY_BYTES} of them
 */
export function readBodyValue(
  headers: Readonly<Record<string, string>>,
  head: Uint8Array,
): BodyValue {
  if (head.byteLength === 0) return { without: 'it is empty' };
  if (head.byteLength > MAX_BODY_BYTES) return { without: 'it has more than 64 KiB' };
  const encoding = headers['content-encoding'] ?? 'identity';
  if (encoding !== 'identity') return { without: 'it is compressed' };
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(head);
  } catch {
    return { without: 'it is not UTF-8' };
  }
  // Postgres keeps no NUL in texts.
  if (text.includes('\0')) return { without: 'it holds a NUL character' };
  const type = headers['content-type'] ?? '';
  const parsed = JSON_TYPE.test(type) ? parseJson(text) : undefined;
  return { value: parsed === undefined ? text : parsed };
}

/** A value that records and expressions can hold; undefined for any other text. */
function parseJson(text: string): JsonValue | undefined {
  let value: JsonValue;
  try {
    value = JSON.parse(text) as JsonValue;
  } catch {
    return undefined;
  }
  if (findValueFaults({ type: 'any' }, value).length > 0) return undefined;
  return UNSTORABLE.test(JSON.stringify(value)) ? undefined : value;
}
