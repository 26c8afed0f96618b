import { availableParallelism, totalmem } from 'node:os';
import { isBuiltByDaemon, type Nix, type NixLimits } from '@sluice/nix';
import { findLimitGroups, type LimitGroups } from '@sluice/sandbox';
import type { NixBuildSettings } from './worker-settings-nix.ts';

/** What keeps the limits of builds on this machine. */
export interface FoundNixLimits {
  /** Undefined where nothing does. */
  readonly limits: NixLimits | undefined;
  /** Why nothing does. */
  readonly missing?: string;
  /** The settings that demand limits; without limits no build runs then. */
  readonly demanded: readonly string[];
}

type LimitSettings = Pick<NixBuildSettings, 'nixMemoryMiB' | 'nixCpus' | 'nixProcesses'> & {
  readonly buildsAtOnce: number;
};

const MIB = 1024 * 1024;
/** Of the machine's memory for all builds together; the worker and what runs beside it need some. */
const MEMORY_SHARE = 0.75;
const LEAST_MEMORY_MIB = 256;
const PROCESSES = 4096;

/**
 * The limits of a build: those that settings name, and of the rest a share of the machine, so that all builds that may run at a time leave something of it.
 * They are kept by cgroups over Nix and all that it starts.
 * @param find what this machine has; cgroups are looked for when absent
 */
export async function findNixLimits(
  settings: LimitSettings,
  nix: Pick<Nix, 'store'>,
  find: () => Promise<LimitGroups> = findLimitGroups,
): Promise<FoundNixLimits> {
  const demanded = Object.entries({
    SLUICE_NIX_MEMORY_MIB: settings.nixMemoryMiB,
    SLUICE_NIX_CPUS: settings.nixCpus,
    SLUICE_NIX_PROCESSES: settings.nixProcesses,
  }).flatMap(([variable, value]) => (value === null ? [] : [variable]));
  if (await isBuiltByDaemon(nix)) return { limits: undefined, missing: DAEMON, demanded };
  const groups = await find();
  if (groups.mechanism === null) {
    const missing = groups.missing.map(({ message, how }) => `${message} ${how}`).join(' ');
    return { limits: undefined, missing, demanded };
  }
  const memoryMiB = settings.nixMemoryMiB ?? shareOfMemory(settings.buildsAtOnce);
  const kept = {
    memoryBytes: memoryMiB * MIB,
    cpus: settings.nixCpus ?? Math.max(1, availableParallelism() / settings.buildsAtOnce),
    processes: settings.nixProcesses ?? PROCESSES,
  };
  const { mechanism, createGroup } = groups;
  return {
    limits: { ...kept, mechanism, createGroup: () => createGroup(kept) },
    demanded,
  };
}

const DAEMON =
  "Builders are started by this machine's Nix daemon, which no limit of the worker's holds for. Bound the daemon's service (MemoryMax=, CPUQuota=, TasksMax=), or give the worker a store of its own: SLUICE_NIX_STORE.";

function shareOfMemory(buildsAtOnce: number): number {
  // Of a container the kernel knows less than of its machine.
  const constrained = process.constrainedMemory();
  const total = constrained > 0 ? Math.min(constrained, totalmem()) : totalmem();
  const share = (total * MEMORY_SHARE) / buildsAtOnce / MIB;
  return Math.max(LEAST_MEMORY_MIB, Math.floor(share));
}
