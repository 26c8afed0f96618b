import { execFile } from 'node:child_process';
import { constants, openSync } from 'node:fs';
import { chown, type FileHandle, mkdtemp, open, rm } from 'node:fs/promises';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { SandboxUser } from './sandbox-host.ts';
import type { LogStream } from './sandbox-run.ts';

/** Both ends of a pipe for a stream. */
export interface LogPipe {
  readonly reader: Socket;
  /** To be closed here once the child has it. */
  readonly writer: FileHandle;
}

/**
 * Pipes for standard output and error. Real ones: Node would give a child sockets, which a script cannot open again by
 * `> /dev/stderr`. They are named only for the moment of their making.
 */
export async function openLogPipes(
  user: SandboxUser | undefined,
): Promise<Readonly<Record<LogStream, LogPipe>>> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-log-'));
  try {
    const stdout = await openPipe(join(folder, 'stdout'), user);
    try {
      return { stdout, stderr: await openPipe(join(folder, 'stderr'), user) };
    } catch (error) {
      stdout.reader.destroy();
      await stdout.writer.close();
      throw error;
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function openPipe(path: string, user: SandboxUser | undefined): Promise<LogPipe> {
  await promisify(execFile)('mkfifo', ['-m', '600', path], { timeout: 10_000 });
  if (user !== undefined) await chown(path, user.uid, user.gid);
  // A bare descriptor: the socket closes it, and a FileHandle would close it once more. Opens at once, without a writer.
  const descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const reader = new Socket({ fd: descriptor, readable: true, writable: false });
  try {
    return { reader, writer: await open(path, constants.O_WRONLY) };
  } catch (error) {
    reader.destroy();
    throw error;
  }
}
