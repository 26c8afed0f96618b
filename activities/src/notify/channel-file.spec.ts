import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { readChannelFile } from './channel-file.ts';

const folder = await mkdtemp(join(tmpdir(), 'sluice-channels-'));
afterAll(() => rm(folder, { recursive: true }));
const path = join(folder, 'channels.yaml');

test('channels belong to tenants', async () => {
  const channels = await read(`
schema: sluice.notify-channels/v1
tenants:
  acme:
    releases: {kind: slack, url: {secret: slack-hook}}
    ops: {kind: webhook, url: https://ops.example/in, bearer: ops.token, hmac: ops_key}
    book: {kind: file, path: ${join(folder, 'book.jsonl')}}
  other: {}
`);
  expect(channels.list('acme')).toEqual(['book', 'ops', 'releases']);
  expect(channels.find('acme', 'releases')).toEqual({
    kind: 'slack',
    url: { secret: 'slack-hook' },
  });
  expect(channels.find('acme', 'ops')).toEqual({
    kind: 'webhook',
    url: 'https://ops.example/in',
    bearer: 'ops.token',
    hmac: 'ops_key',
  });
  expect(channels.needSecrets).toBe(true);
  for (const [tenant, name] of [
    ['other', 'ops'],
    ['acme', 'constructor'],
    ['nobody', 'ops'],
  ] as const) {
    expect(channels.find(tenant, name)).toBeUndefined();
  }
});

test('JSON is YAML', async () => {
  const json = {
    schema: 'sluice.notify-channels/v1',
    tenants: { acme: { a: { kind: 'file', path } } },
  };
  expect((await read(JSON.stringify(json))).needSecrets).toBe(false);
});

test('every problem is one line with its place, and no line holds a value', async () => {
  const problems = await refused(`
schema: sluice.notify-channels/v2
tenant: acme
tenants:
  Acme: {}
  acme:
    "#ops": {kind: file, path: /}
    a: {kind: mail, to: me}
    b: {kind: slack, url: https://user:hunter2@hooks.example/x}
    c: {kind: slack, url: {secret: ../hunter2}}
    d: {kind: webhook, url: https://a.example, bearer: "hunter2 is my token", retries: 3}
    e: {kind: file, path: relative}
    f: {kind: file, path: /no/such/folder/at/all}
    g: text
    h: {kind: webhook}
`);
  for (const expected of [
    'schema is not sluice.notify-channels/v1',
    'has tenant; it may have schema, tenants',
    'tenants.Acme is no name of a tenant',
    'tenants.acme.#ops is no name of a channel',
    'tenants.acme.a.kind is none of webhook, slack, file',
    'tenants.acme.b.url is neither a URL',
    'tenants.acme.c.url.secret is no name of a secret',
    'tenants.acme.d.bearer is no name of a secret',
    'tenants.acme.d has retries; it may have kind, url, bearer, hmac',
    'tenants.acme.e.path is no absolute path',
    'tenants.acme.f.path lies in no folder: make /no/such/folder/at',
    'tenants.acme.g is no object',
    'tenants.acme.h.url is neither a URL',
  ]) {
    expect(problems.filter((line) => line.includes(expected))).toHaveLength(1);
  }
  expect(problems).toHaveLength(13);
  expect(problems.join()).not.toContain('hunter2');
  expect(problems.every((line) => line.startsWith(`${path}: `) && !line.includes('\n'))).toBe(true);
});

test.each([
  ['', 'holds no object'],
  ['[]', 'holds no object'],
  ['a: 1\na: 2', 'is no YAML'],
  ['a: [', 'is no YAML'],
  ['a: &x [1]\nb: *x', 'has aliases'],
  [`# ${'x'.repeat(1_048_577)}`, 'is over 1048576 bytes'],
])('%j is refused', async (text, why) => {
  expect((await refused(text.slice())).join('\n')).toContain(why);
});

test('a file that is not there', async () => {
  await expect(readChannelFile(join(folder, 'none'))).rejects.toMatchObject({
    code: 'settings-invalid',
    problems: [expect.stringContaining('cannot be read (ENOENT)')],
  });
});

async function read(text: string) {
  await writeFile(path, text);
  return readChannelFile(path);
}

async function refused(text: string): Promise<readonly string[]> {
  const error = await read(text).then(
    () => undefined,
    (thrown: unknown) =>
      thrown as { readonly code?: string; readonly problems?: readonly string[] },
  );
  expect(error?.code).toBe('settings-invalid');
  return error?.problems ?? [];
}
