import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isAlive } from '../process-alive.ts';

/** Processes of this machine in whose environment a text stands, but those that only wait to be collected. */
export function listProcessesWith(text: string): readonly number[] {
  return listFolder('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => pid !== process.pid && readText(`/proc/${pid}/environ`).includes(text))
    .filter(isAlive);
}

/** True while a process runs whose command line has this text; its number may be another one's by now. */
export function runsWith(pid: number, text: string): boolean {
  return readText(`/proc/${pid}/cmdline`).includes(text) && isAlive(pid);
}

const GROUP_FOLDER = 'sluice-sandbox';
const MAX_DEPTH = 4;

/**
 * What is left of sandboxes whose maker is one of these processes: limit groups in which processes are, and all groups of a maker that
 * lives and has nothing to do. The empty groups of a maker that died go with the next script.
 * @param makers process id → whether it lives
 */
export function listSandboxRemains(makers: ReadonlyMap<number, boolean>): readonly string[] {
  return listGroupFolders('/sys/fs/cgroup', 0).flatMap((folder) =>
    listFolder(folder).flatMap((name) => {
      const maker = Number(/^(\d+)-\d+-[0-9a-f]+$/.exec(name)?.[1]);
      const lives = makers.get(maker);
      if (lives === undefined) return [];
      const inside = readText(join(folder, name, 'cgroup.procs'))
        .trim()
        .split('\n')
        .join(' ');
      if (inside === '' && !lives) return [];
      return [`limit group ${join(folder, name)} is left, with processes: ${inside || 'none'}`];
    }),
  );
}

function listGroupFolders(folder: string, depth: number): readonly string[] {
  if (depth > MAX_DEPTH) return [];
  return readdirEntries(folder).flatMap((name) =>
    name === GROUP_FOLDER ? [join(folder, name)] : listGroupFolders(join(folder, name), depth + 1),
  );
}

function readdirEntries(folder: string): readonly string[] {
  try {
    return readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name);
  } catch {
    return [];
  }
}

function listFolder(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'latin1');
  } catch {
    return '';
  }
}
