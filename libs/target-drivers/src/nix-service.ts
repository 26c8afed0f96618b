import { constants } from 'node:fs';
import { access, lstat, readdir, readlink, stat } from 'node:fs/promises';
import { delimiter, dirname, isAbsolute, join, normalize } from 'node:path';
import { DriverError } from './driver-error.ts';
import type { ImageCommand } from './image-command.ts';

/** What is run of a store path. */
export const START_PROGRAM = 'bin/start';

/** Links that are followed to find a program; Linux itself stops at 40. */
const MAX_LINKS = 40;

/** Store paths of one store, and where they really lie. */
export interface MountedStore {
  /** Folder that is part of the store paths. */
  readonly storeDir: string;
  /** Absolute; where they lie on this host. */
  readonly folder: string;
}

/** True where a store path has an executable {@link START_PROGRAM}; links within the store are followed to where its paths lie. */
export async function hasStartProgram(storePath: string, store: MountedStore): Promise<boolean> {
  let path = join(storePath, START_PROGRAM);
  for (let links = 0; links < MAX_LINKS; links += 1) {
    const place = placeOf(path, store);
    try {
      if (!(await lstat(place)).isSymbolicLink()) {
        await access(place, constants.X_OK);
        return (await stat(place)).isFile();
      }
      const target = await readlink(place);
      path = normalize(isAbsolute(target) ? target : join(dirname(path), target));
    } catch {
      return false;
    }
  }
  return false;
}

function placeOf(path: string, { storeDir, folder }: MountedStore): string {
  return path.startsWith(`${storeDir}/`) ? join(folder, path.slice(storeDir.length + 1)) : path;
}

/**
 * The command that runs a store path's service. Store paths name each other by their whole path, so where they lie elsewhere the service
 * gets them mounted at the store's folder, for itself alone and read-only, by bubblewrap; it is not locked in: everything else of the host
 * is there for it, as it is for every service.
 * @param searchPath where bubblewrap is looked for
 * @throws DriverError `nix-store-unmountable`
 */
export async function nixCommand(
  storePath: string,
  store: MountedStore,
  searchPath: string,
): Promise<ImageCommand> {
  const program = join(storePath, START_PROGRAM);
  const { storeDir, folder } = store;
  if (storeDir === folder) return [program];
  const bubblewrap = await findProgram('bwrap', searchPath);
  if (bubblewrap === undefined) {
    throw new DriverError(
      'nix-store-unmountable',
      `The release's files lie in ${folder} and have to be seen in ${storeDir}: install bubblewrap on this host, or set SLUICE_AGENT_NIX_STORE to ${storeDir} where there is no Nix.`,
    );
  }
  const host = await hostBinds(storeDir);
  const mount = ['--ro-bind', folder, storeDir, '--chdir', storePath];
  return [bubblewrap, ...host, ...mount, '--', program];
}

/** The whole host as it is. Where the store's folder is not there, its first folder is made for the service alone, not on the host. */
async function hostBinds(storeDir: string): Promise<readonly string[]> {
  const isThere = await stat(storeDir).then(
    (found) => found.isDirectory(),
    () => false,
  );
  const names = await readdir('/');
  const first = storeDir.split('/')[1] ?? '';
  if (isThere || names.includes(first)) return ['--dev-bind', '/', '/'];
  const binds: string[] = [];
  for (const name of names) {
    const path = `/${name}`;
    if ((await lstat(path)).isSymbolicLink()) binds.push('--symlink', await readlink(path), path);
    else binds.push('--dev-bind', path, path);
  }
  return binds;
}

async function findProgram(name: string, searchPath: string): Promise<string | undefined> {
  for (const folder of searchPath.split(delimiter).filter(isAbsolute)) {
    const path = join(folder, name);
    try {
      await access(path, constants.X_OK);
      if ((await stat(path)).isFile()) return path;
    } catch {
      // The next folder may have it.
    }
  }
  return undefined;
}
