import { chmod, type FileHandle, lutimes, mkdir, open, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { NixError, printable } from '../nix-error.ts';
import type { NarEvent } from './read-nar.ts';

/** Modification time of everything in a Nix store, in seconds. */
const STORE_TIME = 1;

/**
 * Writes a NAR's tree to a path where nothing is yet, as Nix does: read-only, times at one second after
 * the epoch. Everything is made anew and nothing is opened that was there before, so neither a link nor
 * a file system that folds case can lead a byte elsewhere. Files are on the disk when it returns.
 * What is left after an error is the caller's to remove.
 * @param path below a folder that nobody else writes to
 * @throws NixError `nar-name-collides` when something is there, or two names are one to the file system
 */
export async function restoreNar(events: AsyncIterable<NarEvent>, path: string): Promise<void> {
  let file: FileHandle | undefined;
  let executable = false;
  try {
    for await (const event of events) {
      switch (event.type) {
        case 'directory':
          await create(event.names, () => mkdir(at(path, event.names), { mode: 0o755 }));
          break;
        case 'directory-end':
          await settle(at(path, event.names), 0o555);
          break;
        case 'symlink':
          await create(event.names, () => symlink(event.target, at(path, event.names)));
          await lutimes(at(path, event.names), STORE_TIME, STORE_TIME);
          break;
        case 'file':
          executable = event.executable;
          file = await create(event.names, () => open(at(path, event.names), 'wx', 0o600));
          break;
        case 'content':
          await file?.writeFile(event.bytes);
          break;
        case 'file-end':
          await file?.sync();
          await file?.close();
          file = undefined;
          await settle(at(path, event.names), executable ? 0o555 : 0o444);
          break;
      }
    }
  } finally {
    await file?.close();
  }
}

function at(path: string, names: readonly string[]): string {
  return names.length === 0 ? path : join(path, ...names);
}

async function settle(path: string, mode: number): Promise<void> {
  await chmod(path, mode);
  await lutimes(path, STORE_TIME, STORE_TIME);
}

async function create<T>(names: readonly string[], action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw cause;
    const place = printable(names.join('/'));
    throw new NixError(
      'nar-name-collides',
      `"/${place}" of the NAR is there already: this file system takes two of its names for one, or something lies in the way.`,
      { path: place },
      { cause },
    );
  }
}
