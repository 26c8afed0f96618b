import { readdir, readFile } from 'node:fs/promises';

/** One line of the process table; see proc_pid_stat(5). */
export interface ProcessEntry {
  readonly pid: number;
  /** `Z` and `X` are dead already. */
  readonly state: string;
  readonly group: number;
  /** Clock ticks since boot; with the pid and the boot it names one process for ever. */
  readonly startTime: number;
}

/** The entry of a process; undefined when there is none (any more). */
export async function findProcess(pid: number): Promise<ProcessEntry | undefined> {
  try {
    const text = await readFile(`/proc/${pid}/stat`, 'latin1');
    // The second field is the name in parentheses and may hold anything, parentheses too.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    const [state, , group] = fields;
    const startTime = Number(fields[19]);
    if (state === undefined || !Number.isSafeInteger(startTime)) return undefined;
    return { pid, state, group: Number(group), startTime };
  } catch {
    // The process ended between two looks (ENOENT, ESRCH), or it is hidden from this user.
    return undefined;
  }
}

/** True for a process that runs (or is stopped), false for a zombie. */
export function isRunning(entry: ProcessEntry): boolean {
  return entry.state !== 'Z' && entry.state !== 'X';
}

/** Running members of a process group. */
export async function listGroup(group: number): Promise<readonly ProcessEntry[]> {
  const entries = await Promise.all((await listPids()).map(findProcess));
  return entries.flatMap((entry) => (entry?.group === group && isRunning(entry) ? [entry] : []));
}

/** The leader of a process group whose environment has this line; undefined when there is none. */
export async function findLeaderByEnvironment(line: string): Promise<ProcessEntry | undefined> {
  for (const pid of await listPids()) {
    const environment = await readFile(`/proc/${pid}/environ`, 'latin1').catch(() => '');
    if (!environment.split('\0').includes(line)) continue;
    const entry = await findProcess(pid);
    if (entry !== undefined && entry.group === pid && isRunning(entry)) return entry;
  }
  return undefined;
}

/** Names this boot of the machine: process ids and start times begin anew with each. */
export async function readBootId(): Promise<string> {
  return (await readFile('/proc/sys/kernel/random/boot_id', 'latin1')).trim();
}

async function listPids(): Promise<readonly number[]> {
  return (await readdir('/proc')).filter((name) => /^[0-9]+$/.test(name)).map(Number);
}
