export { type CliIo, processIo } from './cli-io.ts';
export { EXIT_CODES, type ExitCode } from './exit-codes.ts';
export { runCli } from './run-cli.ts';
