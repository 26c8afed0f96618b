import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** A package of a lock file, as far as it is looked at. */
interface LockedPackage {
  readonly version?: string;
  readonly integrity?: string;
  readonly link?: boolean;
  readonly resolved?: string;
  readonly optional?: boolean;
  readonly peer?: boolean;
}

/**
 * True when everything that a tree's lock file names from outside the repository is installed in a checkout, in the
 * same version with the same content.
 */
export async function hasSamePackages(tree: string, checkout: string): Promise<boolean> {
  const wanted = await readPackages(join(tree, 'package-lock.json'));
  const installed = await readPackages(join(checkout, 'node_modules', '.package-lock.json'));
  if (wanted === undefined || installed === undefined) return false;
  return Object.entries(wanted).every(([path, { version, integrity, link, optional, peer }]) => {
    if (!path.includes('node_modules/') || link === true) return true;
    const present = installed[path];
    if (present === undefined) return optional === true || peer === true;
    return present.version === version && present.integrity === integrity;
  });
}

/**
 * Gives a tree the packages of a checkout: those from outside are links to the checkout's, the repository's own are
 * links into the tree itself.
 */
export async function linkPackages(tree: string, checkout: string): Promise<void> {
  const own = await listOwnPackages(tree);
  const scopes = new Set([...own.keys()].map((name) => name.split('/')[0]));
  const target = join(tree, 'node_modules');
  await mkdir(target);
  for (const entry of await readdir(join(checkout, 'node_modules'))) {
    if (entry.startsWith('.') || scopes.has(entry)) continue;
    await symlink(join(checkout, 'node_modules', entry), join(target, entry));
  }
  for (const [name, folder] of own) {
    await mkdir(dirname(join(target, name)), { recursive: true });
    await symlink(join(tree, folder), join(target, name));
    const nested = join(checkout, folder, 'node_modules');
    if (existsSync(nested)) await symlink(nested, join(tree, folder, 'node_modules'));
  }
}

/** Name to folder of the packages that the lock file says are the repository's own. */
async function listOwnPackages(tree: string): Promise<ReadonlyMap<string, string>> {
  const packages = (await readPackages(join(tree, 'package-lock.json'))) ?? {};
  return new Map(
    Object.entries(packages).flatMap(([path, { link, resolved }]): [string, string][] =>
      link === true && resolved !== undefined && path.startsWith('node_modules/')
        ? [[path.slice('node_modules/'.length), resolved]]
        : [],
    ),
  );
}

async function readPackages(
  path: string,
): Promise<Readonly<Record<string, LockedPackage>> | undefined> {
  try {
    const lock = JSON.parse(await readFile(path, 'utf8')) as { packages?: unknown };
    return lock.packages as Readonly<Record<string, LockedPackage>> | undefined;
  } catch {
    return undefined;
  }
}
