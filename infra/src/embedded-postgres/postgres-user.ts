import { execFile } from 'node:child_process';
import { readFile, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { EmbeddedPostgresError } from './postgres-error.ts';

/** The user that Postgres runs as when we are root: Postgres itself refuses to be root. */
export type PostgresUser = { readonly uid: number; readonly gid: number };

const USER_NAME = 'postgres';

/**
 * The user for Postgres: absent when we are an ordinary user (it then runs as we do); as root the
 * system user `postgres`, created when it is missing.
 *
 * @throws EmbeddedPostgresError `postgres-no-user` when it can be neither found nor created.
 */
export async function findPostgresUser(): Promise<PostgresUser | undefined> {
  if (process.getuid?.() !== 0) {
    return undefined;
  }
  const existing = await findUser();
  if (existing !== undefined) {
    return existing;
  }
  try {
    await promisify(execFile)('useradd', [
      ...['--system', '--user-group', '--no-create-home', '--home-dir', '/nonexistent'],
      ...['--shell', '/usr/sbin/nologin', USER_NAME],
    ]);
  } catch (error) {
    const raced = await findUser();
    if (raced !== undefined) {
      return raced;
    }
    throw new EmbeddedPostgresError(
      'postgres-no-user',
      `Postgres refuses to run as root and the user "${USER_NAME}" could not be created (${(error as Error).message.trim()}); create it, or start as an ordinary user.`,
      { cause: error },
    );
  }
  const created = await findUser();
  if (created === undefined) {
    throw new EmbeddedPostgresError(
      'postgres-no-user',
      `The user "${USER_NAME}" is not in /etc/passwd after useradd; create it, or start as an ordinary user.`,
    );
  }
  return created;
}

/**
 * Tells whether a user can enter a folder: every folder on the way to it lets that user pass. A
 * part that does not exist yet counts as passable, for it will be made passable.
 */
export async function isEnterableBy(path: string, user: PostgresUser): Promise<boolean> {
  for (let folder = path; ; folder = dirname(folder)) {
    const entry = await stat(folder).catch(() => undefined);
    if (entry !== undefined && !hasPassBit(entry, user)) {
      return false;
    }
    if (folder === dirname(folder)) {
      return true;
    }
  }
}

function hasPassBit(
  entry: { mode: number; uid: number; gid: number },
  { uid, gid }: PostgresUser,
): boolean {
  const bit = entry.uid === uid ? 0o100 : entry.gid === gid ? 0o010 : 0o001;
  return (entry.mode & bit) !== 0;
}

async function findUser(): Promise<PostgresUser | undefined> {
  const passwd = await readFile('/etc/passwd', 'utf8');
  const fields = passwd
    .split('\n')
    .map((line) => line.split(':'))
    .find(([name]) => name === USER_NAME);
  return fields === undefined ? undefined : { uid: Number(fields[2]), gid: Number(fields[3]) };
}
