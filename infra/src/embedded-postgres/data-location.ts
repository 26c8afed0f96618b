import { createHash, randomBytes } from 'node:crypto';
import { chmod, chown, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { SYSTEM_FOLDER } from './postgres-binaries.ts';
import { EmbeddedPostgresError } from './postgres-error.ts';
import type { PostgresUser } from './postgres-user.ts';
import { isEnterableBy } from './postgres-user.ts';

const LOCATION_FILE = 'location.json';

/**
 * Where the data folder really is: at the path asked for, or, as root below a folder that other
 * users can't enter, in `/var/lib/sluice/<hash of the path>/postgres`. In that case the path asked
 * for holds `location.json` and nothing else; when that file is gone, the data there belong to a
 * folder that was deleted, and are set aside.
 */
export async function getDataLocation(
  dataDir: string,
  user: PostgresUser | undefined,
): Promise<string> {
  const asked = resolve(dataDir);
  if (user === undefined || (await isEnterableBy(dirname(asked), user))) {
    await mkdir(dirname(asked), { recursive: true });
    return asked;
  }
  const home = systemHomeOf(asked);
  const real = join(home, 'postgres');
  if (!(await isRecorded(asked))) {
    await rm(`${home}.old`, { recursive: true, force: true });
    await rename(home, `${home}.old`).catch(ignoreMissing);
  }
  await mkdir(home, { recursive: true });
  await chmod(home, 0o711);
  await mkdir(asked, { recursive: true });
  await writeFile(join(asked, LOCATION_FILE), `${JSON.stringify({ dataDir: real })}\n`);
  return real;
}

/** Deletes a data folder and its password wherever they are. Nothing must run on it. */
export async function removeEmbeddedPostgres(dataDir: string): Promise<void> {
  const asked = resolve(dataDir);
  if (await isRecorded(asked)) {
    await rm(systemHomeOf(asked), { recursive: true, force: true });
  }
  await rm(asked, { recursive: true, force: true });
  await rm(passwordFile(asked), { force: true });
}

/**
 * Reads the superuser's password beside the data folder (mode 600), or generates it when there are
 * no data yet.
 *
 * @throws EmbeddedPostgresError `postgres-password-missing` when there are data and no password.
 */
export async function getPassword(realDataDir: string, hasData: boolean): Promise<string> {
  const file = passwordFile(realDataDir);
  try {
    return (await readFile(file, 'utf8')).trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') {
      throw error;
    }
  }
  if (hasData) {
    throw new EmbeddedPostgresError(
      'postgres-password-missing',
      `The password of the Postgres data in ${realDataDir} is gone (${file}); restore it, or start from nothing with --reset.`,
    );
  }
  const password = randomBytes(24).toString('hex');
  await writeFile(file, `${password}\n`, { mode: 0o600 });
  return password;
}

/** Gives a folder or file to Postgres' user; nothing to do for an ordinary user. */
export async function giveTo(path: string, user: PostgresUser | undefined): Promise<void> {
  if (user !== undefined) {
    await chown(path, user.uid, user.gid);
  }
}

function passwordFile(dataDir: string): string {
  return `${dataDir}.password`;
}

function systemHomeOf(asked: string): string {
  const hash = createHash('sha256').update(asked).digest('hex').slice(0, 16);
  return join(SYSTEM_FOLDER, hash);
}

async function isRecorded(asked: string): Promise<boolean> {
  try {
    await readFile(join(asked, LOCATION_FILE));
    return true;
  } catch {
    return false;
  }
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') {
    throw error;
  }
}
