import { randomBytes } from 'node:crypto';

const TRACEPARENT = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;

/** The parts of a W3C `traceparent`. */
export interface TraceContext {
  /** 32 hexadecimal digits, not all zero. */
  readonly traceId: string;
  /** 16 hexadecimal digits, not all zero. */
  readonly spanId: string;
  readonly flags: string;
}

/** Reads a `traceparent` header; undefined for what is none (or is absent), so that a new trace begins. */
export function parseTraceparent(value: string | undefined | null): TraceContext | undefined {
  const [, traceId = '', spanId = '', flags = ''] = TRACEPARENT.exec(value ?? '') ?? [];
  if (flags === '' || /^0+$/.test(traceId) || /^0+$/.test(spanId)) return undefined;
  return { traceId, spanId, flags };
}

/** A `traceparent` of a new trace, sampled. */
export function newTraceparent(): string {
  return `00-${randomHex(16)}-${newSpanId()}-01`;
}

/** A `traceparent` in the same trace with a new span id; a new trace where the parent is no traceparent. */
export function childTraceparent(parent: string | undefined | null): string {
  const context = parseTraceparent(parent);
  return context === undefined
    ? newTraceparent()
    : `00-${context.traceId}-${newSpanId()}-${context.flags}`;
}

/** A random span id: 16 hexadecimal digits, not all zero. */
export function newSpanId(): string {
  return randomHex(8);
}

/** Fields that a log line carries for a `traceparent`; none where it is no traceparent. */
export function traceFields(
  traceparent: string | undefined | null,
): { readonly traceId: string; readonly spanId: string } | Record<string, never> {
  const context = parseTraceparent(traceparent);
  return context === undefined ? {} : { traceId: context.traceId, spanId: context.spanId };
}

function randomHex(bytes: number): string {
  for (;;) {
    const hex = randomBytes(bytes).toString('hex');
    if (!/^0+$/.test(hex)) return hex;
  }
}
