import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const PREFIX = 'sluice-script-';
/** No script runs as long; what is older was left by a worker that died. */
const STALE_MS = 25 * 60 * 60 * 1000;

/** A folder of this machine for what goes into a sandbox and what is kept of it; removes those that nobody came back for. */
export async function makeScriptFolder(): Promise<string> {
  const parent = tmpdir();
  for (const name of await readdir(parent)) {
    if (name.startsWith(PREFIX)) await removeStale(join(parent, name)).catch(() => undefined);
  }
  return mkdtemp(join(parent, `${PREFIX}${process.pid}-`));
}

async function removeStale(folder: string): Promise<void> {
  const { mtimeMs } = await stat(folder);
  if (Date.now() - mtimeMs > STALE_MS) await rm(folder, { recursive: true, force: true });
}
