import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, expect, test } from '@jest/globals';
import { findValueFaults, type JsonValue } from '@sluice/domain';
import { createFolderStore } from '@sluice/evidence-store';
import { BUILT_IN_STEP_TYPES } from '@sluice/pipeline';
import { canonicalJson, digestOfBytes } from '@sluice/pure';
import type { ActivityScope } from '../activity-scope.ts';
import { createFakeRun, localClients } from '../outbound/testing/fake-run.ts';
import { type LocalServer, pour, serveLocally } from '../outbound/testing/local-server.ts';
import { createMemorySecrets } from '../secrets/memory-secrets.ts';
import type { StepRun } from '../step/step-type.ts';
import { createHttpStep } from './http.step.ts';

const folder = await mkdtemp(join(tmpdir(), 'sluice-http-'));
afterAll(() => rm(folder, { recursive: true }));
const evidence = createFolderStore(folder);
const secrets = createMemorySecrets({
  'acme/_shared/lb-token': 'Bearer s3cret"token',
  'acme/_shared/body': 'the whole body',
  'acme/_shared/two-lines': 'one\ntwo',
  'other/_shared/foreign': 'x',
});
const step = createHttpStep({ evidence, outbound: localClients(), secrets });
const declared = BUILT_IN_STEP_TYPES.get('http@1');

let server: LocalServer | undefined;
afterEach(() => server?.close());

test('status, headers and body are outputs, the bytes are kept', async () => {
  server = await serveLocally((_request, response) => {
    response.writeHead(200, {
      'Content-Type': 'application/problem+json; charset=utf-8',
      'Set-Cookie': 'session=abc',
      'X-Auth-Token': 'abc',
      'X-Plain': 'yes',
    });
    response.end('{"frozen": false}');
  });
  const { result, values, written } = await run({ url: `${server.origin}/api?x=1` });
  expect(result).toMatchObject({ outcome: 'succeeded', reason: null });
  expect(values).toMatchObject({ status: 200, body: { frozen: false } });
  expect(values['headers']).toMatchObject({ 'x-plain': 'yes' });
  expect(Object.keys(values['headers'] as object).join()).not.toMatch(/cookie|token/);
  expect(values['bodyDigest']).toBe(digestOfBytes('{"frozen": false}'));
  expect(result.outputs).toEqual({ bodyDigest: values['bodyDigest'] });
  expect(await evidence.has(values['bodyDigest'] as string)).toBe(true);
  expect(written).toMatch(/^> GET http:.*\/api\?x=1 \(attempt 1\)\n< 200 in [\d.]+ s, 17 bytes/);
  expect(server.seen[0]?.headers).not.toHaveProperty('idempotency-key');
});

test('the same request carries the same key in each attempt, and the same result', async () => {
  server = await serveLocally((_request, response) => response.writeHead(202).end('{}'));
  const inputs = { url: `${server.origin}/`, method: 'POST', json: { b: 1, a: null } };
  const first = await run(inputs);
  const second = await run(inputs, { attempt: { attempt: 2 } });
  expect(second.result).toEqual(first.result);
  expect(server.seen).toHaveLength(2);
  for (const { headers, body } of server.seen) {
    expect(headers).toMatchObject({
      'idempotency-key': expect.stringMatching(/^dev\/1\/tell\.[0-9a-f]{16}$/),
      'content-type': 'application/json',
    });
    expect(body).toBe('{"a":null,"b":1}');
  }
  const [one, two] = server.seen.map(({ headers }) => headers['idempotency-key']);
  expect(one).toBe(two);
  expect(second.written).toContain(`attempt 2, 16 bytes, Idempotency-Key ${one}`);
});

test('another promotion of that name is another key: of another tenant, or of records that began anew', async () => {
  server = await serveLocally((_request, response) => response.end());
  const base = createFakeRun('http', {});
  for (const changed of [
    {},
    { promotion: { ...base.promotion, requestedAt: '2027-01-01T00:00:00.000Z' } },
    { input: { ...base.input, promotion: { tenantId: 'other', promotionId: 'dev/1' } } },
  ]) {
    await run({ url: `${server.origin}/`, method: 'POST' }, changed);
  }
  expect(new Set(server.seen.map(({ headers }) => headers['idempotency-key'])).size).toBe(3);
});

test('a key that the pipeline gives stands, and is told; one that no header can hold goes as its digest', async () => {
  server = await serveLocally((_request, response) => response.end());
  const url = `${server.origin}/`;
  const own = await run({ url, method: 'PUT', headers: { 'Idempotency-Key': 'mine' } });
  expect(own.written).toContain('the Idempotency-Key that the pipeline gives');
  await run({ url, method: 'DELETE' }, { idempotencyKey: 'dev/1/tell/größe' });
  expect(server.seen.map(({ headers }) => headers['idempotency-key'])).toEqual([
    'mine',
    expect.stringMatching(/^sha256:[0-9a-f]{64}$/),
  ]);
});

