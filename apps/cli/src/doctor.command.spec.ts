import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from '@jest/globals';
import { examineClock, examineNode } from './doctor.command.ts';
import { fakeIo } from './fake-io.ts';
import { runCli } from './run-cli.ts';

let server: Server | undefined;

afterEach(() => {
  server?.close();
});

async function serve(answers: Record<string, { status?: number; body: unknown; date?: string }>) {
  server = createServer((request, reply) => {
    const { status = 200, body, date } = answers[request.url ?? ''] ?? { status: 404, body: {} };
    if (date !== undefined) reply.setHeader('date', date);
    reply.writeHead(status, { 'content-type': 'application/json', connection: 'close' });
    reply.end(JSON.stringify(body));
  });
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const viewer = { data: { viewer: { name: 'manager', tenant: 'default', role: 'admin' } } };
const good = {
  '/healthz': { body: { ok: true } },
  '/readyz': { body: { ready: true, missing: [] } },
  '/graphql': { body: viewer },
};

async function examine(url: string, env: Record<string, string> = { SLUICE_TOKEN: 't' }) {
  const io = { ...fakeIo({}, env), fetch: globalThis.fetch, now: Date.now };
  const status = await runCli(['doctor', '--api', url, '--json'], io);
  const { checks } = JSON.parse(io.outText()) as { checks: { check: string; state: string }[] };
  return { status, states: Object.fromEntries(checks.map(({ check, state }) => [check, state])) };
}

test('all is well', async () => {
  const { status, states } = await examine(await serve(good));
  expect(status).toBe(0);
  expect(states).toMatchObject({ node: 'ok', api: 'ok', ready: 'ok', clock: 'ok', token: 'ok' });
  expect(Object.keys(states)).toEqual(expect.arrayContaining(['python3', 'trivy']));
});

test('what is wrong is named and is status 1', async () => {
  const url = await serve({
    '/healthz': { body: {}, date: new Date(Date.now() - 600_000).toUTCString() },
    '/readyz': { status: 503, body: { ready: false, missing: ['temporal'] } },
    '/graphql': { status: 401, body: {} },
  });
  const { status, states } = await examine(url);
  expect(status).toBe(1);
  expect(states).toMatchObject({ api: 'ok', ready: 'failed', clock: 'failed', token: 'failed' });
});

test('no token is a failed check', async () => {
  expect((await examine(await serve(good), {})).states).toMatchObject({ token: 'failed' });
});

test('nobody there is status 3', async () => {
  const { status, states } = await examine('http://127.0.0.1:1');
  expect(status).toBe(3);
  expect(states).toMatchObject({ api: 'failed' });
});

test('nobody is sent from the doctor to the doctor', async () => {
  const io = { ...fakeIo(), fetch: globalThis.fetch };
  await runCli(['doctor', '--api', 'http://127.0.0.1:1'], io);
  expect(io.outText()).toContain('Start it, or name its address');
  expect(io.outText()).not.toContain('sluice doctor');
});

test('somebody else there is status 3', async () => {
  expect((await examine(await serve({}))).status).toBe(3);
});

test('versions of Node', () => {
  const states = ['18.20.0', '20.18.9', '20.19.0', '22.0.0'].map((v) => examineNode(v).state);
  expect(states).toEqual(['failed', 'failed', 'ok', 'ok']);
});

test('the clock may be a minute off, to either side', () => {
  const date = 'Sat, 21 Nov 2026 12:00:00 GMT';
  const at = (seconds: number) => examineClock(date, Date.parse(date) + seconds * 1000).state;
  expect([at(0), at(60), at(-60), at(63), at(-62)]).toEqual(['ok', 'ok', 'ok', 'failed', 'failed']);
  expect(examineClock(null, 0).state).toBe('warning');
});
