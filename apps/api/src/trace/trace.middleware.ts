import {
  beginSpan,
  childTraceparent,
  type Logger,
  type Metrics,
  parseTraceparent,
} from '@sluice/observability';
import type { NextFunction, Request, Response } from 'express';

/** Where one request stands in its trace, and the logger that says so. */
export interface RequestTrace {
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  /** What this request hands on: its own span in the caller's trace, or in a new one. */
  readonly traceparent: string;
  /** Adds traceId to every line. */
  readonly log: Logger;
}

const traces = new WeakMap<object, RequestTrace>();

/** The trace of a request that {@link createTraceMiddleware} let through. */
export function traceOf(request: Request): RequestTrace {
  const trace = traces.get(request);
  if (trace === undefined) throw new Error('The trace middleware has not seen this request.');
  return trace;
}

/** Continues a caller's W3C trace, or begins one, for what is no single request. */
export function beginTrace(log: Logger, traceparent: unknown): RequestTrace {
  return traceUnder(
    log,
    childTraceparent(typeof traceparent === 'string' ? traceparent : undefined),
  );
}

function traceUnder(log: Logger, traceparent: string): RequestTrace {
  const traceId = parseTraceparent(traceparent)?.traceId ?? '';
  return { traceId, traceparent, log: log.child({ traceId }) };
}

/**
 * Continues a caller's W3C trace or begins one, in a span where spans are exported, answers with the `traceparent` header, and writes one
 * log line and one sample per request.
 */
export function createTraceMiddleware(log: Logger, metrics: Metrics) {
  const duration = metrics.histogram(
    'sluice_http_request_seconds',
    'Seconds until a request was answered.',
    ['route', 'status'],
  );
  return (request: Request, response: Response, next: NextFunction): void => {
    const started = performance.now();
    const route = routeOf(request.path);
    const { method } = request;
    const given = request.header('traceparent');
    // A span for every poll would drown the rest.
    const span = QUIET.has(route)
      ? undefined
      : beginSpan('answer request', given, { operation: route, method }, SERVER);
    const trace = traceUnder(log, span?.traceparent ?? childTraceparent(given));
    const child = trace.log;
    traces.set(request, trace);
    response.setHeader('traceparent', trace.traceparent);
    response.removeHeader('x-powered-by');
    response.on('close', () => {
      const seconds = (performance.now() - started) / 1000;
      const status = response.writableFinished ? response.statusCode : 499;
      duration.observe({ route, status: `${Math.floor(status / 100)}xx` }, seconds);
      span?.end({ attributes: { statusCode: status } });
      const line = { method, route, status, ms: Math.round(seconds * 1000) };
      if (QUIET.has(route) && status < 400) child.debug(line, 'request');
      else child.info(line, 'request');
    });
    if (span === undefined) next();
    else span.run(() => next());
  };
}

/** OpenTelemetry's number for the kind of a span that answers somebody. */
const SERVER = 1;

/** Asked every few seconds by machines: their successes are no news. */
const QUIET = new Set([
  '/healthz',
  '/readyz',
  '/metrics',
  '/explorer',
  '/agent/v1/heartbeat',
  '/agent/v1/commands',
]);

/** A closed set for labels and log lines: a path itself may hold anything. */
function routeOf(path: string): string {
  const known = [
    '/graphql',
    '/explorer',
    '/healthz',
    '/readyz',
    '/metrics',
    '/agent/v1/enroll',
    '/agent/v1/heartbeat',
    '/agent/v1/commands',
    '/agent/v1/reports',
    '/agent/v1/blobs',
  ];
  return known.find((route) => path === route || path.startsWith(`${route}/`)) ?? 'other';
}
