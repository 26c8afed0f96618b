import { execFileSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { createFakeScope } from '../testing/fake-scope.ts';
import { createFolderSecrets } from './folder-secrets.ts';
import { createMemorySecrets } from './memory-secrets.ts';
import { readSecret } from './read-secret.ts';
import { isSecretError, type SecretSource } from './secret-source.ts';

let dir: string;
let secrets: SecretSource;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sluice-secrets-'));
  for (const tenant of ['acme', 'globex']) await mkdir(join(dir, tenant));
  secrets = createFolderSecrets(dir);
});

afterEach(() => rm(dir, { recursive: true }));

async function put(path: string, content: string | Uint8Array, mode = 0o600): Promise<void> {
  await writeFile(join(dir, path), content);
  await chmod(join(dir, path), mode);
}

test.each<[string, string, string]>([
  ['as it is', 'correct horse', 'correct horse'],
  ['without the line end that editors add', 'correct\n', 'correct'],
  ['without that of others', 'correct\r\n', 'correct'],
  ['with all other line ends', '-----BEGIN-----\nabc\n\n', '-----BEGIN-----\nabc\n'],
  ['in any alphabet', '\ufeffgeheim·秘密', '\ufeffgeheim·秘密'],
  ['of the largest size', 'x'.repeat(65_536), 'x'.repeat(65_536)],
])('a secret is read %s', async (_how, content, value) => {
  await put('acme/db', content);
  expect(await secrets.read('acme', 'db')).toBe(value);
});

test('a changed secret is taken at once, and a group may read it', async () => {
  await put('acme/db', 'one', 0o640);
  expect(await secrets.read('acme', 'db')).toBe('one');
  await put('acme/db', 'two');
  expect(await secrets.read('acme', 'db')).toBe('two');
});

test.each([
  'nothing',
  '../globex/db',
  '..',
  '.',
  '',
  '/etc/passwd',
  'a/b',
  'a\0b',
  '-x',
  'x'.repeat(129),
])('there is no secret "%s"', async (name) => {
  await put('globex/db', 'their own');
  const refused = secrets.read('acme', name);
  await expect(refused).rejects.toMatchObject({ name: 'SecretError', code: 'secret-unknown' });
  await expect(refused).rejects.not.toThrow(/their own/);
});

test.each(['..', '../acme', '', 'ACME', 'nobody'])('there is no tenant "%s"', async (tenant) => {
  await put('acme/db', 'value');
  await expect(secrets.read(tenant, 'db')).rejects.toMatchObject({ code: 'secret-unknown' });
});

test.each<[string, string | Uint8Array, number, RegExp]>([
  ['that everybody can read', 'the-value', 0o604, /chmod 600/],
  ['that everybody can write', 'the-value', 0o602, /chmod 600/],
  ['of 64 KiB and a byte', `the-value${'x'.repeat(65_528)}`, 0o600, /over 64 KiB/],
  ['that is empty', '', 0o600, /empty/],
  ['that is a line end', '\n', 0o600, /empty/],
  ['that is no text', new Uint8Array([0xff, 0xfe]), 0o600, /UTF-8/],
  ['with a NUL', 'the-value\0', 0o600, /NUL/],
])('a secret %s is refused by its name, never by its value', async (_what, content, mode, why) => {
  await put('acme/db', content, mode);
  const error = await secrets.read('acme', 'db').catch((thrown: unknown) => thrown);
  expect(isSecretError(error) && error.code).toBe('secret-unreadable');
  const { message, stack, cause } = error as Error;
  expect(message).toMatch(why);
  expect(message).toContain('"db"');
  expect(`${stack}${String(cause)}`).not.toContain('the-value');
});

test('links are followed within the folder of the tenant, as mounted secrets have them', async () => {
  await mkdir(join(dir, 'acme', '..data'));
  await put('acme/..data/db', 'mounted');
  await symlink('..data/db', join(dir, 'acme', 'db'));
  expect(await secrets.read('acme', 'db')).toBe('mounted');
  await put('globex/db', 'their own');
  await symlink('../globex/db', join(dir, 'acme', 'theirs'));
  await expect(secrets.read('acme', 'theirs')).rejects.toMatchObject({ code: 'secret-unreadable' });
  await symlink('loop', join(dir, 'acme', 'loop'));
  await expect(secrets.read('acme', 'loop')).rejects.toMatchObject({ code: 'secret-unreadable' });
});

test('a folder and a pipe are no secrets, and hold nobody', async () => {
  await mkdir(join(dir, 'acme', 'folder'));
  execFileSync('mkfifo', ['-m', '600', join(dir, 'acme', 'pipe')]);
  for (const name of ['folder', 'pipe']) {
    await expect(secrets.read('acme', name)).rejects.toMatchObject({ code: 'secret-unreadable' });
  }
});

test('what a step reads is masked in its log; without any secrets the message says what to set', async () => {
  const hidden: string[] = [];
  const run = {
    input: { promotion: { tenantId: 'acme', promotionId: 'dev/1' } },
    output: { write: () => undefined, hide: (secret: string) => hidden.push(secret) },
    scope: createFakeScope(),
  } as unknown as Parameters<typeof readSecret>[0];
  const source = createMemorySecrets({ 'acme/db': 'the-value' });
  expect(await readSecret(run, source, 'db')).toBe('the-value');
  expect(hidden).toEqual(['the-value']);
  expect(source.reads).toEqual(['acme/db']);
  await expect(readSecret(run, source, 'constructor')).rejects.toMatchObject({
    code: 'secret-unknown',
  });
  await expect(readSecret(run, undefined, 'db')).rejects.toThrow(/SLUICE_SECRETS_DIR/);
});
