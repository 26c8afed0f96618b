import { type Attributes, context, propagation, trace } from '@opentelemetry/api';
import type { Resource } from '@opentelemetry/resources';
import type { SpanProcessor } from '@opentelemetry/sdk-trace-base';
import { TRACE_HEADER } from '@temporalio/interceptors-opentelemetry-v2/lib/instrumentation.js';
import {
  makeWorkflowExporter,
  OpenTelemetryActivityInboundInterceptor,
} from '@temporalio/interceptors-opentelemetry-v2/lib/worker/index.js';
import type { ActivityInboundCallsInterceptor, WorkerOptions } from '@temporalio/worker';

/** Where spans go that are made in the workflow sandbox, which reaches nothing but its worker. */
export interface SpanSink {
  readonly processor: SpanProcessor;
  readonly resource: Resource;
}

/**
 * What a worker needs so that its activities have spans and its workflows can export theirs. The workflow bundle holds
 * its part already ({@link WORKFLOW_INTERCEPTORS}); whether a run is traced says the header that it was started with.
 * @param sink undefined where this process exports nothing: spans of runs that others trace are dropped then
 */
export function traceWorker(
  sink: SpanSink | undefined,
): Pick<WorkerOptions, 'interceptors' | 'sinks'> {
  if (sink === undefined) return { sinks: { exporter: { export: { fn: () => undefined } } } };
  return {
    sinks: { exporter: makeWorkflowExporter(sink.processor, sink.resource) },
    interceptors: { activity: [(ctx) => ({ inbound: new TracedActivity(ctx) })] },
  };
}

type Execute = NonNullable<ActivityInboundCallsInterceptor['execute']>;

/** A span for each attempt, which says what of which promotion it works on. */
class TracedActivity extends OpenTelemetryActivityInboundInterceptor {
  override execute(...[input, next]: Parameters<Execute>): Promise<unknown> {
    const facts = (input.args[0] ?? {}) as Readonly<Record<string, unknown>>;
    const run = (): Promise<unknown> =>
      super.execute(input, (passed) => {
        trace.getActiveSpan()?.setAttributes(this.#describe(facts));
        return next(passed);
      });
    if (input.headers[TRACE_HEADER] !== undefined) return run();
    // A run that was started before anything traced: its input names the trace all the same.
    const { traceparent } = facts;
    if (typeof traceparent !== 'string') return run();
    return context.with(propagation.extract(context.active(), { traceparent }), run);
  }

  #describe(facts: Readonly<Record<string, unknown>>): Attributes {
    const of = (value: unknown) => (value ?? {}) as Readonly<Record<string, unknown>>;
    const promotion = of(facts['promotion']);
    const request = of(facts['request']);
    const named = {
      'sluice.tenant': promotion['tenantId'] ?? request['tenantId'] ?? facts['tenantId'],
      'sluice.promotion': promotion['promotionId'],
      'sluice.request': request['requestId'],
      'sluice.step': facts['stepId'],
      'sluice.step_type': facts['type'],
      'sluice.round': facts['round'],
      'sluice.target': facts['target'],
      'sluice.attempt': this.ctx.info.attempt,
    };
    const isPlain = (value: unknown): value is string | number =>
      typeof value === 'string' || typeof value === 'number';
    return Object.fromEntries(
      Object.entries(named).filter(([, value]) => isPlain(value)),
    ) as Attributes;
  }
}
