import type { Payload } from '@temporalio/common';

/** Stands for a value that is no JSON: bytes, or of a converter that is not known here. */
export const OPAQUE = '(not JSON)';

/** The value of a payload without a converter; undefined for the payload of nothing. */
export function payloadValue(payload: Payload): unknown {
  const encoding = Buffer.from(payload.metadata?.encoding ?? []).toString('latin1');
  if (encoding === 'binary/null') return undefined;
  if (!encoding.startsWith('json/')) return OPAQUE;
  try {
    return JSON.parse(Buffer.from(payload.data ?? []).toString('utf8'));
  } catch {
    return OPAQUE;
  }
}

/** Values of a list of payloads. */
export function payloadValues(
  payloads: readonly (Payload | null | undefined)[] | null | undefined,
): readonly unknown[] {
  return (payloads ?? []).map((payload) => (payload == null ? undefined : payloadValue(payload)));
}

/** Seconds of a protobuf duration. */
export function durationSeconds(
  duration:
    | { readonly seconds?: unknown; readonly nanos?: number | null | undefined }
    | null
    | undefined,
): number {
  return Number(duration?.seconds ?? 0) + (duration?.nanos ?? 0) / 1e9;
}
