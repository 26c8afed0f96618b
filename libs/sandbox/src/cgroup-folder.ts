import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { findStartTime } from './process-table.ts';

/** Our groups lie in a group of this name. */
export const GROUP_FOLDER = 'sluice-sandbox';
const REMOVE_ATTEMPTS = 100;
const REMOVE_PAUSE_MS = 50;

/** A name that says whose group it is: `<pid>-<start of the process>-<random>`. */
export async function createGroupName(): Promise<string> {
  const start = await findStartTime(process.pid);
  return `${process.pid}-${start ?? 0}-${randomBytes(6).toString('hex')}`;
}

/**
 * Removes groups whose maker is gone. Only empty ones go, which all of them are: processes in a sandbox end with the one that
 * started it. A group with processes belongs to a maker that cannot be seen from here, in another PID namespace.
 */
export async function removeStaleGroups(folder: string): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    const owner = /^(\d+)-(\d+)-[0-9a-f]{12}$/.exec(name);
    if (owner === null || (await findStartTime(Number(owner[1]))) === owner[2]) continue;
    await rmdir(join(folder, name)).catch(() => undefined);
  }
}

/** Makes a group in a folder, and the folder when it is not there. */
export async function makeGroup(folder: string, name: string): Promise<string> {
  await mkdir(folder, { recursive: true });
  const group = join(folder, name);
  await mkdir(group);
  return group;
}

/** Removes a group; the kernel keeps it for a moment after its last process. */
export async function removeGroup(group: string): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await rmdir(group);
      return;
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (code === 'ENOENT') return;
      if (code !== 'EBUSY' || attempt === REMOVE_ATTEMPTS) throw error;
    }
    await delay(REMOVE_PAUSE_MS);
  }
}

/** Writes a file of a group. The flags matter: these files can be neither made nor cut. */
export async function writeGroupFile(file: string, value: number | string): Promise<void> {
  await writeFile(file, String(value), { flag: 'r+' });
}

/** A number in a group's file; null when there is none. */
export async function findNumber(file: string): Promise<number | null> {
  const text = await findText(file);
  return text !== undefined && /^\d+\s*$/.test(text) ? Number(text) : null;
}

/** The number after a word, such as 3 of `oom_kill 3`; null when it is not there. */
export async function findCount(file: string, word: string): Promise<number | null> {
  const found = new RegExp(`^${word} (\\d+)$`, 'm').exec((await findText(file)) ?? '');
  return found === null ? null : Number(found[1]);
}

/** A small file's text; undefined when it cannot be read. */
export async function findText(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'latin1');
  } catch {
    return undefined;
  }
}

/** True when this machine swaps, and limits must say something about it. */
export async function hasSwap(): Promise<boolean> {
  return (((await findText('/proc/swaps')) ?? '').trim().split('\n').length ?? 0) > 1;
}
