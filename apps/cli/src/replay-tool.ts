import { fileURLToPath } from 'node:url';
import type { CliIo } from './cli-io.ts';
import { CliError, EXIT_CODES, type ExitCode } from './exit-codes.ts';
import type { NodeEnd, NodeRun } from './node-run.ts';

/** A program of the replay tool. It is another program: it loads the engine's library, which this one must not. */
export type ReplayProgram = 'main.js' | 'build-ref-main.js';

/**
 * Runs a program of the replay tool, which stands beside this package.
 * @throws CliError `replay-not-built`
 */
export function runReplayTool(
  io: CliIo,
  program: ReplayProgram,
  run: Omit<NodeRun, 'program'>,
): Promise<NodeEnd> {
  const path = fileURLToPath(new URL(`../../replay/dist/${program}`, import.meta.url));
  if (io.hasProgram(path)) return io.runNode({ ...run, program: path });
  const message = `The replay tool is not built: there is no ${path}.`;
  const next = 'Run npm run build in the checkout, then this again.';
  throw new CliError(EXIT_CODES.failed, 'replay-not-built', message, next);
}

/** The tool's exit code as ours: 0 and 1 mean the same, 2 is its usage. */
export function exitCodeOf({ status }: NodeEnd): ExitCode {
  if (status === 0) return EXIT_CODES.ok;
  if (status === 1) return EXIT_CODES.failed;
  return status > 128 ? EXIT_CODES.interrupted : EXIT_CODES.usage;
}

/**
 * Builds the workflow code of a git ref into a folder.
 * @returns path of the code
 * @throws CliError with the tool's code and reason
 */
export async function buildOfRef(io: CliIo, ref: string, folder: string): Promise<string> {
  const args = ['--ref', ref, '--to', folder];
  const { status, stdout } = await runReplayTool(io, 'build-ref-main.js', {
    args,
    isCaptured: true,
    isInstaller: true,
  });
  const { bundle, error } = readLine(stdout);
  if (status === 0 && bundle !== undefined) return bundle;
  const { code = 'ref-build-failed', message = `The build of ${ref} ended with ${status}.` } =
    error ?? {};
  const isInterrupted = code === 'interrupted' || status > 128;
  throw new CliError(isInterrupted ? EXIT_CODES.interrupted : EXIT_CODES.usage, code, message);
}

/** The run of the promotion itself that was archived last; a settlement's where there is no other. */
export function newestRun<T extends { readonly workflowId: string }>(runs: readonly T[]): T {
  const own = runs.findLast(({ workflowId }) => workflowId.startsWith('promotion/'));
  const run = own ?? runs.at(-1);
  if (run !== undefined) return run;
  const message = 'The API answered with no history at all.';
  throw new CliError(EXIT_CODES.failed, 'no-history-found', message, 'Ask again.');
}

interface BuildLine {
  readonly bundle?: string;
  readonly error?: { readonly code?: string; readonly message?: string };
}

function readLine(stdout: string): BuildLine {
  try {
    return (JSON.parse(stdout) as BuildLine | null) ?? {};
  } catch {
    return {};
  }
}
