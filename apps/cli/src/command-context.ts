import { closeSync, openSync, readSync, statSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { type ApiClient, type ApiOptions, createApiClient } from './api-client.ts';
import type { CliIo } from './cli-io.ts';
import { CliError, EXIT_CODES, type ExitCode } from './exit-codes.ts';
import type { RefusalView } from './operations.ts';
import { clause } from './text-layout.ts';

const CHUNK_BYTES = 64 * 1024;

/** Options that every command takes. */
export interface GlobalOptions extends ApiOptions {
  readonly json?: boolean;
}

/** What a command works with. */
export interface CommandContext {
  readonly io: CliIo;
  readonly options: GlobalOptions;
  /** Made at the first use, so that offline commands need neither address nor token. */
  readonly api: () => ApiClient;
  /** Prints the result: the document with --json, the text otherwise. */
  readonly print: (document: unknown, text: () => string) => void;
}

/** What a command's action does; its exit code is 0 where it returns none. */
export type Action<O> = (
  context: CommandContext,
  options: O,
  args: readonly string[],
) => Promise<ExitCode | undefined> | ExitCode | undefined;

/** Binds an action to a command. */
export function act<O>(
  command: Command,
  io: CliIo,
  settle: (exitCode: ExitCode) => void,
  action: Action<O>,
): void {
  command.action(async () => {
    const options = command.optsWithGlobals<GlobalOptions & O>();
    const context: CommandContext = {
      io,
      options,
      api: () => createApiClient(options, io),
      print: (document, text) => {
        io.out(options.json === true ? `${JSON.stringify(document, null, 2)}\n` : text());
      },
    };
    settle((await action(context, options, command.args)) ?? EXIT_CODES.ok);
  });
}

/** Ends the command when a mutation was refused. */
export function assertNotRefused<T extends { readonly __typename: string }>(
  answer: T | RefusalView,
  wanted: T['__typename'],
): asserts answer is T {
  if (answer.__typename === wanted) return;
  const { code, message } = answer as RefusalView;
  throw new CliError(EXIT_CODES.failed, code, message);
}

/**
 * Reads a file or pipe that the command line names.
 * @throws CliError `file-unreadable`, also for a device, which might never end; `file-too-large`
 */
export function readInput(path: string, what: string, maxBytes: number): Uint8Array {
  let bytes: Uint8Array | undefined;
  try {
    const stats = statSync(path);
    if (!stats.isFile() && !stats.isFIFO()) throw new Error('it is neither a file nor a pipe');
    bytes = readAtMost(path, maxBytes);
  } catch (error) {
    const message = `${what} ${resolve(path)} cannot be read: ${clause((error as Error).message)}.`;
    throw new CliError(EXIT_CODES.usage, 'file-unreadable', message, 'Check the path.');
  }
  if (bytes !== undefined) return bytes;
  const message = `${what} ${resolve(path)} has more than ${maxBytes} bytes.`;
  throw new CliError(EXIT_CODES.usage, 'file-too-large', message, 'Check the path.');
}

/** The whole content, or undefined when it is longer; never reads more than a byte beyond. */
function readAtMost(path: string, maxBytes: number): Uint8Array | undefined {
  const file = openSync(path, 'r');
  try {
    const chunks: Uint8Array[] = [];
    let size = 0;
    for (;;) {
      const chunk = new Uint8Array(Math.min(CHUNK_BYTES, maxBytes + 1 - size));
      const count = readSync(file, chunk);
      if (count === 0) return Buffer.concat(chunks, size);
      size += count;
      if (size > maxBytes) return undefined;
      chunks.push(chunk.subarray(0, count));
    }
  } finally {
    closeSync(file);
  }
}

/** Writes a document as it is; returns the absolute path. */
export function writeOutput(path: string, document: string): string {
  try {
    writeFileSync(path, document);
  } catch (error) {
    const message = `${resolve(path)} cannot be written: ${clause((error as Error).message)}.`;
    const next = 'Name a path in a folder that exists.';
    throw new CliError(EXIT_CODES.usage, 'file-unwritable', message, next);
  }
  return resolve(path);
}

/** Parses a whole number of an option. */
export function wholeNumber(text: string, option: string, min: number, max: number): number {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  const message = `${option} is "${text}".`;
  const next = `Write a number from ${min} to ${max}.`;
  throw new CliError(EXIT_CODES.usage, 'option-invalid', message, next);
}
