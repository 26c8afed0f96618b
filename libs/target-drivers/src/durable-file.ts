import { randomBytes } from 'node:crypto';
import { open, readdir, readFile, rename, rm, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** Writes a file so that after a crash the old content or the new is there, never a part; synced to disk. */
export async function writeWhole(
  path: string,
  content: string | Uint8Array,
  mode = 0o600,
): Promise<void> {
  const aside = asideOf(path);
  const file = await open(aside, 'wx', mode);
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(aside, path);
  await syncFolder(dirname(path));
}

/** Lets a symlink point elsewhere in one step: readers see the old target or the new. */
export async function switchLink(path: string, target: string): Promise<void> {
  const aside = asideOf(path);
  await symlink(target, aside);
  await rename(aside, path);
  await syncFolder(dirname(path));
}

/** Removes a file or link and syncs its folder; one that is not there is fine. */
export async function removeWhole(path: string): Promise<void> {
  await rm(path, { force: true });
  await syncFolder(dirname(path));
}

/** Removes a folder so that after a crash it is there whole or not at all. */
export async function removeWholeFolder(parent: string, name: string): Promise<void> {
  const aside = asideOf(join(parent, name));
  try {
    await rename(join(parent, name), aside);
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ENOENT') return;
    throw error;
  }
  await syncFolder(parent);
  await rm(aside, { recursive: true, force: true });
}

/** Removes what a crash left of the writes and removals above. */
export async function removeLeftovers(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (!name.startsWith('.') || !name.endsWith('.tmp')) continue;
    await rm(join(folder, name), { recursive: true, force: true });
  }
}

/** Makes renames and removals in a folder survive a loss of power. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** A JSON file of ours; undefined when it is not there. */
export async function findJson<T>(path: string): Promise<T | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as T;
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Starts with a dot and ends in `.tmp`, so that what a crash left over is found and removed. */
function asideOf(path: string): string {
  const name = path.slice(path.lastIndexOf('/') + 1);
  return `${dirname(path)}/.${name}.${process.pid}-${randomBytes(4).toString('hex')}.tmp`;
}
