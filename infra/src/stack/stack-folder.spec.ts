import { lstat, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { assertStackFolder, deleteStackFolder, openStackFolder } from './stack-folder.ts';
import { getStackLayout } from './stack-layout.ts';
import { removeStackData, startStack } from './start-stack.ts';

const CHECKOUT = fileURLToPath(new URL('../../../', import.meta.url));

describe('the data folder of a stack', () => {
  let folder: string;
  let dataDir: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sluice folder '));
    dataDir = join(folder, 'data');
  });

  afterEach(() => rm(folder, { recursive: true }));

  test('one that a stack opened is deleted, and none is nothing to delete', async () => {
    const layout = getStackLayout(join(dataDir, 'deep'));
    await openStackFolder(layout);
    await writeFile(join(layout.dataDir, 'more'), '');
    await openStackFolder(layout);
    await removeStackData(layout.dataDir);
    await removeStackData(layout.dataDir);
    expect(await readdir(dataDir)).toEqual([]);
    await removeStackData(dataDir);
    expect(await readdir(folder)).toEqual([]);
  });

  test.each([
    ['run/processes.json', '{}\n'],
    [
      'sluice.config.yaml',
      '# Written anew at each start; the API applies it when it starts.\na: 1\n',
    ],
  ])('one from before there were marks is known by its %s', async (name, text) => {
    await mkdir(join(dataDir, 'run'), { recursive: true });
    await writeFile(join(dataDir, name), text);
    await removeStackData(dataDir);
    expect(await readdir(folder)).toEqual([]);
  });

  test('what no stack wrote is neither deleted nor used', async () => {
    await mkdir(join(dataDir, 'run'), { recursive: true });
    await writeFile(join(dataDir, 'sluice.config.yaml'), 'schema: sluice.config/v1\n');
    await expect(removeStackData(dataDir)).rejects.toMatchObject({
      code: 'stack-folder-foreign',
      message: `${dataDir} is not a Sluice data folder; nothing was deleted; name another with --data.`,
    });
    await expect(startStack({ dataDir })).rejects.toMatchObject({ code: 'stack-folder-foreign' });
    expect(await readdir(dataDir)).toEqual(['run', 'sluice.config.yaml']);
    expect(await readdir(join(dataDir, 'run'))).toEqual([]);
  });

  // Only asked, never tried.
  test.each(['/', homedir(), CHECKOUT, join(CHECKOUT, '..')])('%s may not be deleted', (path) =>
    expect(assertStackFolder(getStackLayout(path))).rejects.toThrow('nothing was deleted'),
  );

  test('a marked folder may not be deleted when what is precious would go with it', async () => {
    await openStackFolder(getStackLayout(dataDir));
    await symlink(dataDir, join(folder, 'link'));
    const layout = getStackLayout(join(folder, 'link'));
    for (const precious of [dataDir, join(dataDir, '..home')]) {
      await mkdir(precious, { recursive: true });
      await expect(assertStackFolder(layout, [precious])).rejects.toMatchObject({
        code: 'stack-folder-foreign',
      });
    }
    expect(await assertStackFolder(layout, [folder, `${dataDir}-beside`])).toBe(true);
  });

  test('of a link, what it points to is deleted', async () => {
    await openStackFolder(getStackLayout(dataDir));
    const link = join(folder, 'link');
    await symlink(dataDir, link);
    await deleteStackFolder(getStackLayout(link));
    expect([await readdir(dataDir), (await lstat(link)).isSymbolicLink()]).toEqual([[], true]);
  });

  test.each([
    ['a file', 'ENOTDIR', () => join(folder, 'file')],
    ['below a file', 'ENOTDIR', () => join(folder, 'file', 'data')],
    ['where no folder can be made', 'ENOENT', () => '/proc/sluice/data'],
  ])('%s cannot be a data folder (%s)', async (_what, code, where) => {
    await writeFile(join(folder, 'file'), '');
    const path = where();
    await expect(startStack({ dataDir: path })).rejects.toMatchObject({
      code: 'stack-folder-unusable',
      message: `The data folder ${path} cannot be written (${code}): choose one that you may write with --data.`,
    });
  });
});
