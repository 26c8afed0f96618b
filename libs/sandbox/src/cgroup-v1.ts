import { access } from 'node:fs/promises';
import { join } from 'node:path';
import {
  createGroupName,
  findCount,
  findNumber,
  findText,
  GROUP_FOLDER,
  hasSwap,
  makeGroup,
  removeGroup,
  removeStaleGroups,
  writeGroupFile,
} from './cgroup-folder.ts';
import type { CreateLimitGroup, GroupCounts, GroupLimits, LimitGroup } from './limit-group.ts';
import type { SandboxGap } from './sandbox-probe.ts';

/** Each may be mounted on its own, or with others under one folder that has links by name. */
const CONTROLLERS = ['memory', 'pids', 'cpu', 'cpuacct'] as const;
type Controller = (typeof CONTROLLERS)[number];
const PERIOD_MICROSECONDS = 100_000;
const LEAST_QUOTA_MICROSECONDS = 1000;

/** Looks whether version 1 can keep limits here, by making a group. */
export async function findCgroupV1(root: string): Promise<CreateLimitGroup | SandboxGap> {
  for (const controller of CONTROLLERS) {
    const found = await access(join(root, controller, 'cgroup.procs')).catch(() => 'missing');
    if (found === 'missing') {
      return {
        code: 'cgroup-controller-missing',
        message: `${root} has no cgroup version 1 controller "${controller}".`,
        how: `Mount it: mount -t cgroup -o ${controller} cgroup ${join(root, controller)}`,
        stops: false,
      };
    }
  }
  const own = await findOwnGroups();
  const folders = new Map<Controller, string>();
  for (const controller of CONTROLLERS) {
    folders.set(controller, await locate(root, controller, own.get(controller) ?? '/'));
  }
  const create: CreateLimitGroup = (limits) => createGroup(folders, limits);
  try {
    for (const folder of folders.values()) await removeStaleGroups(folder);
    const group = await create(TRIAL);
    await group.remove();
    return create;
  } catch (error) {
    const message = (error as Error).message;
    return message === SWAP
      ? {
          code: 'swap-unbounded',
          message: 'This machine swaps, and the memory controller does not count swap.',
          how: 'Boot with swapaccount=1, or turn swap off.',
          stops: false,
        }
      : {
          code: 'cgroup-not-writable',
          message: `cgroups version 1 in ${root} cannot be used: ${message}`,
          how: 'Run as root, or have the folders of your own group in memory, pids, cpu and cpuacct handed to this user.',
          stops: false,
        };
  }
}

const SWAP = 'swap is not counted';
const TRIAL: GroupLimits = { memoryBytes: 1 << 26, processes: 8, cpus: 1 };

async function createGroup(
  folders: ReadonlyMap<Controller, string>,
  limits: GroupLimits,
): Promise<LimitGroup> {
  const name = await createGroupName();
  // Controllers that are mounted together share a folder.
  const groups = new Set([...folders.values()].map((folder) => join(folder, name)));
  const at = (controller: Controller, file: string): string =>
    join(folders.get(controller) ?? '', name, file);
  const remove = async (): Promise<void> => {
    for (const group of groups) await removeGroup(group);
  };
  try {
    for (const folder of new Set(folders.values())) await makeGroup(folder, name);
    await writeGroupFile(at('memory', 'memory.limit_in_bytes'), limits.memoryBytes);
    await boundSwap(at('memory', 'memory.memsw.limit_in_bytes'), limits.memoryBytes);
    // One more for the process that reaps the script's.
    await writeGroupFile(at('pids', 'pids.max'), limits.processes + 1);
    if (limits.cpus !== undefined) {
      const quota = Math.round(limits.cpus * PERIOD_MICROSECONDS);
      await writeGroupFile(at('cpu', 'cpu.cfs_period_us'), PERIOD_MICROSECONDS);
      await writeGroupFile(
        at('cpu', 'cpu.cfs_quota_us'),
        Math.max(quota, LEAST_QUOTA_MICROSECONDS),
      );
    }
  } catch (error) {
    await remove().catch(() => undefined);
    throw error;
  }
  return {
    add: async (pid) => {
      for (const group of groups) await writeGroupFile(join(group, 'cgroup.procs'), pid);
    },
    count: () => count(at),
    remove,
  };
}

async function count(at: (controller: Controller, file: string) => string): Promise<GroupCounts> {
  const nanoseconds = await findNumber(at('cpuacct', 'cpuacct.usage'));
  return {
    cpuSeconds: nanoseconds === null ? null : nanoseconds / 1e9,
    memoryBytes: await findNumber(at('memory', 'memory.usage_in_bytes')),
    peakMemoryBytes: await findNumber(at('memory', 'memory.max_usage_in_bytes')),
    memoryRefusals: (await findCount(at('memory', 'memory.oom_control'), 'oom_kill')) ?? 0,
    processRefusals: (await findCount(at('pids', 'pids.events'), 'max')) ?? 0,
  };
}

async function boundSwap(file: string, bytes: number): Promise<void> {
  try {
    await writeGroupFile(file, bytes);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    if (await hasSwap()) throw new Error(SWAP, { cause: error });
  }
}

/** Group of this process by controller, so that limits of the service hold for its scripts too. */
async function findOwnGroups(): Promise<Map<string, string>> {
  const groups = new Map<string, string>();
  for (const line of ((await findText('/proc/self/cgroup')) ?? '').split('\n')) {
    const [, controllers = '', path = ''] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    for (const controller of controllers.split(',')) groups.set(controller, path);
  }
  return groups;
}

/** In a container the path may be the host's, and not to be seen. */
async function locate(root: string, controller: Controller, own: string): Promise<string> {
  const folder = join(root, controller, own);
  const seen = await access(join(folder, 'cgroup.procs')).catch(() => 'missing');
  return join(seen === 'missing' ? join(root, controller) : folder, GROUP_FOLDER);
}
