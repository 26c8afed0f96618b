import { constants, type Stats } from 'node:fs';
import { type FileHandle, lstat, open } from 'node:fs/promises';
import type { OutputProblemCode } from './sandbox-run.ts';

const MOST_PARTS = 64;
const LONGEST_PATH = 1024;

/** A file that a script left is not one that can be taken. */
export class OutputProblem extends Error {
  readonly code: OutputProblemCode;

  constructor(code: OutputProblemCode, message: string) {
    super(message);
    this.name = 'OutputProblem';
    this.code = code;
  }
}

/** True for `a/b.txt`: relative, without empty, `.` or `..` parts, and of bounded length. */
export function isContainedPath(path: string): boolean {
  const parts = path.split('/');
  return (
    path.length <= LONGEST_PATH &&
    !path.includes('\0') &&
    parts.length <= MOST_PARTS &&
    parts.every((part) => part !== '' && part !== '.' && part !== '..')
  );
}

/**
 * Opens a regular file below an open folder for reading. No link is followed on the way, a pipe or device is not opened, a file
 * with a second name is not taken: it need not be the script's.
 *
 * @param path of {@link isContainedPath}
 * @throws OutputProblem
 */
export async function openContained(
  root: FileHandle,
  path: string,
  mostBytes: number,
): Promise<{ readonly file: FileHandle; readonly bytes: number }> {
  const parts = path.split('/');
  const name = parts.pop() ?? '';
  const folders: FileHandle[] = [];
  try {
    let folder = root;
    for (const part of parts) {
      folder = await openFolder(folder, part, path);
      folders.push(folder);
    }
    return await openFile(childOf(folder, name), path, mostBytes);
  } finally {
    for (const folder of folders) await folder.close();
  }
}

async function openFile(
  at: string,
  path: string,
  mostBytes: number,
): Promise<{ readonly file: FileHandle; readonly bytes: number }> {
  const found = await attempt(lstat(at), path);
  assertTakeable(found, path, mostBytes);
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const file = await attempt(open(at, flags), path);
  try {
    const opened = await file.stat();
    assertTakeable(opened, path, mostBytes);
    return { file, bytes: opened.size };
  } catch (error) {
    await file.close();
    throw error;
  }
}

function assertTakeable(stats: Stats, path: string, mostBytes: number): void {
  if (stats.isSymbolicLink()) {
    throw new OutputProblem(
      'output-linked',
      `"${path}" is a symbolic link, which is not followed; copy the file.`,
    );
  }
  if (!stats.isFile()) {
    throw new OutputProblem('output-not-a-file', `"${path}" is not a regular file.`);
  }
  if (stats.nlink !== 1) {
    throw new OutputProblem(
      'output-linked',
      `"${path}" is a file with ${stats.nlink} names (hard links); copy it.`,
    );
  }
  if (stats.size > mostBytes) {
    throw new OutputProblem(
      'output-too-large',
      `"${path}" has ${stats.size} bytes, more than the ${mostBytes} that are taken.`,
    );
  }
}

async function openFolder(parent: FileHandle, name: string, path: string): Promise<FileHandle> {
  const at = childOf(parent, name);
  const stats = await attempt(lstat(at), path);
  if (stats.isSymbolicLink()) {
    throw new OutputProblem(
      'output-linked',
      `"${name}" in "${path}" is a symbolic link, which is not followed.`,
    );
  }
  const flags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
  return await attempt(open(at, flags), path);
}

/** Node has no openat(2); this names the child of exactly the folder that is open. */
function childOf(folder: FileHandle, name: string): string {
  return `/proc/self/fd/${folder.fd}/${name}`;
}

async function attempt<Value>(action: Promise<Value>, path: string): Promise<Value> {
  try {
    return await action;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown';
    if (code === 'ENOENT') {
      throw new OutputProblem('output-missing', `The script left no file "${path}".`);
    }
    throw new OutputProblem('output-unreadable', `"${path}" cannot be read (${code}).`);
  }
}
