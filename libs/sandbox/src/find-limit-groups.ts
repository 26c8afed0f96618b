import { findCgroupV1 } from './cgroup-v1.ts';
import { findCgroupV2 } from './cgroup-v2.ts';
import type { CreateLimitGroup } from './limit-group.ts';
import { CGROUP_ROOT, type SandboxHost } from './sandbox-host.ts';
import type { SandboxGap } from './sandbox-probe.ts';
import type { LimitMechanism } from './sandbox-run.ts';

/** Groups that keep limits over processes, or what is missing for them. */
export type LimitGroups =
  | {
      readonly mechanism: Exclude<LimitMechanism, 'prlimit'>;
      readonly createGroup: CreateLimitGroup;
      /** Ways that were not taken. */
      readonly missing: readonly SandboxGap[];
    }
  | { readonly mechanism: null; readonly missing: readonly SandboxGap[] };

/**
 * Looks for cgroups that this process may make, by making one; removes groups that others left behind. What a process in such a group starts is
 * in it, too.
 */
export async function findLimitGroups(
  host: Pick<SandboxHost, 'cgroupRoot' | 'mechanisms'> = {},
): Promise<LimitGroups> {
  const root = host.cgroupRoot ?? CGROUP_ROOT;
  const missing: SandboxGap[] = [];
  for (const [mechanism, find] of [
    ['cgroup-v2', findCgroupV2],
    ['cgroup-v1', findCgroupV1],
  ] as const) {
    if (host.mechanisms?.includes(mechanism) === false) continue;
    const found = await find(root);
    if (typeof found === 'function') return { mechanism, createGroup: found, missing };
    missing.push(found);
  }
  return { mechanism: null, missing };
}
