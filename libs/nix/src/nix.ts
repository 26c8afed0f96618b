import { constants } from 'node:fs';
import { access, realpath, stat } from 'node:fs/promises';
import { delimiter, dirname, isAbsolute, join } from 'node:path';
import { NixError } from './nix-error.ts';
import type { NixSettings, NixStore } from './run/nix-environment.ts';
import type { NixLimits } from './run/nix-limits.ts';
import { runNix } from './run/run-nix.ts';

/** A Nix that can be run, and how. */
export interface Nix {
  readonly version: string;
  /** Absolute path of `nix`. */
  readonly executable: string;
  /** Absolute path of `nix-store`. */
  readonly storeExecutable: string;
  readonly store: NixStore;
  /** Folder for what a run needs besides the store; each run has one of its own in it, removed at its end. */
  readonly scratch: string;
  readonly settings: NixSettings;
  /** Added to each run's environment. */
  readonly environment: Readonly<Record<string, string>>;
  /** `PATH` of each run. */
  readonly searchPath: string;
  /** Time between SIGTERM and SIGKILL. */
  readonly graceMs: number;
  /** Kept over evaluations and builds; absent where nothing here keeps any but the worker's own. */
  readonly limits?: NixLimits;
}

/** How Nix is to be found and run. */
export interface NixOptions {
  readonly scratch: string;
  /** Absolute path of `nix`; the first on the search path when absent. */
  readonly executable?: string;
  /** The machine's own when absent. */
  readonly store?: NixStore;
  /** Settings besides {@link DEFAULT_NIX_SETTINGS}, such as `substituters` and `trusted-public-keys`. */
  readonly settings?: NixSettings;
  readonly environment?: Readonly<Record<string, string>>;
  /** This process' `PATH` when absent. */
  readonly searchPath?: string;
  /** 5 seconds when absent. */
  readonly graceMs?: number;
  /** None when absent. */
  readonly limits?: NixLimits;
}

/** Whether there is a Nix, or what is missing and how to get it. */
export type NixProbe =
  | { readonly found: true; readonly nix: Nix }
  | { readonly found: false; readonly missing: string; readonly remedy: string };

/** Oldest version whose commands and output are known here. */
export const OLDEST_NIX = '2.8';

const REMEDY = `Install Nix ${OLDEST_NIX} or newer (Debian: apt-get install nix-bin) and put it on the PATH of the worker.`;
const VERSION = /\b(\d+)\.(\d+)(?:\.\d+)?\S*\s*$/;

/** Looks for Nix and asks for its version; what is missing is a result. */
export async function probeNix(options: NixOptions): Promise<NixProbe> {
  const absent = (missing: string): NixProbe => ({ found: false, missing, remedy: REMEDY });
  const searchPath = options.searchPath ?? process.env['PATH'] ?? '';
  const executable = options.executable ?? (await findOnPath('nix', searchPath));
  if (executable === undefined) return absent('There is no "nix" on the PATH.');
  if (!(await isExecutable(executable))) return absent(`${executable} is no program.`);
  // `nix-store` is the same program by another name, beside it or beside what it is a link to.
  const beside = [dirname(executable), dirname(await realpath(executable))];
  const storeExecutable = await findOnPath('nix-store', beside.join(delimiter));
  if (storeExecutable === undefined) return absent(`There is no "nix-store" beside ${executable}.`);
  const nix: Nix = {
    version: '',
    executable,
    storeExecutable,
    store: options.store ?? { kind: 'system' },
    scratch: options.scratch,
    settings: options.settings ?? {},
    environment: options.environment ?? {},
    searchPath,
    graceMs: options.graceMs ?? 5000,
    ...(options.limits === undefined ? {} : { limits: options.limits }),
  };
  const { status, stdout } = await runNix(nix, {
    program: 'nix',
    args: ['--version'],
    timeoutMs: 30_000,
    maxOutputBytes: 4096,
  });
  const [version, major, minor] = VERSION.exec(stdout) ?? [];
  if (status !== 0 || version === undefined) return absent(`${executable} does not run.`);
  const [oldMajor, oldMinor] = OLDEST_NIX.split('.').map(Number) as [number, number];
  if (Number(major) < oldMajor || (Number(major) === oldMajor && Number(minor) < oldMinor)) {
    return absent(`${executable} is version ${version.trim()}.`);
  }
  return { found: true, nix: { ...nix, version: version.trim() } };
}

/** @throws NixError `nix-missing` that says what is missing and how to get it */
export async function getNix(options: NixOptions): Promise<Nix> {
  const probe = await probeNix(options);
  if (probe.found) return probe.nix;
  throw new NixError('nix-missing', `${probe.missing} ${probe.remedy}`);
}

/**
 * True where builders are children of the machine's Nix daemon: no limit on this process's children holds for them.
 */
export async function isBuiltByDaemon({ store }: Pick<Nix, 'store'>): Promise<boolean> {
  if (store.kind !== 'system') return false;
  const can = (path: string, mode: number): Promise<boolean> =>
    access(path, mode).then(
      () => true,
      () => false,
    );
  // As Nix itself decides: who may write the store's records does.
  if (await can(STATE_FOLDER, constants.R_OK | constants.W_OK)) return false;
  return can(join(STATE_FOLDER, 'daemon-socket', 'socket'), constants.F_OK);
}

const STATE_FOLDER = '/nix/var/nix';

async function findOnPath(name: string, searchPath: string): Promise<string | undefined> {
  for (const folder of searchPath.split(delimiter).filter(isAbsolute)) {
    const path = join(folder, name);
    if (await isExecutable(path)) return path;
  }
  return undefined;
}

async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}
