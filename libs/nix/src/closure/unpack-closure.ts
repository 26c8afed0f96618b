import { randomUUID } from 'node:crypto';
import { chmod, link, lstat, mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { sumPath } from '../nar/nar-digest.ts';
import type { NarEvent } from '../nar/read-nar.ts';
import { restoreNar } from '../nar/restore-nar.ts';
import { NixError, printable } from '../nix-error.ts';
import { parseStorePath } from '../store-path.ts';
import type { ClosureLimits } from './closure-limits.ts';
import { orderMembers } from './closure-members.ts';
import type { ClosureArchive } from './export-closure.ts';
import type { ClosureMember } from './narinfo.ts';
import { type ClosureSink, type ExpectedClosure, readClosure } from './read-closure.ts';

/** A closure that lies in a folder. */
export interface UnpackedClosure extends ClosureArchive {
  /** Store paths that were there already, and are what they should be. */
  readonly present: readonly string[];
}

/** How an archive is unpacked. */
export interface UnpackOptions {
  readonly expected: ExpectedClosure;
  /**
   * Where the store paths come to lie; made when absent. What refers to other store paths by name finds
   * them only when this is the store's folder, or is mounted there.
   */
  readonly folder: string;
  /** Refuses an archive of another store; absent takes any. */
  readonly storeDir?: string;
  readonly limits?: ClosureLimits;
  /**
   * Called with a store path's place when something else is there; must take it away, and the store path is unpacked anew. For a folder
   * that has nobody else's. Refused with `store-path-differs` when absent.
   */
  readonly clearPlace?: (place: string) => Promise<void>;
}

/**
 * Unpacks a closure's archive without Nix. Everything is unpacked beside its place and verified; only then
 * store paths appear, whole and after all that they refer to. So what can be seen is complete, whenever
 * this is interrupted, and doing it again goes on. What is there already is held against its hash.
 * @throws NixError as {@link readClosure}; `store-path-differs` when something else has a store path's
 *   place: it may be in use, so it is left alone; `closure-store-differs`
 */
export async function unpackClosure(
  source: AsyncIterable<Uint8Array>,
  options: UnpackOptions,
): Promise<UnpackedClosure> {
  await mkdir(options.folder, { recursive: true, mode: 0o755 });
  const staging = join(options.folder, `.sluice-import-${randomUUID()}`);
  await mkdir(staging, { mode: 0o700 });
  try {
    const sink = new FolderSink(options, staging);
    const archive = await readClosure(source, options.expected, sink, options.limits);
    for (const member of orderMembers(archive.members)) await sink.publish(member);
    await syncFolder(options.folder);
    return { ...archive, present: [...sink.present] };
  } finally {
    await removeTree(staging);
  }
}

/** Unpacks into a folder of its own first. */
class FolderSink implements ClosureSink {
  readonly #options: UnpackOptions;
  readonly #staging: string;
  readonly present = new Set<string>();
  #storeDir = '';

  constructor(options: UnpackOptions, staging: string) {
    this.#options = options;
    this.#staging = staging;
  }

  async begin(storeDir: string, members: readonly ClosureMember[]): Promise<void> {
    assertSameStore(storeDir, this.#options.storeDir);
    this.#storeDir = storeDir;
    for (const member of members) {
      if (await this.#isPresent(member)) this.present.add(member.storePath);
    }
  }

  async member(member: ClosureMember, events: AsyncIterable<NarEvent>): Promise<void> {
    if (!this.present.has(member.storePath)) {
      await restoreNar(events, join(this.#staging, this.#baseName(member)));
      return;
    }
    const iterator = events[Symbol.asyncIterator]();
    while ((await iterator.next()).done !== true);
  }

  async publish(member: ClosureMember): Promise<void> {
    if (this.present.has(member.storePath)) return;
    const baseName = this.#baseName(member);
    const staged = join(this.#staging, baseName);
    const place = join(this.#options.folder, baseName);
    try {
      if ((await lstat(staged)).isDirectory()) {
        // Moving a folder changes its own "..", for which only root needs no permission.
        await chmod(staged, 0o755);
        await rename(staged, place);
        await chmod(place, 0o555);
      } else {
        // A rename would replace what is there without a word.
        await link(staged, place);
      }
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'EEXIST' && code !== 'ENOTEMPTY' && code !== 'ENOTDIR') throw error;
      if (await this.#isPresent(member)) this.present.add(member.storePath);
      else throw error;
    }
  }

  #baseName(member: ClosureMember): string {
    return parseStorePath(member.storePath, this.#storeDir).baseName;
  }

  async #isPresent(member: ClosureMember): Promise<boolean> {
    const place = join(this.#options.folder, this.#baseName(member));
    try {
      await lstat(place);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
      throw error;
    }
    const { clearPlace, limits } = this.#options;
    const found = await sumPath(place, limits?.nar).catch((error: unknown) => {
      if (clearPlace === undefined) throw error;
      return undefined;
    });
    if (found?.hash.digest === member.narHash) return true;
    if (clearPlace !== undefined) {
      await clearPlace(place);
      return false;
    }
    throw new NixError(
      'store-path-differs',
      `"${printable(place)}" is there with the NAR hash ${found?.hash.digest}, the closure has ${member.narHash}. Nothing was changed. When nothing uses it, remove it and import again.`,
      { path: printable(place) },
    );
  }
}

/** @throws NixError `closure-store-differs` */
export function assertSameStore(found: string, wanted: string | undefined): void {
  if (wanted === undefined || wanted === found) return;
  throw new NixError(
    'closure-store-differs',
    `The closure is of the store ${printable(found)}, not of ${printable(wanted)}; its paths would lead nowhere. Build it with a Nix whose store is ${printable(wanted)}.`,
  );
}

/** Removes a tree whose folders are read-only, as store paths are; one that is not there is fine. */
export async function removeTree(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true });
  } catch {
    await makeWritable(path);
    await rm(path, { recursive: true, force: true });
  }
}

async function makeWritable(path: string): Promise<void> {
  await chmod(path, 0o700);
  for (const entry of await readdir(path, { withFileTypes: true })) {
    if (entry.isDirectory()) await makeWritable(join(path, entry.name));
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
