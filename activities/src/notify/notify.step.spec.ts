import { createHmac } from 'node:crypto';
import { mkdtemp, readFile, rm, stat, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, expect, test } from '@jest/globals';
import type { ActivityScope } from '../activity-scope.ts';
import { createOutboundClients } from '../outbound/outbound-clients.ts';
import { createFakeRun } from '../outbound/testing/fake-run.ts';
import { type LocalServer, serveLocally } from '../outbound/testing/local-server.ts';
import { createMemorySecrets } from '../secrets/memory-secrets.ts';
import { createNotifyStep } from './notify.step.ts';
import { createNotifyChannels, type NotifyChannel } from './notify-channels.ts';

const folder = await mkdtemp(join(tmpdir(), 'sluice-notify-'));
afterAll(() => rm(folder, { recursive: true }));
let server: LocalServer | undefined;
afterEach(() => server?.close());

const TOLD = {
  text: 'shop <!channel> & more',
  promotion: 'dev/1',
  environment: 'dev',
  release: `sha256:${'1'.repeat(64)}`,
  step: 'tell',
  idempotencyKey: expect.stringMatching(/^dev\/1\/tell\.[0-9a-f]{16}$/),
};

test('a webhook gets JSON, its token and a signature of the bytes; twice the same', async () => {
  server = await serveLocally((_request, response) => response.writeHead(204).end());
  const channel = { kind: 'webhook', url: `${server.origin}/w`, bearer: 'token', hmac: 'key' };
  const first = await tell(channel as NotifyChannel);
  const second = await tell(channel as NotifyChannel);
  expect(first.result).toEqual({ outcome: 'succeeded', outputs: {}, reason: null, values: {} });
  expect(second.result).toEqual(first.result);
  expect(server.seen[1]).toEqual(server.seen[0]);
  const [{ headers, body } = { headers: {}, body: '' }] = server.seen;
  expect(JSON.parse(body)).toEqual(TOLD);
  expect(headers).toMatchObject({
    authorization: 'Bearer t0ken',
    'idempotency-key': JSON.parse(body).idempotencyKey,
    'content-type': 'application/json',
    'x-sluice-signature-256': `sha256=${createHmac('sha256', 'k3y').update(body).digest('hex')}`,
  });
  expect(first.written).toBe('> ops (webhook), attempt 1\n< HTTP 204\n');
  expect(first.hidden).toEqual(['t0ken', 'k3y']);
});

test('slack gets its text, in which nothing addresses people', async () => {
  server = await serveLocally((_request, response) => response.end('ok'));
  const { origin } = server;
  const { result, written } = await tell(
    { kind: 'slack', url: { secret: 'hook' } },
    { hook: `${origin}/T0/hunter2` },
  );
  expect(result.outcome).toBe('succeeded');
  expect(server.seen[0]?.url).toBe('/T0/hunter2');
  expect(JSON.parse(server.seen[0]?.body ?? '')).toEqual({
    text: 'shop &lt;!channel&gt; &amp; more',
  });
  expect(written).not.toContain('hunter2');
});

test('a file gets a line each time, for nobody else to read', async () => {
  const path = join(folder, 'book.jsonl');
  await tell({ kind: 'file', path });
  await tell({ kind: 'file', path });
  const lines = (await readFile(path, 'utf8')).trimEnd().split('\n');
  expect(lines.map((line) => JSON.parse(line))).toEqual(
    Array(2).fill({ at: '2026-11-21T12:00:00Z', ...TOLD }),
  );
  expect((await stat(path)).mode & 0o777).toBe(0o600);
});

test('a file that is none is not written', async () => {
  await symlink(join(folder, 'elsewhere'), join(folder, 'link'));
  for (const path of [join(folder, 'link'), folder, join(folder, 'no', 'book')]) {
    const { result } = await tell({ kind: 'file', path });
    expect(result.reason).toMatchObject({ code: 'notify-undelivered' });
  }
  expect(await stat(join(folder, 'elsewhere')).catch(() => undefined)).toBeUndefined();
});

