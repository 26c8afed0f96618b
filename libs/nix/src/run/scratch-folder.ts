import { chmod, lstat, mkdir, mkdtemp, readdir, realpath, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { endForsaken } from './process-family.ts';

const PREFIX = 'nix-';
/** Of runs, of roots and archives on their way, and of trials. */
const OURS = /^(?:nix|root|closure|store|seen)-/;
/** No run takes as long; what is older was left by a worker that was killed. Milliseconds. */
const STALE_MS = 25 * 60 * 60 * 1000;

/** Makes the folder of one run of Nix, with what Nix keeps besides its store; removes those that nobody came back for, and what stands still in them. */
export async function makeScratch(parent: string): Promise<string> {
  await mkdir(parent, { recursive: true, mode: 0o700 });
  const folder = await realpath(parent);
  for (const name of await readdir(folder)) {
    if (OURS.test(name)) await removeStale(join(folder, name)).catch(() => undefined);
  }
  await endForsaken(folder);
  const scratch = await mkdtemp(join(folder, PREFIX));
  for (const name of ['home', 'tmp', 'conf']) await mkdir(join(scratch, name));
  return scratch;
}

async function removeStale(scratch: string): Promise<void> {
  const found = await lstat(scratch);
  if (found.isDirectory() && Date.now() - found.mtimeMs > STALE_MS) await removeScratch(scratch);
}

/** Removes it, whatever a builder left in it. */
export async function removeScratch(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true });
  } catch {
    // A builder may leave folders that even their owner must not write to.
    await makeWritable(path).catch(() => undefined);
    await rm(path, { recursive: true, force: true }).catch(() => undefined);
  }
}

async function makeWritable(path: string): Promise<void> {
  await chmod(path, 0o700);
  for (const entry of await readdir(path, { withFileTypes: true })) {
    if (entry.isDirectory()) await makeWritable(join(path, entry.name));
  }
}
