import { printable } from '@sluice/pure';
import { Command, type CommanderError } from 'commander';
import { addAgentCommands } from './agent.command.ts';
import { DEFAULT_API_URL } from './api-client.ts';
import { addApprovalCommands } from './approval.command.ts';
import type { CliIo } from './cli-io.ts';
import { addDoctorCommand } from './doctor.command.ts';
import { type CliError, EXIT_CODES, type ExitCode } from './exit-codes.ts';
import { addHistoryCommands } from './history.command.ts';
import { addPipelineCommands } from './pipeline.command.ts';
import { addPromoteCommand } from './promote.command.ts';
import { addPromotionCommands } from './promotion.command.ts';
import { addQueueCommand } from './queue.command.ts';
import { addAdminCommands } from './reconcile.command.ts';
import { addReleaseCommands } from './release.command.ts';
import { addReplayCommand } from './replay.command.ts';
import { addRollbackCommand } from './rollback.command.ts';
import { wrapped } from './text-layout.ts';
import { addVerifyCommand } from './verify.command.ts';

const VERSION = '0.1.0';

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
  const program = buildProgram(io, isJson, (code) => {
    exitCode = code;
  });
  try {
    await program.parseAsync([...args], { from: 'user' });
    return exitCode;
  } catch (error) {
    return report(error, io, isJson);
  }
}

function buildProgram(io: CliIo, isJson: boolean, settle: (exitCode: ExitCode) => void): Command {
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
  addReleaseCommands(program, io, settle);
  addPromoteCommand(program, io, settle);
  addPromotionCommands(program, io, settle);
  addApprovalCommands(program, io, settle);
  addQueueCommand(program, io, settle);
  addRollbackCommand(program, io, settle);
  addReplayCommand(program, io, settle);
  addHistoryCommands(program, io, settle);
  addPipelineCommands(program, io, settle);
  addVerifyCommand(program, io, settle);
  addAgentCommands(program, io, settle);
  addAdminCommands(program, io, settle);
  addDoctorCommand(program, io, settle);
  return program;
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
