import { spawn } from 'node:child_process';
import { chmod, mkdir, open, readFile, readlink, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { giveTo } from './data-location.ts';
import type { PostgresBinaries } from './postgres-binaries.ts';
import { EmbeddedPostgresError } from './postgres-error.ts';
import type { PostgresUser } from './postgres-user.ts';

/** The name of the superuser in every embedded database. */
export const SUPERUSER = 'postgres';

/**
 * Reads which major wrote a data folder; absent when there are no data.
 *
 * @throws EmbeddedPostgresError `postgres-other-major` naming the version to use and `--reset`.
 */
export async function findMajor(
  dataDir: string,
  binaries: PostgresBinaries,
): Promise<number | undefined> {
  let text: string;
  try {
    text = (await readFile(join(dataDir, 'PG_VERSION'), 'utf8')).trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      return undefined;
    }
    throw error;
  }
  if (text !== String(binaries.major)) {
    throw new EmbeddedPostgresError(
      'postgres-other-major',
      `The data in ${dataDir} were written by Postgres ${text}; this Sluice runs Postgres ${binaries.major}. ` +
        `Use a Sluice with Postgres ${text}, or start from nothing with --reset.`,
    );
  }
  return binaries.major;
}

/**
 * Makes a data folder with initdb, beside its place first, so that an interrupted one is never
 * taken for whole.
 */
export async function initialiseData(
  dataDir: string,
  password: string,
  binaries: PostgresBinaries,
  user: PostgresUser | undefined,
): Promise<void> {
  const fresh = `${dataDir}.new`;
  const passwordFile = `${dataDir}.initdb`;
  await rm(fresh, { recursive: true, force: true });
  await mkdir(fresh, { mode: 0o700 });
  await giveTo(fresh, user);
  try {
    await rm(passwordFile, { force: true });
    await writeFile(passwordFile, password, { mode: 0o600, flag: 'wx' });
    await giveTo(passwordFile, user);
    await runInitdb(binaries.initdb, fresh, passwordFile, user);
    await chmod(fresh, 0o700);
    await rm(dataDir, { recursive: true, force: true });
    await rename(fresh, dataDir);
  } finally {
    await rm(passwordFile, { force: true });
    await rm(fresh, { recursive: true, force: true });
  }
}

/**
 * Removes a `postmaster.pid` that a crash left behind. Postgres trusts any living process with that
 * id; we look whether it is a postgres on this folder.
 *
 * @throws EmbeddedPostgresError `postgres-folder-in-use` naming the process when one really runs
 *   there.
 */
export async function clearStaleLock(dataDir: string): Promise<void> {
  const file = join(dataDir, 'postmaster.pid');
  const content = await readFile(file, 'utf8').catch(() => undefined);
  if (content === undefined) {
    return;
  }
  const pid = Number.parseInt(content, 10);
  if (await isPostmasterOf(pid, dataDir)) {
    throw new EmbeddedPostgresError(
      'postgres-folder-in-use',
      `A Postgres (process ${pid}) already runs on ${dataDir}; stop the Sluice that started it, or end that process.`,
    );
  }
  await rm(file, { force: true });
}

/**
 * Tells whether a process is a Postgres on that data folder. Without /proc the lock file is
 * believed when the process lives.
 */
export async function isPostmasterOf(pid: number, dataDir: string): Promise<boolean> {
  try {
    const folder = await readlink(`/proc/${pid}/cwd`);
    const command = await readFile(`/proc/${pid}/comm`, 'utf8');
    return folder === dataDir && command.trim() === 'postgres';
  } catch {
    if (process.platform === 'linux') {
      return false;
    }
  }
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function runInitdb(
  initdb: string,
  dataDir: string,
  passwordFile: string,
  user: PostgresUser | undefined,
): Promise<void> {
  const args = [
    ...['--pgdata', dataDir, '--username', SUPERUSER, '--pwfile', passwordFile],
    ...['--auth', 'scram-sha-256', '--encoding', 'UTF8', '--no-instructions'],
    ...['--locale-provider', 'builtin', '--builtin-locale', 'C.UTF-8', '--locale', 'C'],
  ];
  let output = '';
  const status = await new Promise<number | null>((resolve, reject) => {
    const child = spawn(initdb, args, {
      ...user,
      cwd: '/',
      env: { PATH: '/usr/bin:/bin', TZ: 'UTC', LC_ALL: 'C' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.once('error', reject);
    child.once('close', resolve);
  });
  if (status !== 0) {
    throw new EmbeddedPostgresError(
      'postgres-initialise-failed',
      `initdb could not make ${dataDir}: ${output.trim().split('\n').slice(-4).join(' | ')}`,
    );
  }
}

/** Reads what was appended to a log since an offset. */
export async function readLogSince(file: string, offset: number): Promise<string> {
  const log = await open(file, 'r');
  try {
    const { size } = await log.stat();
    const buffer = Buffer.alloc(Math.min(Math.max(size - offset, 0), 65_536));
    await log.read(buffer, 0, buffer.length, Math.max(offset, size - buffer.length));
    return buffer.toString('utf8');
  } finally {
    await log.close();
  }
}
