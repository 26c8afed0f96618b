import { createHash } from 'node:crypto';
import { lstat, mkdir, readdir, rename, rm, symlink } from 'node:fs/promises';
import { basename, join } from 'node:path';

/** What is kept of builds whose closures were exported. */
export interface KeptBuilds {
  /** The newest ones. */
  readonly builds: number;
  /** At most so old. */
  readonly milliseconds: number;
}

/** A build that nobody came back to for so long is given up. Milliseconds. */
const PENDING_HOLDS_MS = 14 * 24 * 60 * 60 * 1000;

/**
 * The roots of builds in a store of our own. A build that was not exported yet is pending: whatever the bounds say, it is kept, for its next attempt
 * goes on from there. What was exported is kept by number and age, one root for each store path.
 */
export class BuildRoots {
  readonly #pending: string;
  readonly #kept: string;

  /** @param rootsFolder of Nix: `<state>/gcroots` */
  constructor(rootsFolder: string) {
    this.#pending = join(rootsFolder, 'sluice', 'pending');
    this.#kept = join(rootsFolder, 'sluice', 'kept');
  }

  /**
   * Where the root of a build is to be made.
   * @param key of the build, the same for each attempt
   */
  rootOf(key: string): string {
    // Nix makes its folder, and must be the first to make the one above it.
    return join(this.#pending, nameOf(key));
  }

  /** The build's closure was exported: its root is one of those that are kept by number and age. */
  async keep(key: string, storePath: string): Promise<void> {
    const name = nameOf(key);
    await mkdir(this.#kept, { recursive: true });
    const link = join(this.#kept, basename(storePath));
    const made = join(this.#kept, `.${name}`);
    await rm(made, { force: true });
    await symlink(storePath, made);
    // Renamed over the one of before: it is as young as this build.
    await rename(made, link);
    for (const root of await readdir(this.#pending).catch(() => [])) {
      if (root === name || root.startsWith(`${name}-`)) {
        await rm(join(this.#pending, root), { force: true });
      }
    }
  }

  /** Drops roots beyond the bounds; gives how many. */
  async drop({ builds, milliseconds }: KeptBuilds, now: number = Date.now()): Promise<number> {
    const kept = await listRoots(this.#kept);
    const beyond = kept.filter(({ at }, index) => index >= builds || now - at > milliseconds);
    const pending = await listRoots(this.#pending);
    const left = pending.filter(({ at }) => now - at > PENDING_HOLDS_MS);
    for (const { path } of [...beyond, ...left]) await rm(path, { force: true });
    return beyond.length + left.length;
  }
}

function nameOf(key: string): string {
  return createHash('sha256').update(key).digest('hex').slice(0, 32);
}

/** Newest first. */
async function listRoots(
  folder: string,
): Promise<readonly { readonly path: string; readonly at: number }[]> {
  const roots: { path: string; at: number }[] = [];
  for (const name of await readdir(folder).catch(() => [])) {
    const path = join(folder, name);
    const found = await lstat(path).catch(() => undefined);
    if (found?.isSymbolicLink() === true) roots.push({ path, at: found.mtimeMs });
  }
  return roots.sort((left, right) => right.at - left.at || (left.path < right.path ? -1 : 1));
}
