import { processIo } from './cli-io.ts';
import { runCli } from './run-cli.ts';

// Whoever reads the output has gone, as `head` does: nothing is left to say.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

process.exitCode = await runCli(process.argv.slice(2), processIo());
