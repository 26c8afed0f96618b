import { existsSync, readdirSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { MAX_PIPELINE_BYTES } from '@sluice/pipeline';
import type { CliIo } from './cli-io.ts';
import { readInput } from './command-context.ts';
import { CliError, EXIT_CODES } from './exit-codes.ts';
import { readGitFile } from './pipeline-git-file.ts';
import { clause } from './text-layout.ts';

/** Files of one command line: more are refused. */
export const MAX_PIPELINE_FILES = 1000;

/** Bytes of all of them together. */
const MAX_TOTAL_BYTES = 64 * 1024 * 1024;

/** Standard input on the command line, and in what is said about it. */
const STANDARD_INPUT = '-';

const PIPELINE_FILE = /\.(?:yaml|yml|json)$/;

/** A text that should be a pipeline. */
export interface PipelineSource {
  /** As problems name it; `-` for standard input. */
  readonly file: string;
  readonly bytes: Uint8Array;
}

/** Where `-` is read from; the process's own standard input when absent. */
export interface PipelineIo extends CliIo {
  readonly stdin?: AsyncIterable<Uint8Array>;
}

/**
 * Reads what a command line names, each once, in its order: files, pipes, `-`, `<ref>:<path>` of a git ref, and folders, which stand for the
 * `.yaml`, `.yml` and `.json` files directly in them, sorted.
 * @throws CliError `file-unreadable`, `file-too-large`, `files-too-many`, `no-pipeline-found`, `git-…`
 */
export async function readSources(
  io: PipelineIo,
  words: readonly string[],
): Promise<readonly PipelineSource[]> {
  const files = words.flatMap((word) => (isFolder(word) ? listFolder(word) : [word]));
  const once = new Map(files.map((file) => [file === STANDARD_INPUT ? file : resolve(file), file]));
  if (once.size > MAX_PIPELINE_FILES) {
    const message = `There are ${once.size} files; at most ${MAX_PIPELINE_FILES} are taken at once.`;
    throw new CliError(EXIT_CODES.usage, 'files-too-many', message, 'Name fewer.');
  }
  const sources: PipelineSource[] = [];
  let total = 0;
  for (const file of once.values()) {
    const bytes = await readBytes(io, file);
    total += bytes.length;
    if (total > MAX_TOTAL_BYTES) {
      const message = `The files have more than ${MAX_TOTAL_BYTES} bytes together.`;
      throw new CliError(EXIT_CODES.usage, 'file-too-large', message, 'Name fewer.');
    }
    sources.push({ file, bytes });
  }
  return sources;
}

/**
 * Reads one pipeline: anything that {@link readSources} reads but a folder.
 * @throws CliError as {@link readSources}
 */
export async function readSource(io: PipelineIo, word: string): Promise<PipelineSource> {
  return { file: word, bytes: await readBytes(io, word) };
}

function readBytes(io: PipelineIo, word: string): Promise<Uint8Array> | Uint8Array {
  if (word === STANDARD_INPUT) return readStandardInput(io.stdin ?? process.stdin);
  // What is there is a file, whatever its name.
  if (word.includes(':') && !existsSync(word)) return readGitFile(word, MAX_PIPELINE_BYTES);
  return readInput(word, 'The pipeline', MAX_PIPELINE_BYTES);
}

async function readStandardInput(stdin: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const chunk of stdin) {
      chunks.push(chunk);
      size += chunk.length;
      if (size > MAX_PIPELINE_BYTES) break;
    }
  } catch (error) {
    const message = `Standard input cannot be read: ${clause((error as Error).message)}.`;
    throw new CliError(EXIT_CODES.usage, 'file-unreadable', message, 'Name a file.');
  }
  if (size <= MAX_PIPELINE_BYTES) return Buffer.concat(chunks);
  const message = `Standard input has more than ${MAX_PIPELINE_BYTES} bytes; no pipeline has so many.`;
  throw new CliError(EXIT_CODES.usage, 'file-too-large', message, 'Check what writes it.');
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

function listFolder(folder: string): readonly string[] {
  let names: readonly string[];
  try {
    names = readdirSync(folder);
  } catch (error) {
    const message = `The folder ${resolve(folder)} cannot be read: ${clause((error as Error).message)}.`;
    throw new CliError(EXIT_CODES.usage, 'file-unreadable', message, 'Check the path.');
  }
  const files = names
    .filter((name) => PIPELINE_FILE.test(name))
    .sort()
    .map((name) => join(folder, name))
    .filter((path) => !isFolder(path));
  if (files.length > 0) return files;
  const message = `There is no .yaml, .yml or .json file in ${resolve(folder)}.`;
  const next = 'Name a folder that has some; folders in it are not looked into.';
  throw new CliError(EXIT_CODES.usage, 'no-pipeline-found', message, next);
}
