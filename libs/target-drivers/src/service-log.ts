import { copyFile, mkdir, open, rename, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';

/** A service's log file does not grow over this; with the one before it, twice as much is kept. Bytes. */
export const MAX_LOG_BYTES = 5 * 1024 * 1024;

/** Standard output and error of a service: files, for a service outlives its agent. */
export interface ServiceLog {
  /** Opened for appending: truncation by the agent then takes effect for the running service too. */
  open(): Promise<{ readonly out: number; readonly err: number; close(): Promise<void> }>;
  /** Moves what is over the bound aside. Lines written in that moment may be lost. */
  bound(): Promise<void>;
  /** The last lines of standard error, for a message; empty when there is none. */
  tail(): Promise<string>;
}

/** The log in a folder, which is made: `stdout.log`, `stderr.log` and one earlier file of each. */
export function createServiceLog(folder: string, maxBytes = MAX_LOG_BYTES): ServiceLog {
  const out = join(folder, 'stdout.log');
  const err = join(folder, 'stderr.log');
  return {
    async open() {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      const files = [await open(out, 'a', 0o600), await open(err, 'a', 0o600)] as const;
      return {
        out: files[0].fd,
        err: files[1].fd,
        async close() {
          for (const file of files) await file.close();
        },
      };
    },
    async bound() {
      for (const path of [out, err]) {
        const found = await stat(path).catch(() => undefined);
        if (found === undefined || found.size <= maxBytes) continue;
        await copyFile(path, `${path}.1.tmp`);
        await truncate(path);
        await rename(`${path}.1.tmp`, `${path}.1`);
      }
    },
    async tail() {
      const file = await open(err, 'r').catch(() => undefined);
      if (file === undefined) return '';
      try {
        const { size } = await file.stat();
        const length = Math.min(size, 4000);
        const { buffer } = await file.read(Buffer.alloc(length), 0, length, size - length);
        const lines = buffer.toString('utf8').split('\n');
        // A stack trace would push out the line that says what happened.
        const telling = lines.filter((line) => line.trim() !== '' && !/^\s+at /.test(line));
        return telling.slice(-5).join(' | ').slice(-500);
      } finally {
        await file.close();
      }
    },
  };
}
