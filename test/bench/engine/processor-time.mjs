/** Processor time of the processes of a stack: says the same beside other work, where seconds do not. */
import { readdir, readFile } from 'node:fs/promises';

/** Of Linux: clock ticks a second, as the kernel tells them to programs. */
const TICKS = 100;

/**
 * Milliseconds of processor time by process so far, each with its children; undefined where there is no /proc.
 * @param {Readonly<Record<string, number>>} pids
 */
export async function readProcessorTimes(pids) {
  const processes = await readProcesses().catch(() => undefined);
  if (processes === undefined) return undefined;
  const timeOf = (pid) => {
    let ticks = processes.get(pid)?.ticks ?? 0;
    for (const [child, { parent }] of processes) if (parent === pid) ticks += timeOf(child);
    return ticks;
  };
  return Object.fromEntries(
    Object.entries(pids).map(([name, pid]) => [name, (timeOf(pid) * 1000) / TICKS]),
  );
}

async function readProcesses() {
  const found = new Map();
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    // It may have ended meanwhile.
    const stat = await readFile(`/proc/${name}/stat`, 'utf8').catch(() => '');
    // The name of the program stands in brackets, and may hold anything.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (fields.length < 15) continue;
    found.set(Number(name), {
      parent: Number(fields[1]),
      ticks: Number(fields[11]) + Number(fields[12]),
    });
  }
  return found;
}

/** What was used between two readings, by process and in all. */
export function processorTimeBetween(before, after) {
  if (before === undefined || after === undefined) return undefined;
  const parts = Object.fromEntries(
    Object.entries(after).map(([name, ms]) => [name, ms - (before[name] ?? 0)]),
  );
  return { parts, all: Object.values(parts).reduce((sum, ms) => sum + ms, 0) };
}
