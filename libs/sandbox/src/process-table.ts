import { readdir, readFile } from 'node:fs/promises';

/** Start of a process in ticks since boot; with its id it names the process for good. Undefined: it is gone. */
export async function findStartTime(pid: number): Promise<string | undefined> {
  const fields = await readStat(pid);
  return fields?.[19];
}

/** Resident memory of a process and of all that descend from it, in bytes; shared pages count for each. */
export async function sumResidentMemory(root: number): Promise<number> {
  const parents = new Map<number, { readonly parent: number; readonly pages: number }>();
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const fields = await readStat(Number(name));
    if (fields === undefined) continue;
    parents.set(Number(name), { parent: Number(fields[1]), pages: Number(fields[21]) });
  }
  let pages = 0;
  for (const [pid, own] of parents) {
    let at = pid;
    // Ids may be taken again while they are read: a ring must not hold us.
    for (let steps = 0; at > 1 && at !== root && steps < 10_000; steps += 1) {
      at = parents.get(at)?.parent ?? 0;
    }
    if (at === root) pages += own.pages;
  }
  return pages * PAGE_BYTES;
}

const PAGE_BYTES = 4096;

/** Fields of proc(5) `stat` from the third, the state, on. */
async function readStat(pid: number): Promise<string[] | undefined> {
  try {
    const text = await readFile(`/proc/${pid}/stat`, 'latin1');
    // The name, in parentheses, may hold anything.
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    return undefined;
  }
}
