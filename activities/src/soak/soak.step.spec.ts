import type { ServerResponse } from 'node:http';
import { afterEach, expect, test } from '@jest/globals';
import type { JsonValue } from '@sluice/domain';
import type { Pool } from '@sluice/persistence';
import type { ActivityScope } from '../activity-scope.ts';
import { createOutboundClients } from '../outbound/outbound-clients.ts';
import { createFakeRun, localClients } from '../outbound/testing/fake-run.ts';
import { type LocalServer, serveLocally } from '../outbound/testing/local-server.ts';
import { createSoakStep } from './soak.step.ts';
import { readProgress, tellProgress } from './soak-progress.ts';

const noPool = {} as Pool;
const step = createSoakStep({ pool: noPool, outbound: localClients() });
let server: LocalServer | undefined;
afterEach(() => server?.close());

test('it lasts as long as it should and counts its rounds', async () => {
  server = await serveLocally((_request, response) => response.end());
  const began = Date.now();
  const { result, written } = await soak({ seconds: 2, everySeconds: 1 });
  expect(result).toEqual({
    outcome: 'succeeded',
    outputs: {},
    reason: null,
    values: { rounds: 2 },
  });
  expect(Date.now() - began).toBeGreaterThanOrEqual(1990);
  expect(server.seen).toHaveLength(2);
  expect(written).toMatch(
    /^Watching 1 probe for 2 s, every 1 s\.\nRound 1, 1(\.\d)? s of 2 s: all healthy\.\n/,
  );
});

test('a soak shorter than its pace asks once, at its end', async () => {
  server = await serveLocally((_request, response) => response.end());
  expect((await soak({ seconds: 1 })).result.values).toEqual({ rounds: 1 });
});

test('failures count in a row, and end it at once', async () => {
  const statuses = [500, 200, 500, 500];
  server = await serveLocally((_request, response, count) => {
    response.writeHead(statuses[count - 1] ?? 500).end();
  });
  const { result, written } = await soak({ seconds: 60, everySeconds: 1, failures: 2 });
  expect(result).toMatchObject({
    outcome: 'failed',
    reason: {
      code: 'soak-unhealthy',
      message: expect.stringMatching(/failed 2 times in a row after 4(\.\d)? s of 60 s: HTTP 500/),
    },
  });
  expect(server.seen).toHaveLength(4);
  expect(written).toMatch(/HTTP 500 \(1 of 2 in a row\)\.\n.*is healthy again\.\n/);
});

test('another attempt goes on where the one before was seen last', async () => {
  server = await serveLocally((_request, response) => response.writeHead(503).end());
  const beats: unknown[] = [];
  const cancel = new AbortController();
  const first = soak(
    { seconds: 600, everySeconds: 1, failures: 5 },
    { heartbeat: (detail) => beats.push(detail), cancellation: cancel.signal },
  );
  setTimeout(() => cancel.abort(new Error('WORKER_SHUTDOWN')), 2500);
  await expect(first).rejects.toThrow('WORKER_SHUTDOWN');
  expect(readProgress(beats.at(-1))).toMatchObject({ rounds: 2, failing: { 0: 2 } });
  const progress = tellProgress({ watchedMs: 598_500, rounds: 598, failing: { 0: 4 } });
  const { result, written } = await soak(
    { seconds: 600, everySeconds: 1, failures: 5 },
    { progress, attempt: 2 },
  );
  expect(written).toContain('attempt 2 goes on after 598.5 s and 598 rounds');
  expect(result.reason?.message).toMatch(/failed 5 times in a row after 599(\.\d)? s/);
});

test('an attempt that died after its last round asks no more', async () => {
  server = await serveLocally((_request, response) => response.end());
  const progress = tellProgress({ watchedMs: 5000, rounds: 5, failing: {} });
  const { result } = await soak({ seconds: 5, everySeconds: 1 }, { progress, attempt: 2 });
  expect(result.values).toEqual({ rounds: 5 });
  expect(server.seen).toEqual([]);
});

test.each([
  null,
  'executeStep',
  { soak: null },
  { soak: { watchedMs: Number.NaN, rounds: 1 } },
  { soak: { watchedMs: -1, rounds: 1, failing: {} } },
])('progress that is none is a beginning: %j', (detail) => {
  expect(readProgress(detail)).toEqual({ watchedMs: 0, rounds: 0, failing: {} });
});

test('silence, a redirect and a wrong status are failures; the wanted status is health', async () => {
  server = await serveLocally((request, response) => {
    if (request.url === '/redirect') response.writeHead(302, { location: '/' }).end();
    if (request.url === '/empty') response.writeHead(204).end();
    if (request.url === '/reset') response.destroy();
  });
  const { origin } = server;
  for (const [path, outcome] of [
    ['/redirect', 'HTTP 302'],
    ['/empty', 'HTTP 204'],
    ['/reset', 'ECONNRESET'],
  ]) {
    const ended = await soak({ seconds: 1, probes: [{ url: origin + path }] });
    expect(ended.result.reason?.message).toContain(outcome);
  }
  const wanted = await soak({ seconds: 1, probes: [{ url: `${origin}/empty`, status: 204 }] });
  expect(wanted.result.outcome).toBe('succeeded');
});

test('many are asked some at a time, without a warning, and a cancellation ends them all', async () => {
  let at = 0;
  let most = 0;
  const waiting: ServerResponse[] = [];
  server = await serveLocally((request, response) => {
    at += 1;
    most = Math.max(most, at);
    response.on('close', () => {
      at -= 1;
    });
    if (request.url === '/silent') return;
    // All that come together are answered together: fewer than that would wait for ever.
    waiting.push(response);
    if (waiting.length === 20) for (const one of waiting.splice(0)) one.end();
  });
  const warnings: string[] = [];
  const onWarning = ({ name }: Error): number => warnings.push(name);
  process.on('warning', onWarning);
  const { origin } = server;
  const probes = (path: string) => Array.from({ length: 60 }, () => ({ url: origin + path }));
  expect((await soak({ seconds: 1, probes: probes('/') })).result.values).toEqual({ rounds: 1 });
  expect(most).toBe(20);
  const cancel = new AbortController();
  setTimeout(() => cancel.abort(new Error('CANCELLED')), 1200);
  const asked = soak({ seconds: 1, probes: probes('/silent') }, { cancellation: cancel.signal });
  await expect(asked).rejects.toThrow('CANCELLED');
  process.off('warning', onWarning);
  expect(warnings).toEqual([]);
});

test('a URL that may not be asked ends it, however many failures are borne', async () => {
  server = await serveLocally((_request, response) => response.end());
  const guarded = createSoakStep({ pool: noPool, outbound: createOutboundClients() });
  const run = createFakeRun('soak', {
    seconds: 60,
    everySeconds: 1,
    failures: 100,
    probes: [{ url: server.origin }],
  });
  expect((await guarded.run(run)).result.reason?.code).toBe('address-refused');
  expect(server.seen).toEqual([]);
});

test('without probes and targets there is nothing to watch', async () => {
  const { result } = await step.run(createFakeRun('soak', { seconds: 1 }));
  expect(result.reason).toMatchObject({
    code: 'input-invalid',
    message: expect.stringContaining('`probes`'),
  });
});

async function soak(inputs: Record<string, JsonValue>, attempt: Partial<ActivityScope> = {}) {
  const probes = inputs['probes'] ?? [{ url: `${server?.origin}/healthz` }];
  const run = createFakeRun('soak', { ...inputs, probes }, { attempt });
  const { result } = await step.run(run);
  return { result, written: run.written() };
}
