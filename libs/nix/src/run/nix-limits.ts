import { NixError } from '../nix-error.ts';

/** What a group of processes counted. */
export interface NixLimitCounts {
  /** Times that memory ran out. */
  readonly memoryRefusals: number;
  /** Times that a process was refused. */
  readonly processRefusals: number;
}

/** Keeps limits over a process and all that comes of it. */
export interface NixLimitGroup {
  readonly add: (pid: number) => Promise<void>;
  readonly count: () => Promise<NixLimitCounts>;
  /** After the last process. */
  readonly remove: () => Promise<void>;
}

/** What an evaluation, or a build with all of its builders, may use; each of them by itself. */
export interface NixLimits {
  readonly memoryBytes: number;
  /** Processors at a time, such as 1.5. */
  readonly cpus: number;
  readonly processes: number;
  /** What keeps them, for people: `cgroup-v2`. */
  readonly mechanism: string;
  /** Makes a group with these limits; throws where one cannot be set. */
  readonly createGroup: () => Promise<NixLimitGroup>;
}

/** A shell that becomes the program of its arguments when it is told so: until then nothing has run that limits must hold for. */
export const GATE = [
  'read -r word <&3 || exit 125',
  '[ "$word" = go ] || exit 125',
  'exec 3<&-',
  'exec "$0" "$@"',
].join('\n');

/** Descriptor at which the shell of {@link GATE} waits. */
export const GATE_FD = 3;

/** The word that it waits for. */
export const GO = 'go\n';

const MIB = 1024 * 1024;

/** The limits in one line, for people. */
export function describeLimits({ memoryBytes, cpus, processes, mechanism }: NixLimits): string {
  return `${Math.floor(memoryBytes / MIB)} MiB of memory, ${cpus} processors, ${processes} processes (${mechanism})`;
}

/** @throws NixError `nix-limits-missing`: nothing was run */
export async function createNixGroup(limits: NixLimits): Promise<NixLimitGroup> {
  try {
    return await limits.createGroup();
  } catch (cause) {
    throw limitsMissing(cause);
  }
}

/** Limits that could be kept when the worker started can be no more. */
export function limitsMissing(cause: unknown): NixError {
  return new NixError(
    'nix-limits-missing',
    `Nothing was built, for the limits of a build cannot be set: ${(cause as Error).message}. Look at this machine's cgroups.`,
    {},
    { cause },
  );
}

/** What a run that failed met with: undefined when it met no limit. */
export function findExceeded(
  command: string,
  limits: NixLimits,
  counts: NixLimitCounts,
): NixError | undefined {
  if (counts.memoryRefusals > 0) {
    return new NixError(
      'build-memory-exceeded',
      `"${command}" wanted more than the ${Math.floor(limits.memoryBytes / MIB)} MiB of memory that a build has here, and was ended. Make it need less, or give builds more on this worker.`,
    );
  }
  if (counts.processRefusals > 0) {
    return new NixError(
      'build-processes-exceeded',
      `"${command}" wanted more than the ${limits.processes} processes that a build has here. Look for a loop, or give builds more on this worker.`,
    );
  }
  return undefined;
}
