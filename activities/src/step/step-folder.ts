import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** No step of these runs as long; what is older was left by a worker that died. */
const STALE_MS = 25 * 60 * 60 * 1000;

/**
 * A folder of this machine for what a step works on; removes those of its kind that nobody came back for.
 * @param kind stands in its name: `script`
 * @param parent the folder for temporary files when absent
 */
export async function makeStepFolder(kind: string, parent = tmpdir()): Promise<string> {
  const prefix = `sluice-${kind}-`;
  for (const name of await readdir(parent)) {
    if (name.startsWith(prefix)) await removeStale(join(parent, name)).catch(() => undefined);
  }
  return mkdtemp(join(parent, `${prefix}${process.pid}-`));
}

async function removeStale(folder: string): Promise<void> {
  const { mtimeMs } = await stat(folder);
  if (Date.now() - mtimeMs > STALE_MS) await rm(folder, { recursive: true, force: true });
}
