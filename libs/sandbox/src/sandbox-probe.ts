import type { LimitMechanism, SandboxLimits } from './sandbox-run.ts';

/** Stable codes of what is missing. */
export type SandboxGapCode =
  | 'platform-unsupported'
  | 'seccomp-missing'
  | 'bubblewrap-missing'
  | 'bubblewrap-version'
  | 'prlimit-missing'
  | 'mkfifo-missing'
  | 'user-is-root'
  | 'namespaces-refused'
  | 'cgroup-missing'
  | 'cgroup-not-writable'
  | 'cgroup-controller-missing'
  | 'swap-unbounded'
  | 'limits-missing';

/** Something that a sandbox could need and that is not there. */
export interface SandboxGap {
  readonly code: SandboxGapCode;
  /** What is missing, in one sentence. */
  readonly message: string;
  /** What to do about it. */
  readonly how: string;
  /** True when nothing runs without it; false when another way was found. */
  readonly stops: boolean;
}

/** What this machine has for sandboxes. */
export interface SandboxProbe {
  /** True when scripts can run here. */
  readonly usable: boolean;
  /** Null when there is none. */
  readonly isolation: { readonly path: string; readonly version: string } | null;
  /** Null when there is none. */
  readonly limits: {
    readonly mechanism: LimitMechanism;
    readonly kept: readonly (keyof SandboxLimits)[];
  } | null;
  readonly missing: readonly SandboxGap[];
}
