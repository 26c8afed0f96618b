import { readlink } from 'node:fs/promises';
import { type EvaluateOptions, type Evaluation, evaluate } from './evaluate.ts';
import { NixLog, type OnNixLog } from './log/nix-log.ts';
import type { BuildProgress } from './log/nix-log-entry.ts';
import type { Nix } from './nix.ts';
import { NixError, printable } from './nix-error.ts';
import { narHashOf } from './nix-hash.ts';
import type { NixSource } from './nix-source.ts';
import { listPathInfos, type PathInfo } from './path-info.ts';
import { storeArguments, storeDirOf } from './run/nix-environment.ts';
import { runNix } from './run/run-nix.ts';
import { parseStorePath } from './store-path.ts';

/** What is built: a derivation that was evaluated before, or a source. */
export type BuildSubject = { readonly drvPath: string; readonly output?: string } | NixSource;

/** Bounds of a build; what is absent has a default. */
export interface BuildLimits {
  /** Of the whole build; 1 hour. */
  readonly timeoutMs?: number;
  /** Of a builder that prints nothing; none. */
  readonly maxSilentMs?: number;
  /** Bytes of the log that are passed on; 16 MiB. The build goes on without its log. */
  readonly maxLogBytes?: number;
  /** Derivations that are built at a time; 1. */
  readonly maxJobs?: number;
  /** Processor cores for each of them; as many as {@link Nix.limits} allows, else as there are. */
  readonly cores?: number;
}

/** How a build is run. */
export interface BuildOptions {
  readonly onLog?: OnNixLog;
  /** Called at once and every few seconds, with how far the build is. */
  readonly heartbeat?: (progress: BuildProgress) => void;
  readonly heartbeatMs?: number;
  readonly signal?: AbortSignal;
  readonly limits?: BuildLimits;
  readonly evaluation?: Pick<EvaluateOptions, 'timeoutMs' | 'maxHeapBytes'>;
  /** Absolute path of a link that Nix makes to what was built: as long as it is there, no garbage collection takes that. Further outputs get links beside it. */
  readonly root?: string;
}

/** One output of a build. */
export interface BuildOutput extends PathInfo {
  /** The NAR hash as Nix prints it: `sha256-<base64>`. */
  readonly narHashSri: string;
}

/** What a build gave. */
export interface BuildResult {
  readonly drvPath: string;
  /** Present when a source was given. */
  readonly evaluation?: Evaluation;
  /** By path; one, unless the derivation has several outputs. */
  readonly outputs: readonly BuildOutput[];
  readonly progress: BuildProgress;
  /** Lines of the log that were not passed on. */
  readonly droppedLines: number;
}

const TIMEOUT_MS = 3_600_000;
const MAX_LOG_BYTES = 16 * 1024 * 1024;
/** Statuses of nix-store for builds that failed, ran too long, gave another hash or differ. */
const BUILD_STATUSES: ReadonlySet<number | null> = new Set([100, 101, 102, 104]);

/**
 * Builds. What is in the store already is not built again, so the same twice gives the same.
 * @throws NixError `build-failed` with the derivation and its last lines, `nix-failed` when Nix itself had
 *   trouble, `build-evaluation-failed`, and as {@link runNix}
 */
export async function build(
  nix: Nix,
  subject: BuildSubject,
  options: BuildOptions = {},
): Promise<BuildResult> {
  const { signal, limits = {} } = options;
  const cancel = signal === undefined ? {} : { signal };
  const log = new NixLog(limits.maxLogBytes ?? MAX_LOG_BYTES, options.onLog);
  const heartbeat = (): void => options.heartbeat?.(log.progress);
  const evaluation =
    'drvPath' in subject
      ? undefined
      : await evaluate(nix, subject, { ...options.evaluation, ...cancel, heartbeat });
  const drvPath = evaluation?.drvPath ?? drvPathOf(nix, subject as { drvPath: string });
  const { output } = subject as { output?: string };
  if (output !== undefined && !/^[A-Za-z][A-Za-z0-9_-]*$/.test(output)) {
    throw new NixError('nix-input-invalid', `"${printable(output)}" is no name of an output.`);
  }
  const { status, stdout } = await runNix(nix, {
    program: 'nix-store',
    args: [
      ...storeArguments(nix.store),
      '--realise',
      output === undefined ? drvPath : `${drvPath}!${output}`,
      ...(options.root === undefined ? [] : ['--add-root', options.root]),
      '--log-format',
      'internal-json',
      ...optionArguments(nix, limits),
    ],
    ...cancel,
    bounded: true,
    timeoutMs: limits.timeoutMs ?? TIMEOUT_MS,
    onLine: (line) => log.take(line),
    heartbeat,
    ...(options.heartbeatMs === undefined ? {} : { heartbeatMs: options.heartbeatMs }),
  });
  if (status !== 0) throw buildFailed(drvPath, status, log);
  const said = [...new Set(stdout.trim().split('\n'))];
  // With a root Nix names its links.
  const paths =
    options.root === undefined ? said : await Promise.all(said.map((link) => readlink(link)));
  const infos = await listPathInfos(nix, [...new Set(paths)], cancel);
  return {
    drvPath,
    ...(evaluation === undefined ? {} : { evaluation }),
    outputs: infos.map((info) => ({ ...info, narHashSri: sriOf(info) })),
    progress: log.progress,
    droppedLines: log.droppedLines,
  };
}

function drvPathOf(nix: Nix, subject: { readonly drvPath: string }): string {
  const { path, name } = parseStorePath(subject.drvPath, storeDirOf(nix.store));
  if (name.endsWith('.drv')) return path;
  throw new NixError(
    'nix-input-invalid',
    `"${printable(path)}" is no derivation. Give a path that ends in ".drv".`,
  );
}

function optionArguments(nix: Nix, limits: BuildLimits): readonly string[] {
  const whole = (name: string, value: number | undefined): readonly string[] =>
    value === undefined ? [] : ['--option', name, String(Math.max(0, Math.ceil(value)))];
  return [
    ...whole('max-jobs', limits.maxJobs ?? 1),
    // Builders start as many programs as they are told that there are cores.
    ...whole('cores', limits.cores ?? nix.limits?.cpus),
    ...whole('max-silent-time', limits.maxSilentMs && limits.maxSilentMs / 1000),
  ];
}

function sriOf(info: PathInfo): string {
  return narHashOf(Buffer.from(info.narHash.slice('sha256:'.length), 'hex')).sri;
}

function buildFailed(drvPath: string, status: number | null, log: NixLog): NixError {
  const derivation = log.failedDerivation;
  const lastLines = log.lastLines(derivation);
  const cause = log.errors[0]?.text ?? lastLines.at(-1) ?? `status ${status}`;
  const isBuild = BUILD_STATUSES.has(status) || derivation !== undefined;
  return new NixError(
    isBuild ? 'build-failed' : 'nix-failed',
    `"${printable(drvPath)}" was not built: ${printable(cause.split('\n')[0] ?? '', 400)}${isBuild ? ' See its last lines.' : ''}`,
    { lastLines, ...(derivation === undefined ? {} : { derivation }) },
  );
}
