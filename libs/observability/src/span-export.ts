import { context, propagation, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import {
  type ExportResult,
  ExportResultCode,
  W3CTraceContextPropagator,
} from '@opentelemetry/core';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import {
  BasicTracerProvider,
  BatchSpanProcessor,
  type SpanExporter,
} from '@opentelemetry/sdk-trace-base';
import type { Logger } from './logger.ts';
import { withoutUserText } from './span-attributes.ts';
import type { Tracing, TracingOptions } from './tracing.ts';

const EXPORT_TIMEOUT_MS = 5000;
const STOP_DEADLINE_MS = 3000;
/** Spans go out this often: somebody who watches a promotion sees where it is. */
const EXPORT_INTERVAL_MS = 500;
const MOST_WAITING_SPANS = 4096;
/** A receiver that is away is logged this often. */
const COMPLAINT_INTERVAL_MS = 60_000;

/** Sets the process' tracer up; see {@link startTracing}, which loads this only where there is an endpoint. */
export function exportSpans(url: string, { service, logger }: TracingOptions): Tracing {
  const resource = resourceFromAttributes({ 'service.name': `sluice-${service}` });
  const exporter = new OTLPTraceExporter({ url, timeoutMillis: EXPORT_TIMEOUT_MS });
  const processor = new BatchSpanProcessor(cleanFirst(exporter, url, logger), {
    scheduledDelayMillis: EXPORT_INTERVAL_MS,
    exportTimeoutMillis: EXPORT_TIMEOUT_MS,
    maxQueueSize: MOST_WAITING_SPANS,
  });
  const provider = new BasicTracerProvider({ resource, spanProcessors: [processor] });
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
  trace.setGlobalTracerProvider(provider);
  const flush = (): Promise<void> => provider.forceFlush().catch(() => undefined);
  return {
    enabled: true,
    sink: { processor, resource },
    flush,
    stop: async () => {
      await within(STOP_DEADLINE_MS, provider.shutdown());
      trace.disable();
      propagation.disable();
      context.disable();
    },
  };
}

/** Nothing leaves the process that has not been looked through, whoever made the span. */
function cleanFirst(exporter: SpanExporter, url: string, logger: Logger | undefined): SpanExporter {
  let complainedAt = Number.NEGATIVE_INFINITY;
  const complain = ({ error }: ExportResult): void => {
    const now = performance.now();
    if (now - complainedAt < COMPLAINT_INTERVAL_MS) return;
    complainedAt = now;
    logger?.warn({ err: error, receiver: new URL(url).host }, 'spans could not be exported');
  };
  return {
    export: (spans, done) =>
      exporter.export(spans.map(withoutUserText), (result) => {
        if (result.code !== ExportResultCode.SUCCESS) complain(result);
        done(result);
      }),
    forceFlush: async () => exporter.forceFlush?.(),
    shutdown: () => exporter.shutdown(),
  };
}

async function within(ms: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([work.catch(() => undefined), late]);
  clearTimeout(timer);
}
