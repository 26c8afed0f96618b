import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);
const TIMEOUT_MS = 10_000;
const MOST_OUTPUT = 4 * 1024 * 1024;

/** Ids of a process's direct children, as `ps` shows them on every system. */
export async function listChildren(parent: number): Promise<readonly number[]> {
  const { stdout } = await run('ps', ['-A', '-o', 'pid=,ppid='], {
    timeout: TIMEOUT_MS,
    maxBuffer: MOST_OUTPUT,
  });
  return stdout.split('\n').flatMap((line) => {
    const [pid, ppid] = line.trim().split(/\s+/).map(Number);
    return ppid === parent && pid !== undefined ? [pid] : [];
  });
}