test('busy is worth another attempt, another status is the end, a wanted one is success', async () => {
  server = await serveLocally((request, response, count) => {
    if (request.url === '/busy') response.writeHead(count === 1 ? 429 : 200).end('x');
    else response.writeHead(Number(request.url?.slice(1)), { location: '/there' }).end('why so');
  });
  const url = (path: string) => `${server?.origin}/${path}`;
  expect(reason(await run({ url: url('busy') }))).toBe('http-status-temporary');
  expect((await run({ url: url('busy') })).result.outcome).toBe('succeeded');
  const missing = await run({ url: url('404') });
  expect(reason(missing)).toBe('http-status-unexpected');
  expect(missing.written).toMatch(/< 404 in .*\nwhy so\n$/);
  expect((await run({ url: url('302') })).result.reason?.message).toContain(
    'It leads to /there: redirects are not followed',
  );
  expect((await run({ url: url('404'), status: [404] })).values['status']).toBe(404);
  expect(reason(await run({ url: url('200'), status: [204] }))).toBe('http-status-unexpected');
  expect(reason(await run({ url: url('409'), retryStatus: [409] }))).toBe('http-status-temporary');
  expect(reason(await run({ url: url('503'), retryStatus: [409] }))).toBe('http-status-unexpected');
  expect(declared?.retry.terminal).toContain('http-status-unexpected');
  expect(declared?.retry.terminal).not.toContain('http-status-temporary');
});

test('secrets arrive, and are seen nowhere else', async () => {
  server = await serveLocally((request, response) => {
    const echo = `you said ${request.headers.authorization} and ${request.body}`;
    response.writeHead(request.url === '/no' ? 400 : 200, { 'x-echo': 'Bearer s3cret"token' });
    response.end(
      JSON.stringify({ echo, code: Buffer.from('Bearer s3cret"token').toString('base64') }),
    );
  });
  for (const path of ['/yes', '/no']) {
    const ended = await run({
      url: server.origin + path,
      method: 'POST',
      secretHeaders: { Authorization: 'lb-token' },
      body: { secret: 'body' },
    });
    expect(server.seen.at(-1)).toMatchObject({
      headers: { authorization: 'Bearer s3cret"token' },
      body: 'the whole body',
    });
    const kept = ended.values['bodyDigest'] as string | undefined;
    const bytes = kept === undefined ? [] : await evidence.getBytes(kept, { maxBytes: 65_536 });
    const shown =
      JSON.stringify(ended.result) + ended.written + Buffer.from(bytes).toString('utf8');
    expect(shown).toContain('***');
    expect(shown).not.toMatch(/s3cret|whole body|QmVhcmVyIHMzY3JldCJ0b2tlbg/);
    expect(ended.hidden).toEqual(['Bearer s3cret"token', 'the whole body']);
  }
});

test('a secret URL is not told, whatever goes wrong with it', async () => {
  server = await serveLocally((_request, response) => response.writeHead(404).end());
  const { origin } = server;
  for (const value of [`${origin}/hook/hunter2`, 'hunter2 is no URL', 'http://hunter2.invalid/']) {
    const own = createMemorySecrets({ 'acme/_shared/hook': value });
    const hook = createHttpStep({ evidence, outbound: localClients(), secrets: own });
    const ended = await run({ url: { secret: 'hook' } }, {}, hook);
    expect(ended.result.outcome).toBe('failed');
    expect(JSON.stringify(ended.result) + ended.written).not.toContain('hunter2');
    expect(ended.result.reason?.message).toMatch(/to its secret URL|The request/);
  }
});

test('nor what its service repeats of it: in the log, the reason, headers and body', async () => {
  server = await serveLocally(({ method, url }, response, count) => {
    const status = [404, 302, 200][count - 1] ?? 500;
    const headers = { location: `/moved${url}`, 'x-asked': `${url}`.split('/').at(-1) };
    response.writeHead(status, headers).end(`Cannot ${method} ${url}`);
  });
  const own = createMemorySecrets({
    'acme/_shared/hook': `${server.origin}/services/T/B/tokenOfTeam`,
  });
  const hook = createHttpStep({ evidence, outbound: localClients(), secrets: own });
  for (const outcome of ['failed', 'failed', 'succeeded']) {
    const ended = await run({ url: { secret: 'hook' } }, {}, hook);
    expect(ended.result.outcome).toBe(outcome);
    const told = JSON.stringify([ended.result, ended.values]) + ended.written;
    expect(told).toContain('***');
    expect(told).not.toMatch(/tokenOfTeam|T\/B/);
    expect(ended.hidden).toEqual(expect.arrayContaining(['/services/T/B/tokenOfTeam']));
  }
});

