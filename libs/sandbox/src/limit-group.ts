import type { SandboxLimits } from './sandbox-run.ts';

/** What was counted of a run. Null: not counted here. */
export interface GroupCounts {
  readonly cpuSeconds: number | null;
  readonly memoryBytes: number | null;
  readonly peakMemoryBytes: number | null;
  /** Times that memory ran out. */
  readonly memoryRefusals: number;
  /** Times that a process was refused. */
  readonly processRefusals: number;
}

/** Keeps the limits of one run over all of its processes. */
export interface LimitGroup {
  /** Puts a process under the limits, and all that it starts from then on. */
  readonly add: (pid: number) => Promise<void>;
  readonly count: () => Promise<GroupCounts>;
  /** After the last process; takes away what was made. */
  readonly remove: () => Promise<void>;
}

/** What a group keeps over all of its processes together. */
export type GroupLimits = Pick<SandboxLimits, 'memoryBytes' | 'processes' | 'cpus'>;

/** Makes a group whose limits are set; throws when one could not be. */
export type CreateLimitGroup = (limits: GroupLimits) => Promise<LimitGroup>;
