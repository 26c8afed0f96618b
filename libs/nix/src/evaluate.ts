import { NixLog } from './log/nix-log.ts';
import type { Nix } from './nix.ts';
import { NixError, printable } from './nix-error.ts';
import { type NixSource, sourceArguments } from './nix-source.ts';
import { storeArguments, storeDirOf } from './run/nix-environment.ts';
import { runNix } from './run/run-nix.ts';
import { parseStorePath } from './store-path.ts';

/** What an evaluation gives: what would be built, without anything being built. */
export interface Evaluation {
  /** Store path of the derivation. */
  readonly drvPath: string;
  readonly name: string;
  /** Such as `x86_64-linux`. */
  readonly system: string;
  /** Store path by output name; null when it is known only after the build. */
  readonly outputs: Readonly<Record<string, string | null>>;
}

/** How an evaluation is run. */
export interface EvaluateOptions {
  readonly signal?: AbortSignal;
  /** 10 minutes when absent. */
  readonly timeoutMs?: number;
  /** Bytes of the evaluator's heap; 4 GiB when absent. */
  readonly maxHeapBytes?: number;
  readonly heartbeat?: () => void;
}

const TIMEOUT_MS = 600_000;
const MAX_HEAP_BYTES = 4 * 1024 * 1024 * 1024;
const MAX_OUTPUT_BYTES = 256 * 1024;
const MAX_LOG_BYTES = 1024 * 1024;

/** Says of a value what {@link Evaluation} holds; null when it is no derivation. */
const DESCRIBE = `value:
  if !(builtins.isAttrs value && value.type or null == "derivation") then null
  else {
    inherit (value) name system drvPath;
    outputs = map (output: { name = output; path = value.\${output}.outPath or null; })
      (value.outputs or [ "out" ]);
  }`;

/** Not the expression's fault: another try may succeed. */
const PASSING =
  /unable to download|[Cc]ould ?n[o']t resolve|unable to connect|cannot connect|[Cc]onnection (?:refused|reset|timed out)|SSL|No space left|database is locked|cannot open connection|program 'git' failed|Could not read from remote/;

/**
 * Evaluates a flake's output or an expression to a derivation. Nothing is built, no lock file is written or
 * brought up to date: a flake whose inputs are not all locked is refused; an expression reads nothing but its folder and knows no time and no environment.
 * @throws NixError `build-evaluation-failed` with its position when Nix gives one, `nix-failed` when it may
 *   succeed another time, and as {@link runNix}
 */
export async function evaluate(
  nix: Nix,
  source: NixSource,
  options: EvaluateOptions = {},
): Promise<Evaluation> {
  const { args, cwd } = sourceArguments(source);
  const log = new NixLog(MAX_LOG_BYTES, undefined);
  const { status, stdout } = await runNix(nix, {
    program: 'nix',
    args: [
      'eval',
      '--json',
      '--log-format',
      'internal-json',
      // With --no-write-lock-file Nix would take inputs that no lock file has, folders of this machine among them.
      '--no-update-lock-file',
      ...storeArguments(nix.store),
      ...args,
      '--apply',
      DESCRIBE,
    ],
    ...(cwd === undefined ? {} : { cwd }),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
    ...(options.heartbeat === undefined ? {} : { heartbeat: options.heartbeat }),
    bounded: true,
    timeoutMs: options.timeoutMs ?? TIMEOUT_MS,
    maxOutputBytes: MAX_OUTPUT_BYTES,
    environment: { GC_MAXIMUM_HEAP_SIZE: String(options.maxHeapBytes ?? MAX_HEAP_BYTES) },
    onLine: (line) => log.take(line),
  });
  if (status !== 0) throw evaluationFailed(source, status, log);
  return readEvaluation(nix, source, stdout);
}

function evaluationFailed(source: NixSource, status: number | null, log: NixLog): NixError {
  const error = log.errors.at(0);
  const lastLines = log.lastLines(undefined);
  const cause =
    error?.text ?? lastLines.at(-1) ?? (status === null ? 'Nix crashed' : `status ${status}`);
  const { position } = error ?? {};
  const code = PASSING.test(cause) ? 'nix-failed' : 'build-evaluation-failed';
  const place = position == null ? '' : ` at ${position.file}:${position.line}:${position.column}`;
  return new NixError(
    code,
    `${describe(source)} can not be evaluated${place}: ${printable(cause.split('\n')[0] ?? '', 400)}`,
    { lastLines, ...(position == null ? {} : { position }) },
  );
}

function readEvaluation(nix: Nix, source: NixSource, stdout: string): Evaluation {
  const found = JSON.parse(stdout) as {
    readonly name: string;
    readonly system: string;
    readonly drvPath: string;
    readonly outputs: readonly { readonly name: string; readonly path: string | null }[];
  } | null;
  if (found === null) {
    throw new NixError(
      'build-evaluation-failed',
      `${describe(source)} is no derivation. Name an attribute that is one.`,
    );
  }
  const storeDir = storeDirOf(nix.store);
  const outputs = found.outputs.map(({ name, path }) => {
    // What is known only after the build is a placeholder, not a store path.
    const isKnown = path?.startsWith(`${storeDir}/`) === true;
    return [name, isKnown ? parseStorePath(path, storeDir).path : null] as const;
  });
  return {
    drvPath: parseStorePath(found.drvPath, storeDir).path,
    name: found.name,
    system: found.system,
    outputs: Object.fromEntries(outputs),
  };
}

function describe(source: NixSource): string {
  const what = 'flake' in source ? source.flake : 'file' in source ? source.file : 'The expression';
  const attribute = source.attribute === undefined ? '' : `#${source.attribute}`;
  return `"${printable(`${what}${attribute}`)}"`;
}
