import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { delimiter, isAbsolute, join } from 'node:path';
import { promisify } from 'node:util';
import { findText } from './cgroup-folder.ts';
import { findLimitGroups } from './find-limit-groups.ts';
import type { CreateLimitGroup } from './limit-group.ts';
import { watchProcesses } from './process-limits.ts';
import { mountArguments, namespaceArguments } from './root-view.ts';
import { pickUser, type SandboxHost } from './sandbox-host.ts';
import type { SandboxGap, SandboxGapCode, SandboxProbe } from './sandbox-probe.ts';
import type { LimitMechanism, SandboxLimits } from './sandbox-run.ts';
import { systemCallFilter } from './system-call-filter.ts';

/** The first with `--disable-userns`. */
const LEAST_VERSION = [0, 8, 0] as const;
const TRIAL_TIMEOUT_MS = 30_000;
const TRIAL_LIMITS: SandboxLimits = {
  wallSeconds: 30,
  memoryBytes: 1 << 26,
  diskBytes: 1 << 20,
  processes: 8,
  logBytes: 1024,
};
const KEPT: readonly (keyof SandboxLimits)[] = [
  'wallSeconds',
  'memoryBytes',
  'diskBytes',
  'fileBytes',
  'processes',
  'cpuSeconds',
  'logBytes',
];

/** A machine that was looked at, and what its runs need. */
export interface PreparedHost {
  readonly probe: SandboxProbe;
  /** Undefined when the probe names no mechanism. */
  readonly createGroup: CreateLimitGroup | undefined;
}

/**
 * Finds out what this machine has for sandboxes, by trying: it starts an empty sandbox and makes an empty group. Every way that
 * was not taken is among `missing`, with what would mend it.
 */
export async function probeSandbox(host: SandboxHost = {}): Promise<SandboxProbe> {
  return (await prepareHost(host)).probe;
}

/** {@link probeSandbox}, and the way to make groups; removes groups that others left behind. */
export async function prepareHost(host: SandboxHost): Promise<PreparedHost> {
  const missing: SandboxGap[] = [];
  const isolation = await findIsolation(host, missing);
  const limits = await findLimits(host, missing);
  return {
    probe: {
      usable: isolation !== null && limits !== null,
      isolation,
      limits:
        limits === null
          ? null
          : {
              mechanism: limits.mechanism,
              kept: limits.mechanism === 'prlimit' ? KEPT : [...KEPT, 'cpus'],
            },
      missing,
    },
    createGroup: limits?.createGroup,
  };
}

async function findIsolation(
  host: SandboxHost,
  missing: SandboxGap[],
): Promise<SandboxProbe['isolation']> {
  const stop = (code: SandboxGapCode, message: string, how: string): null => {
    missing.push({ code, message, how, stops: true });
    return null;
  };
  if (process.platform !== 'linux') {
    return stop(
      'platform-unsupported',
      `Scripts are isolated by Linux namespaces; this is ${process.platform}.`,
      'Run the worker on Linux.',
    );
  }
  if (systemCallFilter() === undefined) {
    return stop(
      'platform-unsupported',
      `System calls are filtered on x64 and arm64; this is ${process.arch}.`,
      'Run the worker on one of them.',
    );
  }
  if (!/^Seccomp:/m.test((await findText('/proc/self/status')) ?? '')) {
    return stop(
      'seccomp-missing',
      'This kernel has no filter of system calls.',
      'Run a kernel with CONFIG_SECCOMP_FILTER.',
    );
  }
  if (host.user?.uid === 0 || host.user?.gid === 0) {
    return stop('user-is-root', 'Scripts would run as root.', 'Name a user without privileges.');
  }
  const path = host.bubblewrap ?? (await findOnPath('bwrap'));
  const version = path === undefined ? undefined : await findVersion(path);
  if (path === undefined || version === undefined) {
    return stop(
      'bubblewrap-missing',
      path === undefined ? 'There is no bwrap on PATH.' : `${path} does not run.`,
      'Install bubblewrap 0.8 or newer: apt-get install bubblewrap',
    );
  }
  if (!isSupported(version)) {
    return stop(
      'bubblewrap-version',
      `${path} is bubblewrap ${version}; 0.8.0 is the oldest that is supported.`,
      'Install a newer bubblewrap.',
    );
  }
  for (const [program, code, what] of [
    ['mkfifo', 'mkfifo-missing', 'coreutils'],
    ['prlimit', 'prlimit-missing', 'util-linux'],
  ] as const) {
    if ((await findOnPath(program)) === undefined) {
      return stop(code, `There is no ${program} on PATH.`, `Install ${what}.`);
    }
  }
  const refusal = await findRefusal(path, host);
  return refusal === undefined
    ? { path, version }
    : stop(
        'namespaces-refused',
        `bubblewrap cannot make a sandbox here: ${refusal}`,
        'Allow unprivileged user namespaces (sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone, AppArmor or the container).',
      );
}

async function findLimits(
  host: SandboxHost,
  missing: SandboxGap[],
): Promise<{ readonly mechanism: LimitMechanism; readonly createGroup: CreateLimitGroup } | null> {
  const groups = await findLimitGroups(host);
  missing.push(...groups.missing);
  if (groups.mechanism !== null) return groups;
  // Scripts never run as root, so RLIMIT_NPROC binds.
  if (host.mechanisms?.includes('prlimit') ?? true) {
    return { mechanism: 'prlimit', createGroup: () => Promise.resolve(watchProcesses()) };
  }
  missing.push({
    code: 'limits-missing',
    message: 'Nothing that may keep limits is there.',
    how: 'Give this process a cgroup of its own, or allow prlimit.',
    stops: true,
  });
  return null;
}

/** Tries what every run does; undefined when it works. */
async function findRefusal(path: string, host: SandboxHost): Promise<string | undefined> {
  const mounts = await mountArguments(
    { network: 'none', limits: TRIAL_LIMITS },
    host.readOnlyPaths ?? [],
  );
  const args = [...namespaceArguments('none'), ...mounts, '--remount-ro', '/'];
  try {
    await promisify(execFile)(
      path,
      [...args, '--', '/bin/sh', '-c', 'exec prlimit --core=0 true'],
      {
        ...pickUser(host),
        cwd: '/',
        env: {},
        timeout: TRIAL_TIMEOUT_MS,
        killSignal: 'SIGKILL',
        maxBuffer: 65_536,
      },
    );
    return undefined;
  } catch (error) {
    const { stderr, message } = error as { readonly stderr?: string; readonly message: string };
    return (stderr?.trim() || message).slice(0, 500);
  }
}

async function findVersion(path: string): Promise<string | undefined> {
  try {
    const { stdout } = await promisify(execFile)(path, ['--version'], { timeout: 10_000 });
    return /(\d+\.\d+\.\d+)/.exec(stdout)?.[1];
  } catch {
    return undefined;
  }
}

function isSupported(version: string): boolean {
  const parts = version.split('.').map(Number);
  for (const [index, least] of LEAST_VERSION.entries()) {
    const part = parts[index] ?? 0;
    if (part !== least) return part > least;
  }
  return true;
}

async function findOnPath(name: string): Promise<string | undefined> {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter).filter(isAbsolute)) {
    const path = join(folder, name);
    if ((await access(path, constants.X_OK).catch(() => 'missing')) !== 'missing') return path;
  }
  return undefined;
}
