import { mkdir, mkdtemp, realpath, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Nix } from '../nix.ts';
import { isNixError, NixError, printable } from '../nix-error.ts';
import { storeArguments } from '../run/nix-environment.ts';
import { runNix } from '../run/run-nix.ts';
import { BuildRoots, type KeptBuilds } from './build-roots.ts';
import { StorePresence } from './store-presence.ts';

/** A build in a store that is kept. */
export interface KeptUse {
  /** Where Nix is to make the root of what is built. */
  readonly root: string;
  /** What was built has been exported: from now on it is kept by number and age. */
  exported(storePath: string): Promise<void>;
}

/** Bounds of a collection. */
export interface CollectOptions extends KeptBuilds {
  /** It is ended then, and goes on another time. Milliseconds. */
  readonly timeoutMs: number;
  /** Not before so much has passed since the last one. Milliseconds. */
  readonly everyMs: number;
  readonly signal?: AbortSignal;
}

/** What came of an attempt to collect. */
export type Collected =
  | { readonly outcome: 'collected'; readonly droppedRoots: number; readonly freed: string }
  /** Collected not long ago, or this store is not ours to collect. */
  | { readonly outcome: 'not-due' }
  /** Somebody builds, or collects. */
  | { readonly outcome: 'busy' }
  /** A build began, or time was over: what was freed until then is free. */
  | { readonly outcome: 'interrupted' };

/** Looks after a store, so that builds are not taken while they are needed, and are when they are not. */
export interface StoreKeeper {
  /**
   * Does what needs the store. While it runs nothing is collected, by no worker that has this store.
   * @param key of the build, the same for each attempt
   */
  use<T>(key: string, work: (use: KeptUse) => Promise<T>, signal?: AbortSignal): Promise<T>;
  /** Takes what no root holds, where nothing builds. */
  collect(options: CollectOptions): Promise<Collected>;
}

/** A collection looks so often whether somebody wants to build. Milliseconds. */
const LOOK_MS = 500;
/** One that was interrupted is begun again after that. Milliseconds. */
const RETRY_MS = 3_600_000;
const FREED = /([0-9.]+ [KMGT]?i?B) freed/;

/** The keeper of a store; only one of our own is ever collected. */
export function createStoreKeeper(nix: Nix): StoreKeeper {
  return nix.store.kind === 'own' ? new OwnStore(nix, nix.store.folder) : createGuest(nix);
}

/** In the machine's store: a root holds what is built until it is exported, and its garbage is its owner's. */
function createGuest(nix: Nix): StoreKeeper {
  return {
    use: async (_key, work) => {
      await mkdir(nix.scratch, { recursive: true, mode: 0o700 });
      const folder = await mkdtemp(join(await realpath(nix.scratch), 'root-'));
      try {
        return await work({ root: join(folder, 'root'), exported: async () => undefined });
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    },
    collect: async () => ({ outcome: 'not-due' }),
  };
}

class OwnStore implements StoreKeeper {
  readonly #nix: Nix;
  readonly #folder: string;
  readonly #presence: StorePresence;
  readonly #roots: BuildRoots;

  constructor(nix: Nix, folder: string) {
    this.#nix = nix;
    this.#folder = join(folder, 'sluice');
    this.#presence = new StorePresence(this.#folder);
    this.#roots = new BuildRoots(join(folder, 'var', 'nix', 'gcroots'));
  }

  async use<T>(key: string, work: (use: KeptUse) => Promise<T>, signal?: AbortSignal): Promise<T> {
    const end = await this.#presence.use(signal);
    try {
      return await work({
        root: this.#roots.rootOf(key),
        exported: (storePath) => this.#roots.keep(key, storePath),
      });
    } finally {
      await end();
    }
  }

  async collect(options: CollectOptions): Promise<Collected> {
    if (!(await this.#isDue(options.everyMs))) return { outcome: 'not-due' };
    const end = await this.#presence.collect();
    if (end === undefined) return { outcome: 'busy' };
    const over = new AbortController();
    const onAbort = (): void => over.abort();
    options.signal?.addEventListener('abort', onAbort, { once: true });
    if (options.signal?.aborted === true) onAbort();
    const watching = this.#giveWay(over);
    try {
      // What ends before its time is not begun again at once: builds would meet it each time.
      await this.#noteCollection(
        Date.now() - options.everyMs + Math.min(options.everyMs, RETRY_MS),
      );
      const droppedRoots = await this.#roots.drop(options);
      const freed = await this.#collectGarbage(options, over);
      await this.#noteCollection(Date.now());
      return { outcome: 'collected', droppedRoots, freed };
    } catch (error) {
      if (isNixError(error) && (error.code === 'nix-cancelled' || error.code === 'nix-timeout')) {
        return { outcome: 'interrupted' };
      }
      throw error;
    } finally {
      options.signal?.removeEventListener('abort', onAbort);
      over.abort();
      await watching;
      await end();
    }
  }

  /** Ends the collection when somebody wants to build. */
  async #giveWay(over: AbortController): Promise<void> {
    while (!over.signal.aborted) {
      if (await this.#presence.isUsed()) over.abort();
      else await sleep(LOOK_MS, undefined, { signal: over.signal }).catch(() => undefined);
    }
  }

  async #collectGarbage({ timeoutMs }: CollectOptions, over: AbortController): Promise<string> {
    let last = '';
    const { status, stdout } = await runNix(this.#nix, {
      program: 'nix-store',
      args: [
        ...storeArguments(this.#nix.store),
        '--gc',
        // What a kept build was made of: without it the next build of the same begins at the very beginning.
        ...['--option', 'keep-derivations', 'true', '--option', 'keep-outputs', 'true'],
      ],
      signal: over.signal,
      timeoutMs,
      maxOutputBytes: MOST_SAID_BYTES,
      onLine: ({ text }) => {
        last = text;
      },
    });
    if (status === 0) return FREED.exec(`${last}\n${stdout.slice(-1000)}`)?.[1] ?? 'nothing';
    throw new NixError(
      'nix-failed',
      `The garbage of the Nix store in ${this.#folder} was not collected: ${printable(last, 300)}`,
    );
  }

  async #isDue(everyMs: number): Promise<boolean> {
    const last = await stat(this.#noteFile).catch(() => undefined);
    if (last !== undefined || everyMs === 0) return Date.now() - (last?.mtimeMs ?? 0) >= everyMs;
    // Of a store that was never kept nobody knows what it holds: workers of before roots were made may still build in it.
    await this.#noteCollection(Date.now());
    return false;
  }

  async #noteCollection(at: number): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    await writeFile(this.#noteFile, '', { mode: 0o600 });
    await utimes(this.#noteFile, new Date(at), new Date(at));
  }

  get #noteFile(): string {
    return join(this.#folder, 'collected');
  }
}

/** It names each path that it takes. */
const MOST_SAID_BYTES = 64 * 1024 * 1024;
