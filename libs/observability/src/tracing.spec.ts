import { afterEach, describe, expect, test } from '@jest/globals';
import { trace } from '@opentelemetry/api';
import {
  listTraceProblems,
  type OtlpReceiver,
  pathToRoot,
  startOtlpReceiver,
} from '../../../test/support/otlp-receiver.ts';
import { activeTraceparent, beginSpan, withRequestSpan, withSpan } from './span.ts';
import { parseTraceparent } from './trace.ts';
import { readTracesUrl, startTracing, type Tracing } from './tracing.ts';

const CALLER = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
let receiver: OtlpReceiver | undefined;
let tracing: Tracing | undefined;

afterEach(async () => {
  await tracing?.stop();
  await receiver?.close();
  tracing = undefined;
  receiver = undefined;
});

async function startAll(): Promise<OtlpReceiver> {
  receiver = await startOtlpReceiver();
  tracing = await startTracing({ service: 'test', endpoint: receiver.endpoint, environment: {} });
  expect(tracing.enabled).toBe(true);
  return receiver;
}

describe('with a receiver', () => {
  test('a request, what it does and what another process does for it are one trace', async () => {
    const { spans } = await startAll();
    let stored = '';
    await withRequestSpan('mutation', undefined, { operation: 'requestPromotion' }, async (own) => {
      stored = own;
      expect(activeTraceparent()).toBe(own);
      await withSpan('insert', undefined, {}, async () => undefined);
    });
    // Later, elsewhere: only the stored text is left.
    await withSpan('carry out', stored, { promotionId: 'dev/1', attempt: 2 }, async (span) => {
      span.note({ outcome: 'confirmed' });
    });
    await tracing?.flush();
    expect(listTraceProblems(spans)).toEqual([]);
    const byName = new Map(spans.map((span) => [span.name, span]));
    expect(byName.get('mutation')).toMatchObject({
      service: 'sluice-test',
      spanId: parseTraceparent(stored)?.spanId,
      attributes: { 'sluice.operation': 'requestPromotion' },
    });
    const last = byName.get('carry out');
    expect(last?.attributes).toEqual({
      'sluice.promotion': 'dev/1',
      'sluice.attempt': 2,
      'sluice.outcome': 'confirmed',
    });
    expect(last && pathToRoot(spans, last)).toEqual(['carry out', 'mutation']);
    expect(byName.get('insert')?.parentSpanId).toBe(byName.get('mutation')?.spanId);
  });

  test("a caller's trace goes on; one that it does not sample is not exported", async () => {
    const { spans } = await startAll();
    const own = await withRequestSpan('asked', CALLER, {}, async (traceparent) => traceparent);
    const silent = CALLER.replace(/01$/, '00');
    const unsampled = await withRequestSpan(
      'silent',
      silent,
      {},
      async (traceparent) => traceparent,
    );
    expect(parseTraceparent(unsampled)).toMatchObject({ flags: '00' });
    expect(parseTraceparent(unsampled)?.traceId).toBe(parseTraceparent(CALLER)?.traceId);
    await tracing?.flush();
    expect(spans).toMatchObject([
      { name: 'asked', parentSpanId: '00f067aa0ba902b7', spanId: parseTraceparent(own)?.spanId },
    ]);
  });

  test('an error ends the span with its code; nothing that somebody wrote leaves the process', async () => {
    const { spans, bodies } = await startAll();
    const secret = 'hunter2hunter2';
    const error = Object.assign(new Error(secret), { code: 'signer-refused' });
    await expect(withSpan('sign', CALLER, {}, () => Promise.reject(error))).rejects.toBe(error);
    // As an interceptor of somebody else's does.
    trace.getTracer('foreign').startActiveSpan('foreign', (span) => {
      span.setAttributes({
        comment: secret,
        temporalUpdateId: secret,
        runId: 'r-1',
        list: [secret],
      });
      span.recordException(error);
      span.setStatus({ code: 2, message: secret });
      span.end();
    });
    await tracing?.flush();
    expect(spans).toMatchObject([
      { name: 'sign', failed: true, attributes: { 'error.type': 'signer-refused' } },
      { name: 'foreign', failed: true, attributes: { runId: 'r-1' } },
    ]);
    expect(spans[1]?.attributes).toEqual({ runId: 'r-1' });
    expect(bodies.join()).toContain('exception.type');
    expect(bodies.join()).not.toContain(secret);
  });

  test('a span that goes on in another trace links to the one that it was begun in', async () => {
    const { spans } = await startAll();
    await withSpan('mutation', undefined, {}, async ({ traceparent }) => {
      await withSpan('decide', CALLER, {}, async () => undefined);
      await withSpan('insert', traceparent, {}, async () => undefined);
    });
    await tracing?.flush();
    const [decide, insert, mutation] = spans;
    expect(decide).toMatchObject({
      name: 'decide',
      parentSpanId: '00f067aa0ba902b7',
      linkedTraces: [mutation?.traceId],
    });
    expect(insert).toMatchObject({ traceId: mutation?.traceId, linkedTraces: [] });
    expect(mutation).toMatchObject({ name: 'mutation', linkedTraces: [] });
  });

  test('a span that is begun by hand covers callbacks, and ends once', async () => {
    const { spans } = await startAll();
    const span = beginSpan('request', undefined, { method: 'POST' });
    const child = span.run(() => beginSpan('inner', undefined));
    child.end();
    span.end({ attributes: { statusCode: 500 } });
    span.end({ error: new Error('late') });
    await tracing?.flush();
    expect(spans).toMatchObject([
      { name: 'inner', parentSpanId: parseTraceparent(span.traceparent)?.spanId },
      { name: 'request', failed: false, attributes: { 'http.response.status_code': 500 } },
    ]);
  });

  test('a receiver that is away holds nothing up', async () => {
    const away = await startAll();
    await away.close();
    await withSpan('unseen', undefined, {}, async () => undefined);
    const began = performance.now();
    await tracing?.stop();
    expect(performance.now() - began).toBeLessThan(4000);
  });
});

describe('without an endpoint', () => {
  test('nothing is recorded, and traceparents are handed on all the same', async () => {
    tracing = await startTracing({ service: 'test', environment: {} });
    expect(tracing).toMatchObject({ enabled: false, sink: undefined });
    const own = await withRequestSpan('asked', CALLER, {}, async (traceparent) => traceparent);
    expect(own).not.toBe(CALLER);
    expect(parseTraceparent(own)?.traceId).toBe(parseTraceparent(CALLER)?.traceId);
    const root = await withRequestSpan('asked', null, {}, async (traceparent) => traceparent);
    expect(parseTraceparent(root)).toBeDefined();
    expect(activeTraceparent()).toBeUndefined();
  });

  test.each([
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://h:4318' }, 'http://h:4318/v1/traces'],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'https://h/base/' }, 'https://h/base/v1/traces'],
    [{ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://h:1/x' }, 'http://h:1/x'],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: '' }, undefined],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://h', OTEL_SDK_DISABLED: 'true' }, undefined],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://h', OTEL_TRACES_EXPORTER: 'none' }, undefined],
  ])('%j exports to %s', (environment, url) => {
    expect(readTracesUrl(undefined, environment)).toBe(url);
  });

  test('an endpoint that is no URL is one clear line', () => {
    expect(() => readTracesUrl(undefined, { OTEL_EXPORTER_OTLP_ENDPOINT: 'h:4318' })).toThrow(
      expect.objectContaining({
        code: 'settings-invalid',
        problems: [expect.stringMatching(/^OTEL_EXPORTER_OTLP_ENDPOINT is no URL/)],
      }),
    );
  });
});
