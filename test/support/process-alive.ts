import { readFileSync } from 'node:fs';

/** True when a process with this id runs; one that only waits to be collected counts as ended. */
export function isAlive(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.split(') ').at(-1)?.startsWith('Z') !== true;
  } catch {
    return false;
  }
}
