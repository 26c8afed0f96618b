import { availableParallelism, constants } from 'node:os';
import { printable } from '@sluice/pure';
import { parseCommandLine, USAGE } from './command-line.ts';
import type { ToolIo } from './tool-io.ts';

const io: ToolIo = {
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
  errColumns: process.stderr.isTTY ? process.stderr.columns : undefined,
  isColoured: process.stdout.isTTY === true && !process.env.NO_COLOR,
  processors: availableParallelism(),
};

/** Codes of what is wrong with the command line or the files that it names, not with what they hold. */
const USAGE_CODES: ReadonlySet<string> = new Set(['usage', 'input-unusable', 'bundle-unusable']);

async function main(args: readonly string[]): Promise<number> {
  try {
    const parsed = parseCommandLine(args);
    if (parsed.verb === 'help') {
      io.out(USAGE);
      return args.length === 0 ? 2 : 0;
    }
    if (parsed.verb === 'run') {
      endWithLanes();
      const { runCommand } = await import('./run.command.ts');
      return await runCommand(parsed.command, io);
    }
    // These load the engine's library into this process; `run` leaves that to its lanes.
    if (parsed.verb === 'at') {
      const { atCommand } = await import('./at.command.ts');
      return await atCommand(parsed.command, io);
    }
    const { inspectCommand } = await import('./inspect.command.ts');
    return await inspectCommand(parsed.command, io);
  } catch (error) {
    const { code = '', message } = error as { code?: string; message: string };
    io.err(`replay: ${printable(message)}\n`);
    return USAGE_CODES.has(code) ? 2 : 1;
  }
}

/** The other verbs run workflow code in this process, where a signal has to end even an endless loop. */
function endWithLanes(): void {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => process.exit(128 + constants.signals[signal]));
  }
}

// Whoever reads the output has gone, as `head` does: nothing is left to say.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});
const status = await main(process.argv.slice(2));
// A channel to whoever started this program would keep it running; what was written goes out first.
if (process.connected) process.disconnect();
process.exitCode = status;
