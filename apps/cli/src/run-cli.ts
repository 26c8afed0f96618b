import { printable } from '@sluice/pure';
import { Command, type CommanderError } from 'commander';
import { DEFAULT_API_URL } from './api-client.ts';
import type { CliIo } from './cli-io.ts';
import { type CliError, EXIT_CODES, type ExitCode } from './exit-codes.ts';
import { wrapped } from './text-layout.ts';

const VERSION = '0.1.0';

/** Adds commands to the program. */
type AddCommands = (program: Command, io: CliIo, settle: (exitCode: ExitCode) => void) => void;

/** The commands in the order of the help, each group with its words: only what a command line names is loaded. */
const COMMANDS: readonly (readonly [words: readonly string[], load: () => Promise<AddCommands>])[] =
  [
    [['release'], async () => (await import('./release.command.ts')).addReleaseCommands],
    [['promote'], async () => (await import('./promote.command.ts')).addPromoteCommand],
    [['promotion'], async () => (await import('./promotion.command.ts')).addPromotionCommands],
    [
      ['approvals', 'approve', 'reject'],
      async () => (await import('./approval.command.ts')).addApprovalCommands,
    ],
    [['analysis'], async () => (await import('./analysis.command.ts')).addAnalysisCommands],
    [['rollout'], async () => (await import('./rollout.command.ts')).addRolloutCommands],
    [['router'], async () => (await import('./router.command.ts')).addRouterCommands],
    [['budget'], async () => (await import('./budget.command.ts')).addBudgetCommands],
    [['watch'], async () => (await import('./release-watch.command.ts')).addReleaseWatchCommands],
    [['queue'], async () => (await import('./queue.command.ts')).addQueueCommand],
    [['rollback'], async () => (await import('./rollback.command.ts')).addRollbackCommand],
    [['replay'], async () => (await import('./replay.command.ts')).addReplayCommand],
    [['history'], async () => (await import('./history.command.ts')).addHistoryCommands],
    [['pipeline'], async () => (await import('./pipeline.command.ts')).addPipelineCommands],
    [['verify'], async () => (await import('./verify.command.ts')).addVerifyCommand],
    [['agent'], async () => (await import('./agent.command.ts')).addAgentCommands],
    [['admin'], async () => (await import('./reconcile.command.ts')).addAdminCommands],
    [['doctor'], async () => (await import('./doctor.command.ts')).addDoctorCommand],
  ];

/** Options of every command whose next word is no command. */
const WITH_VALUE: ReadonlySet<string> = new Set(['--api', '--token', '--token-file']);

const EPILOGUE = `
Environment: SLUICE_API_URL, SLUICE_TOKEN, SLUICE_TOKEN_FILE, SLUICE_CONFIG,
  SLUICE_ENROLLMENT_KEY.
Exit codes: 0 done; 1 refused, or ended badly; 2 wrong command line or file;
  3 the API did not answer; 4 a packet did not verify; 130 a signal ended it.
With --json one JSON document goes to standard output, an error too:
  {"error": {"code", "message", "next"}}. Watching gives JSON Lines: one event a
  line, {"position", "event", "promotion"}; --after <position> goes on behind it.`;

/**
 * Runs one command line. Never throws and never ends the process.
 * @param args without the interpreter and the script
 * @returns the exit code
 */
export async function runCli(args: readonly string[], io: CliIo): Promise<ExitCode> {
  let exitCode: ExitCode = EXIT_CODES.ok;
  const isJson = args.includes('--json');
  try {
    const program = await buildProgram(args, io, isJson, (code) => {
      exitCode = code;
    });
    await program.parseAsync([...args], { from: 'user' });
    return exitCode;
  } catch (error) {
    return report(error, io, isJson);
  }
}

async function buildProgram(
  args: readonly string[],
  io: CliIo,
  isJson: boolean,
  settle: (exitCode: ExitCode) => void,
): Promise<Command> {
  const program = new Command('sluice')
    .description('Release control plane: releases, promotions, evidence.')
    .version(VERSION)
    .option('--api <url>', `address of the API (default: SLUICE_API_URL, else ${DEFAULT_API_URL})`)
    .option('--token <token>', 'bearer token; others may see it in the process list')
    .option('--token-file <file>', 'file with the token, readable for you alone')
    .option('--json', 'print one JSON document')
    .addHelpText('after', EPILOGUE)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => io.out(text),
      // With --json the error's document says it.
      writeErr: (text) => {
        if (!isJson) io.err(text);
      },
    })
    .showSuggestionAfterError();
  for (const add of await loadCommands(args)) add(program, io, settle);
  return program;
}

/** The commands of the first word; all where it means none, for the help, and to say what was meant. */
async function loadCommands(args: readonly string[]): Promise<readonly AddCommands[]> {
  const word = firstWord(args);
  const named = COMMANDS.filter(([words]) => words.some((known) => known === word));
  const loaded: AddCommands[] = [];
  for (const [, load] of named.length > 0 ? named : COMMANDS) loaded.push(await load());
  return loaded;
}

function firstWord(args: readonly string[]): string | undefined {
  return args.find((arg, index) => !arg.startsWith('-') && !WITH_VALUE.has(args[index - 1] ?? ''));
}

function report(error: unknown, io: CliIo, isJson: boolean): ExitCode {
  const { code, message, next, exitCode, isPrinted } = explain(error);
  if (exitCode === EXIT_CODES.ok) return exitCode;
  if (isJson) io.out(`${JSON.stringify({ error: { code, message, next } }, null, 2)}\n`);
  else if (!isPrinted) io.err(wrapped(`${printable(message)} ${next}`.trim(), 2));
  return exitCode;
}

interface Explained {
  readonly code: string;
  readonly message: string;
  readonly next: string;
  readonly exitCode: ExitCode;
  /** Commander has printed it already. */
  readonly isPrinted: boolean;
}

function explain(error: unknown): Explained {
  const { name } = error as { name?: unknown };
  if (name === 'CommanderError') {
    const { exitCode, message } = error as CommanderError;
    const isHelp = exitCode === 0;
    return {
      code: 'usage',
      message,
      next: 'See sluice --help.',
      exitCode: isHelp ? EXIT_CODES.ok : EXIT_CODES.usage,
      isPrinted: true,
    };
  }
  if (name === 'CliError') {
    const { code, message, next, exitCode } = error as CliError;
    return { code, message, next, exitCode, isPrinted: false };
  }
  const { message = String(error) } = error as { message?: string };
  const next = 'This is a fault of sluice itself; please report it with the command you ran.';
  return { code: 'internal', message, next, exitCode: EXIT_CODES.failed, isPrinted: false };
}
