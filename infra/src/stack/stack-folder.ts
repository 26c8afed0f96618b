import type { Stats } from 'node:fs';
import { lstat, mkdir, readdir, readFile, realpath, rm, stat, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CONFIGURATION_HEADER } from './stack-configuration.ts';
import { StackError } from './stack-error.ts';
import type { StackLayout } from './stack-layout.ts';

const CHECKOUT = fileURLToPath(new URL('../../../', import.meta.url));

const MARK_TEXT =
  'The data of a Sluice stack. While this file is here, --reset may delete everything in this folder.\n';

/**
 * Makes the data folder when it is not there, and marks it as ours.
 *
 * @throws StackError `stack-folder-unusable` when it cannot be written, `stack-folder-foreign` when
 *   it holds something that no stack wrote; nothing is changed then.
 */
export async function openStackFolder(layout: StackLayout): Promise<void> {
  await orUnusable(layout.dataDir, async () => {
    await makeFolder(layout.dataDir);
    if (!(await isOurs(layout))) {
      throw new StackError(
        'stack-folder-foreign',
        `${layout.dataDir} is not a Sluice data folder and not empty; nothing was written there; name another with --data.`,
      );
    }
    await writeFile(layout.mark, MARK_TEXT);
  });
}

/**
 * Tells whether there is a data folder that may be deleted; false when there is nothing.
 *
 * @param precious - folders that must not be deleted, nor any that holds them.
 * @throws StackError `stack-folder-foreign` when it is not empty and no stack wrote it, or when the
 *   checkout, the home folder or the whole disk would go with it.
 */
export async function assertStackFolder(
  layout: StackLayout,
  precious: readonly string[] = ['/', homedir(), CHECKOUT],
): Promise<boolean> {
  return orUnusable(layout.dataDir, async () => {
    if ((await findStat(layout.dataDir)) === undefined) {
      return false;
    }
    if ((await isAnyWithin(layout.dataDir, precious)) || !(await isOurs(layout))) {
      throw new StackError(
        'stack-folder-foreign',
        `${layout.dataDir} is not a Sluice data folder; nothing was deleted; name another with --data.`,
      );
    }
    return true;
  });
}

/** Deletes a data folder that {@link assertStackFolder} allows; of a link, what it points to. */
export async function deleteStackFolder(layout: StackLayout): Promise<void> {
  await orUnusable(layout.dataDir, async () => {
    // The mark goes last: a deletion that was cut short can be repeated.
    await writeFile(layout.mark, MARK_TEXT);
    for (const name of await readdir(layout.dataDir)) {
      if (join(layout.dataDir, name) !== layout.mark) {
        await rm(join(layout.dataDir, name), { recursive: true, force: true });
      }
    }
    await rm(layout.mark, { force: true });
    if (!(await lstat(layout.dataDir)).isSymbolicLink()) {
      await rm(layout.dataDir, { recursive: true, force: true });
    }
  });
}

/** Step by step, for Node's recursive mkdir never ends where no folder can be made (/proc). */
async function makeFolder(folder: string): Promise<void> {
  if ((await findStat(folder)) !== undefined) {
    return;
  }
  await makeFolder(dirname(folder));
  await mkdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') {
      throw error;
    }
  });
}

async function isOurs(layout: StackLayout): Promise<boolean> {
  const names = await readdir(layout.dataDir);
  return (
    names.length === 0 ||
    (await findText(layout.mark)) !== undefined ||
    isRunRecord(await findText(layout.runRecord)) ||
    (await findText(layout.configFile))?.startsWith(CONFIGURATION_HEADER) === true
  );
}

/** Folders of a Sluice that did not mark them have at least this. */
function isRunRecord(text: string | undefined): boolean {
  try {
    const record = JSON.parse(text ?? '') as Record<string, unknown>;
    return 'processes' in record || Object.keys(record).length === 0;
  } catch {
    return false;
  }
}

async function isAnyWithin(folder: string, precious: readonly string[]): Promise<boolean> {
  const real = await realpath(folder);
  for (const path of precious) {
    const inside = relative(real, await realpath(path).catch(() => resolve(path)));
    if (inside !== '..' && !inside.startsWith(`..${sep}`) && !isAbsolute(inside)) {
      return true;
    }
  }
  return false;
}

async function findStat(path: string): Promise<Stats | undefined> {
  return stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') {
      return undefined;
    }
    throw error;
  });
}

async function findText(file: string): Promise<string | undefined> {
  return readFile(file, 'utf8').catch(() => undefined);
}

async function orUnusable<Result>(folder: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof StackError) {
      throw error;
    }
    const { code } = error as NodeJS.ErrnoException;
    throw new StackError(
      'stack-folder-unusable',
      `The data folder ${folder} cannot be written (${code ?? String(error)}): choose one that you may write with --data.`,
    );
  }
}
