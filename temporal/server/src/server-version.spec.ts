import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import {
  assertFolderNotNewer,
  readServerVersion,
  rememberServerVersion,
} from './server-version.ts';

describe('the version of the Temporal server', () => {
  let folder: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sluice temporal '));
  });

  afterEach(async () => {
    await rm(folder, { recursive: true, force: true });
  });

  async function fakeCli(body: string): Promise<string> {
    const file = join(folder, 'temporal');
    await writeFile(file, `#!/bin/sh\n${body}\n`);
    await chmod(file, 0o755);
    return file;
  }

  test('is read from the CLI', async () => {
    const cli = await fakeCli('echo "temporal version 1.9.1 (Server 1.32.0, UI 2.54.1)"');
    expect(await readServerVersion(cli)).toEqual({ cli: '1.9.1', server: '1.32.0' });
  });

  test.each(['echo rubbish', 'exit 3'])('a CLI that answers with "%s" is refused', async (body) => {
    const cli = await fakeCli(body);
    await expect(readServerVersion(cli)).rejects.toMatchObject({ code: 'temporal-not-runnable' });
  });

  test('a data file written by the same or an older server passes', async () => {
    const dbFile = join(folder, 'temporal.db');
    await assertFolderNotNewer(dbFile, { cli: '1.9.1', server: '1.32.0' });
    await rememberServerVersion(dbFile, { cli: '1.9.0', server: '1.31.9' });
    await assertFolderNotNewer(dbFile, { cli: '1.9.1', server: '1.32.0' });
    expect(JSON.parse(await readFile(`${dbFile}.version.json`, 'utf8'))).toEqual({
      cli: '1.9.0',
      server: '1.31.9',
    });
  });

  test('a data file written by a newer server is refused, naming the version and --reset', async () => {
    const dbFile = join(folder, 'temporal.db');
    await rememberServerVersion(dbFile, { cli: '1.11.0', server: '1.100.0' });
    const refusal = assertFolderNotNewer(dbFile, { cli: '1.9.1', server: '1.32.0' });
    await expect(refusal).rejects.toMatchObject({ code: 'temporal-folder-newer' });
    await expect(refusal).rejects.toThrow(/1\.11\.0 or newer, or start from nothing with --reset/);
  });

  test('an unreadable version file is refused', async () => {
    const dbFile = join(folder, 'temporal.db');
    await writeFile(`${dbFile}.version.json`, '{');
    await expect(
      assertFolderNotNewer(dbFile, { cli: '1.9.1', server: '1.32.0' }),
    ).rejects.toMatchObject({ code: 'temporal-folder-newer' });
  });
});
