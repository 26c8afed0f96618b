import { readdir, readFile, readlink } from 'node:fs/promises';

interface ProcessEntry {
  readonly pid: number;
  readonly parent: number;
  readonly group: number;
  /** One letter of proc(5): `T` is stopped. */
  readonly state: string;
  /** Clock ticks since boot; with the pid it names one process. */
  readonly startTime: number;
}

/**
 * A process group and all that came of it. Nix puts each builder into a session of its own, so the group
 * alone is not everything: descendants are remembered when they are seen, and what was reparented is
 * found by the scratch folder that it works in or has in its environment. Without `/proc` only the group is known.
 */
export class ProcessFamily {
  readonly #leader: number;
  readonly #scratch: string;
  /** Start time by pid. */
  readonly #seen = new Map<number, number>();
  /** Nothing that began before its leader is of the family. */
  #since = 0;

  /** @param scratch folder that nothing else works in */
  constructor(leader: number, scratch: string) {
    this.#leader = leader;
    this.#scratch = scratch;
  }

  /** To be called when the leader has just been started. */
  async begin(): Promise<void> {
    this.#since = (await readEntry(this.#leader))?.startTime ?? 0;
  }

  /** Process ids that run now, zombies left out. */
  async listRunning(): Promise<readonly number[]> {
    const table = (await readTable()).filter(({ startTime }) => startTime >= this.#since);
    const running: number[] = [];
    let grew = true;
    const members = new Map<number, ProcessEntry>();
    while (grew) {
      grew = false;
      for (const entry of table) {
        if (!members.has(entry.pid) && this.#belongs(entry, members)) {
          members.set(entry.pid, entry);
          grew = true;
        }
      }
    }
    for (const entry of table) {
      if (!members.has(entry.pid) && (await this.#worksInScratch(entry.pid))) {
        members.set(entry.pid, entry);
      }
    }
    for (const { pid, startTime } of members.values()) {
      this.#seen.set(pid, startTime);
      running.push(pid);
    }
    return running;
  }

  /**
   * Signals everything that {@link listRunning} finds. It is all stopped first, until nothing new is
   * found: otherwise what is just being started would be missed once its parent has ended.
   */
  async signal(signal: NodeJS.Signals): Promise<void> {
    sendSignal(-this.#leader, 'SIGSTOP');
    const stopped = new Set<number>();
    for (let grew = true; grew; ) {
      grew = false;
      for (const pid of await this.listRunning()) {
        if (stopped.has(pid)) continue;
        sendSignal(pid, 'SIGSTOP');
        stopped.add(pid);
        grew = true;
      }
    }
    for (const pid of stopped) sendSignal(pid, signal);
    for (const pid of stopped) sendSignal(pid, 'SIGCONT');
  }

  #belongs(entry: ProcessEntry, members: ReadonlyMap<number, ProcessEntry>): boolean {
    return (
      entry.group === this.#leader ||
      members.has(entry.parent) ||
      this.#seen.get(entry.pid) === entry.startTime
    );
  }

  async #worksInScratch(pid: number): Promise<boolean> {
    const inside = `${this.#scratch}/`;
    const cwd = await readlink(`/proc/${pid}/cwd`).catch(() => '');
    if (`${cwd}/`.startsWith(inside)) return true;
    return hasEnvironment(pid, [`NIX_BUILD_TOP=${inside}`]);
  }
}

/**
 * Ends what a starter that was killed has left stopped: it would hold the store's locks for ever. That happens when the starter dies between
 * the two halves of {@link ProcessFamily.signal}; what such a starter left running comes to its own end.
 * @param parent folder of the scratch folders
 */
export async function endForsaken(parent: string): Promise<void> {
  // Children of the first process of a container look like orphans, and are its own.
  if (process.pid === 1) return;
  const ours = ['TMPDIR', 'NIX_BUILD_TOP'].map((name) => `${name}=${parent}/nix-`);
  for (let round = 0; round < FORSAKEN_ROUNDS; round += 1) {
    let ended = 0;
    for (const { pid, parent: parentPid, state } of await readTable()) {
      if (state !== 'T' || parentPid !== 1 || !(await hasEnvironment(pid, ours))) continue;
      sendSignal(pid, 'SIGKILL');
      ended += 1;
    }
    if (ended === 0) return;
    // What it had started is an orphan only when it is gone.
    await new Promise((resolve) => setTimeout(resolve, FORSAKEN_MS));
  }
}

/** Milliseconds until one that was killed is gone. */
const FORSAKEN_MS = 50;
const FORSAKEN_ROUNDS = 20;

/** Whether a variable of its environment begins so; nothing of it can be read where it is somebody else's. */
async function hasEnvironment(pid: number, beginnings: readonly string[]): Promise<boolean> {
  const environment = await readFile(`/proc/${pid}/environ`, 'latin1').catch(() => '');
  return environment.split('\0').some((line) => beginnings.some((begin) => line.startsWith(begin)));
}

function sendSignal(pid: number, signal: NodeJS.Signals): void {
  // 0 and -1 would mean ourselves and everybody.
  if (Math.abs(pid) <= 1) return;
  try {
    process.kill(pid, signal);
  } catch {
    // It is gone meanwhile, or belongs to somebody else: then it stays listed as running.
  }
}

async function readTable(): Promise<readonly ProcessEntry[]> {
  const names = await readdir('/proc').catch(() => []);
  const entries = await Promise.all(
    names.filter((name) => /^[0-9]+$/.test(name)).map((name) => readEntry(Number(name))),
  );
  return entries.filter((entry) => entry !== undefined);
}

async function readEntry(pid: number): Promise<ProcessEntry | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => '');
  // The second field is the name in parentheses and may hold anything, parentheses too.
  const [state, parent, group, ...rest] = text.slice(text.lastIndexOf(')') + 2).split(' ');
  if (state === undefined || state === '' || state === 'Z' || state === 'X') return undefined;
  return { pid, parent: Number(parent), group: Number(group), state, startTime: Number(rest[16]) };
}
