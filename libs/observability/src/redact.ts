/** What stands where something was taken out of a log line. */
export const REDACTED = '[redacted]';

const SECRET_NAME =
  /^(?:authorization|cookie|set-cookie|key|.*(?:token|password|passphrase|secret|private_?key|api_?key|enrolment_?key|codec_?keys?))$/i;
const HARMLESS_NAME = /^(?:fencing_?token)$/i;
const CREDENTIAL_IN_TEXT = /\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{6,}/gi;
const URL_PASSWORD = /(\b[a-z][a-z0-9+.-]*:\/\/[^\s:/@]*):[^\s/@]+@/gi;
const PRIVATE_KEY =
  /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/g;
const MAX_DEPTH = 8;

/** A text without bearer tokens, passwords in URLs and private keys. */
export function redactText(text: string): string {
  return text
    .replace(PRIVATE_KEY, REDACTED)
    .replace(CREDENTIAL_IN_TEXT, `$1 ${REDACTED}`)
    .replace(URL_PASSWORD, `$1:${REDACTED}@`);
}

/**
 * A copy for the log in which every field whose name says that it is secret (token, authorization, key,
 * password, … at any depth) is replaced. Errors become {type, message, code, stack, cause}. Deeper than 8 is
 * cut, cycles therefore too.
 */
export function redact(value: unknown, depth = 0): unknown {
  if (typeof value === 'string') return redactText(value);
  if (typeof value === 'bigint') return value.toString();
  if (typeof value !== 'object' || value === null) return value;
  if (depth >= MAX_DEPTH) return '[cut]';
  if (isError(value)) return describeError(value, depth);
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (Array.isArray(value)) return value.map((item) => redact(item, depth + 1));
  if (typeof (value as { toJSON?: unknown }).toJSON === 'function') {
    return redact((value as { toJSON(): unknown }).toJSON(), depth + 1);
  }
  return Object.fromEntries(
    Object.entries(value).map(([name, field]) => [
      name,
      isSecret(name, field) ? REDACTED : redact(field, depth + 1),
    ]),
  );
}

function isSecret(name: string, value: unknown): boolean {
  return value != null && SECRET_NAME.test(name) && !HARMLESS_NAME.test(name);
}

// By shape: inside Jest and across bundles even `Error` is another realm's.
function isError(value: object): value is Error & { code?: unknown } {
  return typeof (value as Error).message === 'string' && typeof (value as Error).stack === 'string';
}

function describeError(error: Error & { code?: unknown }, depth: number): unknown {
  return {
    type: error.name,
    message: redactText(error.message),
    ...(error.code === undefined ? {} : { code: error.code }),
    stack: redactText(error.stack ?? ''),
    ...(error.cause === undefined ? {} : { cause: redact(error.cause, depth + 1) }),
  };
}
