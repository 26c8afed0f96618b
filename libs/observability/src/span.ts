import {
  type Context,
  context,
  isSpanContextValid,
  type Link,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';
import { exportedAttributes, type SpanAttributes } from './span-attributes.ts';
import { childTraceparent, parseTraceparent } from './trace.ts';

const TRACER = 'sluice';

/** A span that was begun and not ended. */
export interface OpenSpan {
  /** W3C: name it as the parent of what follows, in this process or another. Also given where nothing is exported. */
  readonly traceparent: string;
  /** Runs work inside: spans that begin there are its children. */
  run<T>(work: () => T): T;
  /** Adds what only became known meanwhile. */
  note(attributes: SpanAttributes): void;
  /** Ends it, once; later calls do nothing. An error is noted by its code or name, never by its message. */
  end(result?: { readonly error?: unknown; readonly attributes?: SpanAttributes }): void;
}

/**
 * Begins a span. Its parent is the traceparent; where that is absent or none, the span that this runs in; else a new
 * trace begins. Where the traceparent leads out of the trace that this runs in, the span links back to it. Without
 * `startTracing` (or without an endpoint) nothing is recorded.
 * @param name a fixed word: `sign command`; what differs goes into the attributes
 */
export function beginSpan(
  name: string,
  traceparent: string | undefined | null,
  attributes: SpanAttributes = {},
  kind: SpanKind = SpanKind.INTERNAL,
): OpenSpan {
  const parent = parentContext(traceparent);
  const span = trace
    .getTracer(TRACER)
    .startSpan(
      name,
      { kind, attributes: exportedAttributes(attributes), links: linksBeside(parent) },
      parent,
    );
  const { spanId } = span.spanContext();
  // Where nothing is exported the parent itself comes back, or a span without ids.
  const isOwn =
    isSpanContextValid(span.spanContext()) && spanId !== trace.getSpanContext(parent)?.spanId;
  const inside = trace.setSpan(parent, span);
  let ended = false;
  return {
    traceparent: isOwn ? traceparentOf(span) : childTraceparent(traceparent),
    run: (work) => context.with(inside, work),
    note: (more) => {
      span.setAttributes(exportedAttributes(more));
    },
    end: ({ error, attributes: more } = {}) => {
      if (ended) return;
      ended = true;
      if (more !== undefined) span.setAttributes(exportedAttributes(more));
      if (error !== undefined) {
        span.setAttribute('error.type', errorType(error));
        span.setStatus({ code: SpanStatusCode.ERROR });
      }
      span.end();
    },
  };
}

/** Does work in a span of its own; see {@link beginSpan}. What it throws ends the span as failed and is thrown on. */
export async function withSpan<T>(
  name: string,
  traceparent: string | undefined | null,
  attributes: SpanAttributes,
  work: (span: OpenSpan) => Promise<T>,
  kind: SpanKind = SpanKind.INTERNAL,
): Promise<T> {
  const span = beginSpan(name, traceparent, attributes, kind);
  try {
    const result = await span.run(() => work(span));
    span.end();
    return result;
  } catch (error) {
    span.end({ error });
    throw error;
  }
}

/**
 * Answers a request in a span: the root of a trace, or the next part of the caller's.
 * @param work gets the span's traceparent: store it with what the request asks for
 */
export function withRequestSpan<T>(
  name: string,
  traceparent: string | undefined | null,
  attributes: SpanAttributes,
  work: (traceparent: string) => Promise<T>,
): Promise<T> {
  return withSpan(name, traceparent, attributes, (span) => work(span.traceparent), SpanKind.SERVER);
}

/** The traceparent of the span that this runs in, for whoever continues it elsewhere; undefined outside of one. */
export function activeTraceparent(): string | undefined {
  const span = trace.getActiveSpan();
  return span !== undefined && isSpanContextValid(span.spanContext())
    ? traceparentOf(span)
    : undefined;
}

function parentContext(traceparent: string | undefined | null): Context {
  const parsed = parseTraceparent(traceparent);
  if (parsed === undefined) return context.active();
  const { traceId, spanId, flags } = parsed;
  const traceFlags = Number.parseInt(flags, 16);
  return trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags, isRemote: true });
}

/** The span that this runs in, when it is of another trace than the parent. */
function linksBeside(parent: Context): Link[] {
  const around = trace.getSpanContext(context.active());
  const above = trace.getSpanContext(parent);
  if (around === undefined || !isSpanContextValid(around)) return [];
  return around.traceId === above?.traceId ? [] : [{ context: around }];
}

function traceparentOf(span: Span): string {
  const { traceId, spanId, traceFlags } = span.spanContext();
  return `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`;
}

function errorType(error: unknown): string {
  const { code, name } = (error ?? {}) as { readonly code?: unknown; readonly name?: unknown };
  for (const word of [code, name]) {
    if (typeof word === 'string' && /^[\w.-]{1,100}$/.test(word)) return word;
  }
  return 'error';
}
