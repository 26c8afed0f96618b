export { SpanKind } from '@opentelemetry/api';
export * from './logger.ts';
export * from './metrics.ts';
export * from './redact.ts';
export * from './span.ts';
export type { SpanAttributes } from './span-attributes.ts';
export * from './trace.ts';
export { readTracesUrl, startTracing, type Tracing, type TracingOptions } from './tracing.ts';
