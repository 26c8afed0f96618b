import { access, mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
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

const CONTROLLERS = ['memory', 'pids', 'cpu'] as const;
const PERIOD_MICROSECONDS = 100_000;
const LEAST_QUOTA_MICROSECONDS = 1000;

/** Looks whether version 2 can keep limits here, by making a group. */
export async function findCgroupV2(root: string): Promise<CreateLimitGroup | SandboxGap> {
  const present = await findText(join(root, 'cgroup.controllers'));
  if (present === undefined) {
    return {
      code: 'cgroup-missing',
      message: `${root} is no cgroup version 2 folder.`,
      how: `Mount it: mount -t cgroup2 none ${root}`,
      stops: false,
    };
  }
  const absent = CONTROLLERS.find((controller) => !present.trim().split(' ').includes(controller));
  if (absent !== undefined) {
    return {
      code: 'cgroup-controller-missing',
      message: `${root} has no cgroup version 2 controller "${absent}".`,
      how: 'Have it handed down: Delegate=yes in the service, or +memory +pids +cpu in cgroup.subtree_control above.',
      stops: false,
    };
  }
  try {
    const parent = await findParent(root);
    const folder = join(parent, GROUP_FOLDER);
    await handDown(parent);
    await mkdir(folder, { recursive: true });
    await handDown(folder);
    await removeStaleGroups(folder);
    const create: CreateLimitGroup = (limits) => createGroup(folder, limits);
    const group = await create(TRIAL);
    await group.remove();
    return create;
  } catch (error) {
    return {
      code: 'cgroup-not-writable',
      message: `cgroups version 2 in ${root} cannot be used: ${(error as Error).message}`,
      how: 'Run as root, or as a service with Delegate=yes and DelegateSubgroup=main.',
      stops: false,
    };
  }
}

const TRIAL: GroupLimits = { memoryBytes: 1 << 26, processes: 8, cpus: 1 };

async function createGroup(folder: string, limits: GroupLimits): Promise<LimitGroup> {
  const group = await makeGroup(folder, await createGroupName());
  try {
    await writeGroupFile(join(group, 'memory.max'), limits.memoryBytes);
    await forbidSwap(join(group, 'memory.swap.max'));
    // One more for the process that reaps the script's.
    await writeGroupFile(join(group, 'pids.max'), limits.processes + 1);
    if (limits.cpus !== undefined) {
      const quota = Math.round(limits.cpus * PERIOD_MICROSECONDS);
      const least = Math.max(quota, LEAST_QUOTA_MICROSECONDS);
      await writeGroupFile(join(group, 'cpu.max'), `${least} ${PERIOD_MICROSECONDS}`);
    }
  } catch (error) {
    await removeGroup(group).catch(() => undefined);
    throw error;
  }
  return {
    add: (pid) => writeGroupFile(join(group, 'cgroup.procs'), pid),
    count: () => count(group),
    remove: () => removeGroup(group),
  };
}

async function count(group: string): Promise<GroupCounts> {
  const microseconds = await findCount(join(group, 'cpu.stat'), 'usage_usec');
  return {
    cpuSeconds: microseconds === null ? null : microseconds / 1e6,
    memoryBytes: await findNumber(join(group, 'memory.current')),
    peakMemoryBytes: await findNumber(join(group, 'memory.peak')),
    memoryRefusals: (await findCount(join(group, 'memory.events'), 'oom_kill')) ?? 0,
    processRefusals: (await findCount(join(group, 'pids.events'), 'max')) ?? 0,
  };
}

async function forbidSwap(file: string): Promise<void> {
  try {
    await writeGroupFile(file, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    if (await hasSwap()) {
      throw new Error('this machine swaps, and memory.swap.max is missing', { cause: error });
    }
  }
}

/**
 * The group beside which ours lies. A group with processes cannot hand controllers down, the root apart: so it is the one above
 * this process's own.
 */
async function findParent(root: string): Promise<string> {
  const own = /^0::(.*)$/m.exec((await findText('/proc/self/cgroup')) ?? '')?.[1] ?? '/';
  const parent = join(root, own === '/' ? '/' : dirname(own));
  const seen = await access(join(parent, 'cgroup.procs')).catch(() => 'missing');
  return seen === 'missing' ? root : parent;
}

async function handDown(folder: string): Promise<void> {
  const file = join(folder, 'cgroup.subtree_control');
  const handed = ((await findText(file)) ?? '').trim().split(' ');
  const wanted = CONTROLLERS.filter((controller) => !handed.includes(controller));
  if (wanted.length === 0) return;
  await writeGroupFile(file, wanted.map((controller) => `+${controller}`).join(' '));
}
