import { execFileSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { isName } from '@sluice/domain';
import { createFakeScope } from '../testing/fake-scope.ts';
import { createFolderSecrets, listMisplacedSecrets } from './folder-secrets.ts';
import { createMemorySecrets } from './memory-secrets.ts';
import { readSecret } from './read-secret.ts';
import { isSecretError, type SecretSource, SHARED_SECRETS } from './secret-source.ts';

let dir: string;
let secrets: SecretSource;
const DEV = { tenantId: 'acme', environment: 'dev' };

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sluice-secrets-'));
  for (const folder of ['acme/dev', 'acme/production', 'acme/_shared', 'globex/dev']) {
    await mkdir(join(dir, folder), { recursive: true });
  }
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
  await put('acme/dev/db', content);
  expect(await secrets.read(DEV, 'db')).toBe(value);
});

test('a changed secret is taken at once, and a group may read it', async () => {
  await put('acme/dev/db', 'one', 0o640);
  expect(await secrets.read(DEV, 'db')).toBe('one');
  await put('acme/dev/db', 'two');
  expect(await secrets.read(DEV, 'db')).toBe('two');
});

test.each([
  'nothing',
  '../../globex/dev/db',
  '../production/db',
  '..',
  '.',
  '',
  '/etc/passwd',
  'a/b',
  'a\0b',
  '-x',
  'x'.repeat(129),
])('there is no secret "%s"', async (name) => {
  await put('globex/dev/db', 'their own');
  await put('acme/production/db', 'their own');
  const refused = secrets.read(DEV, name);
  await expect(refused).rejects.toMatchObject({ name: 'SecretError', code: 'secret-unknown' });
  await expect(refused).rejects.not.toThrow(/their own/);
});

test.each(['..', '../acme', '', 'ACME', 'nobody', '_shared'])(
  'there is no tenant and no environment "%s"',
  async (name) => {
    await put('acme/dev/db', 'value');
    for (const reader of [
      { tenantId: name, environment: 'dev' },
      { tenantId: 'acme', environment: name },
    ]) {
      await expect(secrets.read(reader, 'db')).rejects.toMatchObject({ code: 'secret-unknown' });
    }
  },
);

test("an environment has its own, else what all share, and never another one's", async () => {
  const production = { tenantId: 'acme', environment: 'production' };
  await put('acme/production/db', 'of production');
  await put('acme/production/only', 'of production');
  await put('acme/_shared/db', 'of all');
  expect(await secrets.read(production, 'db')).toBe('of production');
  expect(await secrets.read(DEV, 'db')).toBe('of all');
  await put('acme/dev/db', 'of dev');
  expect(await secrets.read(DEV, 'db')).toBe('of dev');
  const refused = secrets.read(DEV, 'only');
  await expect(refused).rejects.toMatchObject({ code: 'secret-unknown' });
  await expect(refused).rejects.toThrow('acme/dev/only, and none of that name in');
  expect(isName(SHARED_SECRETS)).toBe(false);
});

test('what all share does not stand in for what an environment has and cannot be taken', async () => {
  await put('acme/_shared/db', 'of all');
  await put('acme/dev/db', 'of dev', 0o644);
  await expect(secrets.read(DEV, 'db')).rejects.toMatchObject({ code: 'secret-unreadable' });
});

test('nor does it for what an environment has as a link to nothing', async () => {
  await put('acme/_shared/db', 'of all');
  await symlink('..data/db', join(dir, 'acme/dev/db'));
  const refused = secrets.read(DEV, 'db');
  await expect(refused).rejects.toMatchObject({ code: 'secret-unreadable' });
  await expect(refused).rejects.toThrow('acme/dev/db is a link to nothing: mend or remove it');
  await symlink('nothing', join(dir, 'acme/_shared/other'));
  await expect(secrets.read(DEV, 'other')).rejects.toMatchObject({ code: 'secret-unreadable' });
  await rm(join(dir, 'acme/dev/db'));
  expect(await secrets.read(DEV, 'db')).toBe('of all');
});

test('a file directly in the folder of a tenant is no secret, and where it belongs is said', async () => {
  await put('acme/db', 'the-value');
  await expect(secrets.read(DEV, 'db')).rejects.toMatchObject({
    code: 'secret-unknown',
    message: expect.stringMatching(/move it to .*acme\/<environment> .* or .*acme\/_shared /),
  });
  await put('acme/.gitkeep', '');
  await put('acme/a-token', 'the-value');
  await put('globex/dev/db', 'the-value');
  expect(await listMisplacedSecrets(dir)).toEqual(new Map([['acme', ['a-token', 'db']]]));
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
  await put('acme/dev/db', content, mode);
  const error = await secrets.read(DEV, 'db').catch((thrown: unknown) => thrown);
  expect(isSecretError(error) && error.code).toBe('secret-unreadable');
  const { message, stack, cause } = error as Error;
  expect(message).toMatch(why);
  expect(message).toContain('"db"');
  expect(`${stack}${String(cause)}`).not.toContain('the-value');
});

test('links are followed within the folder of the environment, as mounted secrets have them', async () => {
  await mkdir(join(dir, 'acme/dev/..data'));
  await put('acme/dev/..data/db', 'mounted');
  await symlink('..data/db', join(dir, 'acme/dev/db'));
  expect(await secrets.read(DEV, 'db')).toBe('mounted');
  await put('globex/dev/db', 'their own');
  await symlink('../../globex/dev/db', join(dir, 'acme/dev/theirs'));
  await put('acme/production/db', 'its own');
  await symlink('../production/db', join(dir, 'acme/dev/production'));
  await symlink('loop', join(dir, 'acme/dev/loop'));
  await symlink('production', join(dir, 'acme/staging'));
  await put('acme/test', 'a file in the place of a folder');
  for (const [environment, name] of [
    ['dev', 'theirs'],
    ['dev', 'production'],
    ['dev', 'loop'],
    ['staging', 'db'],
    ['test', 'db'],
  ] as const) {
    const refused = secrets.read({ tenantId: 'acme', environment }, name);
    await expect(refused).rejects.toMatchObject({ code: 'secret-unreadable' });
  }
});

test('a folder and a pipe are no secrets, and hold nobody', async () => {
  await mkdir(join(dir, 'acme/dev/folder'));
  execFileSync('mkfifo', ['-m', '600', join(dir, 'acme/dev/pipe')]);
  for (const name of ['folder', 'pipe']) {
    await expect(secrets.read(DEV, name)).rejects.toMatchObject({ code: 'secret-unreadable' });
  }
});

test('what a step reads is masked in its log; without any secrets the message says what to set', async () => {
  const hidden: string[] = [];
  const run = {
    input: { promotion: { tenantId: 'acme', promotionId: 'dev/1' } },
    promotion: { environment: 'dev' },
    output: { write: () => undefined, hide: (secret: string) => hidden.push(secret) },
    scope: createFakeScope(),
  } as unknown as Parameters<typeof readSecret>[0];
  const source = createMemorySecrets({ 'acme/_shared/db': 'the-value' });
  expect(await readSecret(run, source, 'db')).toBe('the-value');
  expect(hidden).toEqual(['the-value']);
  expect(source.reads).toEqual(['acme/dev/db']);
  await expect(readSecret(run, source, 'constructor')).rejects.toMatchObject({
    code: 'secret-unknown',
  });
  await expect(readSecret(run, undefined, 'db')).rejects.toThrow(/SLUICE_SECRETS_DIR/);
});