test('whoever does not take it is named, its answer without secrets', async () => {
  server = await serveLocally((request, response) => {
    if (request.url === '/silent') return;
    response.writeHead(403).end(`no: ${request.headers.authorization}`);
  });
  const { origin } = server;
  const refused = await tell({ kind: 'webhook', url: `${origin}/w`, bearer: 'token' });
  expect(refused.result.reason).toEqual({
    code: 'notify-undelivered',
    message: expect.stringContaining('Channel ops did not take the message: it answered with 403.'),
  });
  expect(refused.written).toBe(
    '> ops (webhook), attempt 1\nno: Bearer ***\n< it answered with 403\n',
  );
  const silent = await tell(
    { kind: 'webhook', url: `${origin}/silent` },
    {},
    { attemptDeadline: Date.now() + 200 },
  );
  expect(silent.result.reason?.message).toContain('no whole answer came within');
  await server.close();
  const away = await tell(
    { kind: 'slack', url: { secret: 'hook' } },
    { hook: `${origin}/hunter2` },
  );
  expect(away.result.reason?.message).toContain('ECONNREFUSED');
  expect(JSON.stringify(away.result) + away.written).not.toContain(origin);
});

test('what a service repeats of its secret URL is not told', async () => {
  server = await serveLocally(({ url }, response) => {
    response.writeHead(404).end(`Cannot POST ${url}`);
  });
  const { result, written } = await tell(
    { kind: 'slack', url: { secret: 'hook' } },
    { hook: `${server.origin}/services/T/B/tokenOfTeam` },
  );
  expect(result.reason?.code).toBe('notify-undelivered');
  expect(written).toMatch(/^Cannot POST \*\*\*\n/m);
});

test('a missing secret, an unknown channel, and that of another tenant', async () => {
  const missing = await tell({ kind: 'webhook', url: 'http://127.0.0.1:1/', bearer: 'gone' });
  expect(missing.result.reason?.code).toBe('secret-unknown');
  const unknown = await createNotifyStep({
    channels: createNotifyChannels({
      acme: { book: { kind: 'file', path: '/nowhere' } },
      other: { ops: { kind: 'file', path: '/nowhere' } },
    }),
  }).run(createFakeRun('notify', { channel: 'ops', message: 'a' }));
  expect(unknown.result.reason).toEqual({
    code: 'channel-unknown',
    message: expect.stringContaining('There is no channel ops, but book.'),
  });
  const none = await createNotifyStep({}).run(
    createFakeRun('notify', { channel: 'ops', message: 'a' }),
  );
  expect(none.result.reason?.message).toContain('SLUICE_NOTIFY_CHANNELS');
});

test('a cancellation is no result', async () => {
  server = await serveLocally(() => undefined);
  const cancel = new AbortController();
  setTimeout(() => cancel.abort(new Error('CANCELLED')), 50);
  const told = tell({ kind: 'webhook', url: server.origin }, {}, { cancellation: cancel.signal });
  await expect(told).rejects.toThrow('CANCELLED');
});

async function tell(
  channel: NotifyChannel,
  more: Readonly<Record<string, string>> = {},
  attempt: Partial<ActivityScope> = {},
) {
  const named = Object.entries({ token: 't0ken', key: 'k3y', ...more });
  const step = createNotifyStep({
    outbound: createOutboundClients(),
    secrets: createMemorySecrets(
      Object.fromEntries(named.map(([name, value]) => [`acme/_shared/${name}`, value])),
    ),
    channels: createNotifyChannels({ acme: { ops: channel } }),
  });
  const run = createFakeRun('notify', { channel: 'ops', message: TOLD.text }, { attempt });
  const { result } = await step.run(run);
  return { result, written: run.written(), hidden: run.hidden };
}