test.each<[Record<string, JsonValue>, string, RegExp]>([
  [{ secretHeaders: { a: 'nobody' } }, 'secret-unknown', /nobody/],
  [{ secretHeaders: { a: 'foreign' } }, 'secret-unknown', /foreign/],
  [{ secretHeaders: { 'x-a': 'two-lines' } }, 'input-invalid', /header x-a is not one line/],
  [{ headers: { 'x-a': '1' }, secretHeaders: { 'X-A': 'body' } }, 'input-invalid', /secretHeaders/],
  [{ headers: { host: 'b.example' } }, 'input-invalid', /header host/],
  [{ url: 'http://169.254.169.254/latest/' }, 'address-refused', /never asked/],
])('%j is not sent', async (inputs, code, message) => {
  server = await serveLocally((_request, response) => response.end());
  const ended = await run({ url: `${server.origin}/`, ...inputs });
  expect(ended.result.reason).toMatchObject({ code, message: expect.stringMatching(message) });
  expect(JSON.stringify(ended.result)).not.toMatch(/one\\ntwo|the whole body/);
  expect(server.seen).toEqual([]);
});

test.each(['http@1', 'soak@1'] as const)('%s does not ask again where it may never ask', (type) => {
  expect(BUILT_IN_STEP_TYPES.get(type)?.retry.terminal).toContain('address-refused');
});

test('no answer, too late or too long are told apart', async () => {
  server = await serveLocally((request, response) => {
    if (request.url === '/endless') pour(response.writeHead(200));
    if (request.url === '/reset') response.destroy();
  });
  const { origin } = server;
  const late = { attempt: { attemptDeadline: Date.now() + 300 } };
  expect(reason(await run({ url: `${origin}/silent` }, late))).toBe('http-no-answer');
  const reset = await run({ url: `${origin}/reset`, method: 'POST' });
  expect(reset.result.reason).toMatchObject({
    code: 'http-no-answer',
    message: expect.stringContaining('it may have done what it was asked for'),
  });
  expect(reason(await run({ url: `${origin}/endless`, maxResponseBytes: 1000 }))).toBe(
    'http-answer-too-large',
  );
});

test.each<[string, Buffer | string, JsonValue | undefined, RegExp | undefined]>([
  ['application/json', '{"a":', '{"a":', undefined],
  ['text/html', '<p>', '<p>', undefined],
  ['application/json', 'false', false, undefined],
  ['application/json', 'null', null, undefined],
  [
    'application/json',
    `${'['.repeat(200)}${']'.repeat(200)}`,
    `${'['.repeat(200)}${']'.repeat(200)}`,
    undefined,
  ],
  ['application/json', '{"a":"\\u0000"}', '{"a":"\\u0000"}', undefined],
  ['application/json', '{"a":"\\ud800"}', '{"a":"\\ud800"}', undefined],
  ['application/json', '{"__proto__":{"a":1}}', '{"__proto__":{"a":1}}', undefined],
  ['application/json', '1e999', '1e999', undefined],
  ['text/plain', 'a\0b', undefined, /NUL/],
  ['text/plain', Buffer.from([0xff, 0xfe]), undefined, /not UTF-8/],
  ['text/plain', '', undefined, /empty/],
  ['text/plain', 'x'.repeat(65_537), undefined, /64 KiB/],
  ['text/plain', 'x'.repeat(65_500), undefined, /with the headers/],
])('an answer of %s is read as far as it can be kept (%#)', async (type, body, value, without) => {
  server = await serveLocally((_request, response) => {
    response.writeHead(200, { 'content-type': type }).end(body);
  });
  const ended = await run({ url: `${server.origin}/` });
  expect(ended.values['body']).toEqual(value);
  if (without !== undefined) expect(ended.written).toMatch(without);
  expect(ended.values['bodyDigest']).toBe(digestOfBytes(body));
});

test('headers are bounded', async () => {
  server = await serveLocally((_request, response) => {
    const many = Array.from({ length: 25 }, (_, index) => [`x-${index}`, 'h'.repeat(1000)]);
    response.writeHead(200, Object.fromEntries(many)).end();
  });
  const { values } = await run({ url: `${server.origin}/` });
  expect(Object.keys(values['headers'] as object).length).toBeLessThan(17);
});

test('a cancellation is no result', async () => {
  server = await serveLocally(() => undefined);
  const cancel = new AbortController();
  setTimeout(() => cancel.abort(new Error('CANCELLED')), 50);
  const asked = run({ url: `${server.origin}/` }, { attempt: { cancellation: cancel.signal } });
  await expect(asked).rejects.toThrow('CANCELLED');
});

function reason(ended: Awaited<ReturnType<typeof run>>): string | undefined {
  return ended.result.reason?.code;
}

async function run(
  inputs: Record<string, JsonValue>,
  changed: Partial<StepRun> & { readonly attempt?: Partial<ActivityScope> } = {},
  used = step,
) {
  const faked = createFakeRun('http', inputs, changed);
  const { result } = await used.run(faked);
  const values = result.values ?? {};
  if (result.outcome === 'succeeded' && declared !== undefined) {
    expect(findValueFaults(declared.outputs, values)).toEqual([]);
    expect(Buffer.byteLength(canonicalJson(values))).toBeLessThanOrEqual(65_536);
  }
  return { result, values, written: faked.written(), hidden: faked.hidden };
}
