import type { Resource } from '@opentelemetry/resources';
import type { SpanProcessor } from '@opentelemetry/sdk-trace-base';
import type { Logger } from './logger.ts';

/** What traces a process. */
export interface TracingOptions {
  /** `api`, `worker`, `agent`: exported as `sluice-<service>`. */
  readonly service: string;
  /** Base URL of an OTLP/HTTP receiver (`/v1/traces` is added); by the standard variables when absent. */
  readonly endpoint?: string | undefined;
  /** Told, seldom, when the receiver does not take spans. */
  readonly logger?: Logger | undefined;
  /** `process.env` when absent. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
}

/** A process' tracing. */
export interface Tracing {
  /** False without an endpoint: nothing is recorded, exported or loaded. */
  readonly enabled: boolean;
  /** Where spans go that were made elsewhere (in the workflow sandbox); undefined when nothing is exported. */
  readonly sink: { readonly processor: SpanProcessor; readonly resource: Resource } | undefined;
  /** Exports what is recorded now. Never rejects. */
  flush(): Promise<void>;
  /** Exports the rest, within 3 s, and ends it. Never rejects. */
  stop(): Promise<void>;
}

const OFF: Tracing = {
  enabled: false,
  sink: undefined,
  flush: async () => undefined,
  stop: async () => undefined,
};

/**
 * Starts to export the process' spans over OTLP/HTTP, as JSON, once per process. Without an endpoint nothing happens.
 * Variables: OTEL_EXPORTER_OTLP_TRACES_ENDPOINT or OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_HEADERS and
 * OTEL_TRACES_SAMPLER as OpenTelemetry says; OTEL_SDK_DISABLED=true or OTEL_TRACES_EXPORTER=none switch it off.
 * @throws Error with code `settings-invalid` and one line per problem (`problems`) for an endpoint that is no URL
 */
export async function startTracing(options: TracingOptions): Promise<Tracing> {
  const url = readTracesUrl(options.endpoint, options.environment ?? process.env);
  if (url === undefined) return OFF;
  // Loaded here only: whoever does not trace does not pay for it.
  const { exportSpans } = await import('./span-export.ts');
  return exportSpans(url, options);
}

/**
 * Where spans go, or undefined for nowhere.
 * @throws as {@link startTracing}
 */
export function readTracesUrl(
  endpoint: string | undefined,
  environment: Readonly<Record<string, string | undefined>>,
): string | undefined {
  const given = (name: string): string | undefined => environment[name]?.trim() || undefined;
  if (given('OTEL_SDK_DISABLED')?.toLowerCase() === 'true') return undefined;
  if (given('OTEL_TRACES_EXPORTER') === 'none') return undefined;
  if (endpoint !== undefined) return withPath('the endpoint', endpoint);
  const whole = given('OTEL_EXPORTER_OTLP_TRACES_ENDPOINT');
  if (whole !== undefined) return checked('OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', whole).href;
  const base = given('OTEL_EXPORTER_OTLP_ENDPOINT');
  return base === undefined ? undefined : withPath('OTEL_EXPORTER_OTLP_ENDPOINT', base);
}

function withPath(name: string, base: string): string {
  const url = checked(name, base);
  url.pathname = `${url.pathname.replace(/\/+$/, '')}/v1/traces`;
  return url.href;
}

function checked(name: string, text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url !== undefined && ['http:', 'https:'].includes(url.protocol)) return url;
  const problem = `${name} is no URL of an OTLP/HTTP receiver: write http://host:4318, or leave it out.`;
  throw Object.assign(new Error(problem), { code: 'settings-invalid', problems: [problem] });
}
