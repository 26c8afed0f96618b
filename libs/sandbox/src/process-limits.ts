import { findText } from './cgroup-folder.ts';
import type { LimitGroup } from './limit-group.ts';
import { sumResidentMemory } from './process-table.ts';
import type { LimitMechanism, SandboxLimits } from './sandbox-run.ts';

const OPEN_FILES = 1024;
const LOCKED_BYTES = 65_536;

/**
 * Arguments of prlimit(1), which sets in the sandbox what binds each process by itself. Under `prlimit` that is all there is, so
 * memory and processes are among them; the count of processes is that of the user within the sandbox's user namespace.
 */
export async function prlimitArguments(
  limits: SandboxLimits,
  mechanism: LimitMechanism,
): Promise<string[]> {
  const wanted: [option: string, resource: string, value: number][] = [
    ['core', 'core file size', 0],
    ['fsize', 'file size', limits.fileBytes ?? limits.diskBytes],
    ['nofile', 'open files', OPEN_FILES],
    ['memlock', 'locked memory', LOCKED_BYTES],
  ];
  if (limits.cpuSeconds !== undefined) {
    wanted.push(['cpu', 'cpu time', Math.ceil(limits.cpuSeconds)]);
  }
  if (mechanism === 'prlimit') {
    wanted.push(['as', 'address space', limits.memoryBytes]);
    // One more for the process that reaps the script's.
    wanted.push(['nproc', 'processes', limits.processes + 1]);
  }
  const hard = (await findText('/proc/self/limits')) ?? '';
  return wanted.map(([option, resource, value]) => {
    // What binds this process already cannot be raised, and asking for it would fail.
    const most = Number(
      new RegExp(`^Max ${resource} +\\S+ +(\\d+)`, 'm').exec(hard)?.[1] ?? Number.POSITIVE_INFINITY,
    );
    // SIGXCPU says why; at the hard limit it is SIGKILL, which could be anybody's.
    const spare = option === 'cpu' ? 1 : 0;
    return `--${option}=${Math.min(value, most)}:${Math.min(value + spare, most)}`;
  });
}

/** Watches the sum of memory where nothing but prlimit keeps limits: what one process may take, many could multiply. */
export function watchProcesses(): LimitGroup {
  let root: number | undefined;
  let peak = 0;
  return {
    add: async (pid) => {
      root = pid;
    },
    count: async () => {
      const memory = root === undefined ? 0 : await sumResidentMemory(root);
      peak = Math.max(peak, memory);
      return {
        cpuSeconds: null,
        memoryBytes: memory,
        peakMemoryBytes: peak,
        memoryRefusals: 0,
        processRefusals: 0,
      };
    },
    remove: async () => undefined,
  };
}
