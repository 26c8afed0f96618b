import type { LimitMechanism } from './sandbox-run.ts';

/** What a caller may say about the machine; absent means that it is found out. */
export interface SandboxHost {
  /** Absolute path of bubblewrap; the first `bwrap` on PATH when absent. */
  readonly bubblewrap?: string;
  /** Where cgroups are mounted; `/sys/fs/cgroup` when absent. */
  readonly cgroupRoot?: string;
  /** Mechanisms that may keep the limits, whatever else is there; all when absent. */
  readonly mechanisms?: readonly LimitMechanism[];
  /** Absolute paths that scripts may read beside the system's programs, such as `/opt/tools`. */
  readonly readOnlyPaths?: readonly string[];
  /** As whom scripts run when this process is root; must not be root. One of its own for each run when absent. */
  readonly user?: SandboxUser;
}

/** Where cgroups are mounted. */
export const CGROUP_ROOT = '/sys/fs/cgroup';

/** A user of this machine, by number. */
export interface SandboxUser {
  readonly uid: number;
  readonly gid: number;
}

/** Where systemd, and so about everybody, leaves user ids unused (systemd.io/UIDS-GIDS). */
const FIRST_UNUSED_ID = 1_879_048_192;
const UNUSED_IDS = 100_000_000;

/**
 * As whom a script runs outside of its user namespace. Root's own files would be the script's under root's id, and no limit on
 * processes binds root; a number of its own keeps two scripts apart also where only the number decides.
 * @returns undefined when this process is not root: then it is this process's own user
 */
export function pickUser(host: SandboxHost): SandboxUser | undefined {
  if (process.getuid?.() !== 0) return undefined;
  if (host.user !== undefined) return host.user;
  const id = FIRST_UNUSED_ID + Math.floor(Math.random() * UNUSED_IDS);
  return { uid: id, gid: id };
}
