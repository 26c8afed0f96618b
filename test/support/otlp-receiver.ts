import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';
import { waitFor } from './wait-for.ts';

/** One span that a process exported. */
export interface ReceivedSpan {
  /** `service.name` of the process: `sluice-worker`. */
  readonly service: string;
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  /** Undefined for the root of a trace. */
  readonly parentSpanId: string | undefined;
  readonly attributes: Readonly<Record<string, unknown>>;
  /** Trace ids of spans of other traces that it is linked to. */
  readonly linkedTraces: readonly string[];
  /** True when it ended with an error. */
  readonly failed: boolean;
}

/** A collector for tests. */
export interface OtlpReceiver {
  /** For OTEL_EXPORTER_OTLP_ENDPOINT. */
  readonly endpoint: string;
  /** Everything received, in the order of its arrival. */
  readonly spans: readonly ReceivedSpan[];
  /** All request bodies as they came: for what must stand in none. */
  readonly bodies: readonly string[];
  /** Spans of one trace. */
  listTrace(traceId: string): readonly ReceivedSpan[];
  /** Waits until such a span arrived. */
  waitForSpan(
    what: string,
    matches: (span: ReceivedSpan) => boolean,
    seconds?: number,
  ): Promise<ReceivedSpan>;
  close(): Promise<void>;
}

interface OtlpValue {
  readonly stringValue?: string;
  readonly intValue?: number | string;
  readonly doubleValue?: number;
  readonly boolValue?: boolean;
}

type OtlpAttributes = readonly { readonly key: string; readonly value: OtlpValue }[];

interface OtlpRequest {
  readonly resourceSpans?: readonly {
    readonly resource?: { readonly attributes?: OtlpAttributes };
    readonly scopeSpans?: readonly {
      readonly spans?: readonly {
        readonly traceId: string;
        readonly spanId: string;
        readonly parentSpanId?: string;
        readonly name: string;
        readonly attributes?: OtlpAttributes;
        readonly links?: readonly { readonly traceId: string }[];
        readonly status?: { readonly code?: number };
      }[];
    }[];
  }[];
}

/**
 * Receives spans over OTLP/HTTP as JSON (opentelemetry.io/docs/specs/otlp): `POST /v1/traces`. Anything else is
 * answered 404 or 415.
 */
export async function startOtlpReceiver(): Promise<OtlpReceiver> {
  const spans: ReceivedSpan[] = [];
  const bodies: string[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const isJson = request.headers['content-type']?.startsWith('application/json') === true;
    if (request.method !== 'POST' || request.url !== '/v1/traces') response.writeHead(404).end();
    else if (!isJson) response.writeHead(415).end();
    else {
      const body = Buffer.concat(chunks);
      const isZipped = request.headers['content-encoding'] === 'gzip';
      const text = (isZipped ? gunzipSync(body) : body).toString();
      bodies.push(text);
      spans.push(...readSpans(JSON.parse(text) as OtlpRequest));
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    endpoint: `http://127.0.0.1:${port}`,
    spans,
    bodies,
    listTrace: (traceId) => spans.filter((span) => span.traceId === traceId),
    waitForSpan: (what, matches, seconds = 30) =>
      waitFor(
        `the span ${what} arrives`,
        () => spans.find(matches),
        { seconds },
        () => spans.map(nameOf),
      ),
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/**
 * What is wrong with a trace: more or fewer roots than one, and spans whose parent did not arrive. A parent that is
 * still open (a span is exported at its end) counts as missing, so look when all is over.
 * @param knownParents span ids that stand outside: a caller's
 */
export function listTraceProblems(
  spans: readonly ReceivedSpan[],
  knownParents: readonly string[] = [],
): readonly string[] {
  const ids = new Set([...spans.map(({ spanId }) => spanId), ...knownParents]);
  const roots = spans.filter(
    ({ parentSpanId }) => parentSpanId === undefined || knownParents.includes(parentSpanId),
  );
  const orphans = spans.filter(
    ({ parentSpanId }) => parentSpanId !== undefined && !ids.has(parentSpanId),
  );
  const traces = new Set(spans.map(({ traceId }) => traceId));
  return [
    ...(traces.size === 1 ? [] : [`${traces.size} traces`]),
    ...(roots.length === 1 ? [] : [`${roots.length} roots: ${roots.map(nameOf).join(', ')}`]),
    ...orphans.map((span) => `${nameOf(span)} has no parent here`),
  ];
}

/** Names from a span up to its trace's root, the span first. */
export function pathToRoot(spans: readonly ReceivedSpan[], from: ReceivedSpan): readonly string[] {
  const path: string[] = [];
  let span: ReceivedSpan | undefined = from;
  while (span !== undefined && path.length < 100) {
    path.push(span.name);
    const parent: string | undefined = span.parentSpanId;
    span = spans.find(({ spanId }) => spanId === parent);
  }
  return path;
}

function nameOf({ service, name }: ReceivedSpan): string {
  return `${service} ${name}`;
}

function readSpans({ resourceSpans = [] }: OtlpRequest): readonly ReceivedSpan[] {
  return resourceSpans.flatMap(({ resource, scopeSpans = [] }) => {
    const service = String(readAttributes(resource?.attributes)['service.name']);
    return scopeSpans.flatMap(({ spans = [] }) =>
      spans.map(({ name, traceId, spanId, parentSpanId, attributes, links = [], status }) => ({
        service,
        name,
        traceId,
        spanId,
        parentSpanId: parentSpanId === '' ? undefined : parentSpanId,
        attributes: readAttributes(attributes),
        linkedTraces: links.map((link) => link.traceId),
        failed: status?.code === 2,
      })),
    );
  });
}

function readAttributes(attributes: OtlpAttributes = []): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    attributes.map(({ key, value }) => {
      const { stringValue, intValue, doubleValue, boolValue } = value;
      const number = intValue === undefined ? doubleValue : Number(intValue);
      return [key, stringValue ?? number ?? boolValue];
    }),
  );
}
