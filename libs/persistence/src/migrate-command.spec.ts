import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { runMigrateCommand } from './migrate-command.ts';
import { withEmptyDatabase } from './testing/index.ts';

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-migrate-'));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

async function passwords(content: string): Promise<string> {
  const file = join(folder, 'passwords.json');
  await writeFile(file, content);
  return file;
}

test('a superuser makes the roles and migrates, the owner goes on alone', async () => {
  await withEmptyDatabase(async (url) => {
    const file = await passwords('{"sluice_owner": "sluice-test-only"}');
    const first = await runMigrateCommand({
      SLUICE_MIGRATION_URL: url,
      SLUICE_ROLE_PASSWORDS: file,
    });
    expect(first.applied.length).toBe(first.total);
    const owner = new URL(url);
    owner.username = 'sluice_owner';
    owner.password = 'sluice-test-only';
    expect(await runMigrateCommand({ SLUICE_MIGRATION_URL: owner.href })).toEqual({
      applied: [],
      total: first.total,
    });
  });
});

test('without a URL it says what is missing', async () => {
  await expect(runMigrateCommand({})).rejects.toThrow('SLUICE_MIGRATION_URL is not set');
});

test.each(['no json', '[]x', '{"somebody": "secret-password"}', '{"sluice_app": 1}', 'null'])(
  'the password file %j is refused',
  async (content) => {
    const file = await passwords(content);
    const env = { SLUICE_MIGRATION_URL: 'postgres://127.0.0.1:1/x', SLUICE_ROLE_PASSWORDS: file };
    await expect(runMigrateCommand(env)).rejects.toThrow('SLUICE_ROLE_PASSWORDS');
  },
);

test('a password that Postgres would take otherwise is refused', async () => {
  await withEmptyDatabase(async (url) => {
    const file = await passwords('{"sluice_app": "short"}');
    const env = { SLUICE_MIGRATION_URL: url, SLUICE_ROLE_PASSWORDS: file };
    await expect(runMigrateCommand(env)).rejects.toThrow('8 to 200 visible ASCII');
  });
});
