import { context, isSpanContextValid, trace } from '@opentelemetry/api';
import type { WorkflowClientInterceptor } from '@temporalio/client';
import { OpenTelemetryWorkflowClientInterceptor } from '@temporalio/interceptors-opentelemetry-v2/lib/client/index.js';

/** True inside of a span: only then is there a trace that a call could belong to. */
export function isInSpan(): boolean {
  const span = trace.getSpanContext(context.active());
  return span !== undefined && isSpanContextValid(span);
}

/**
 * Hands the trace of whoever calls on to workflows: starts, signals and updates made inside of a span carry it in a
 * header. Outside of one, and where tracing was not started, a call stays as it is.
 */
export function createClientInterceptor(): WorkflowClientInterceptor {
  const traced = new OpenTelemetryWorkflowClientInterceptor();
  return {
    start: (input, next) => (isInSpan() ? traced.start(input, next) : next(input)),
    startWithDetails: (input, next) =>
      isInSpan() ? traced.startWithDetails(input, next) : next(input),
    signal: (input, next) => (isInSpan() ? traced.signal(input, next) : next(input)),
    startUpdate: (input, next) => (isInSpan() ? traced.startUpdate(input, next) : next(input)),
  };
}
