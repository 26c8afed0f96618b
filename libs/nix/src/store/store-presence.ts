import { randomUUID } from 'node:crypto';
import { mkdir, readdir, rename, rm, rmdir, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { NixError } from '../nix-error.ts';

/** A mark is renewed as often as that, and means nothing when it was not for a while: its process is gone, or stands still. Milliseconds. */
const RENEW_MS = 15_000;
const MARK_HOLDS_MS = 120_000;
const LOOK_MS = 200;
/** A collection that is asked to stop has by then. */
const LONGEST_WAIT_MS = 180_000;

/**
 * Who uses a store and who collects its garbage, told between processes by files beside it. Each first says what it is about to do and then looks what
 * the other says, so that one of two always sees the other; who collects gives way.
 */
export class StorePresence {
  readonly #folder: string;

  /** @param folder for the marks, of this store alone */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /**
   * Marks the store as used; waits until nobody collects.
   * @returns ends the use
   * @throws NixError `nix-store-busy`; the signal's reason
   */
  async use(signal?: AbortSignal): Promise<() => Promise<void>> {
    const file = join(this.#usersFolder, randomUUID());
    await mkdir(this.#usersFolder, FOR_OWNER);
    await writeFile(file, '', { mode: 0o600 });
    const mark = keepMark(file);
    try {
      const end = Date.now() + LONGEST_WAIT_MS;
      while (await isAnyHeld(this.#collectingFolder)) {
        signal?.throwIfAborted();
        if (Date.now() > end) throw busy(this.#folder);
        await sleep(LOOK_MS);
      }
      return mark;
    } catch (error) {
      await mark();
      throw error;
    }
  }

  /** True while somebody uses the store; forgets those who are gone. */
  isUsed(): Promise<boolean> {
    return isAnyHeld(this.#usersFolder);
  }

  /**
   * Marks that this process collects.
   * @returns ends it; undefined where somebody else collects, or the store is used
   */
  async collect(): Promise<(() => Promise<void>) | undefined> {
    if (await isAnyHeld(this.#collectingFolder)) return undefined;
    const name = randomUUID();
    if (!(await this.#takePlace(name))) return undefined;
    const mark = keepMark(join(this.#collectingFolder, name));
    const end = async (): Promise<void> => {
      await mark();
      // Somebody else may have the place by now.
      await rmdir(this.#collectingFolder).catch(() => undefined);
    };
    if (!(await this.isUsed())) return end;
    await end();
    return undefined;
  }

  /**
   * Puts a mark into the place of who collects, if there is none: a folder with the mark in it is made aside and renamed to the place, which the
   * file system refuses while another mark is there. A mark that is taken away as stale is so by its own name, and never another one's.
   */
  async #takePlace(name: string): Promise<boolean> {
    await mkdir(this.#folder, FOR_OWNER);
    const aside = join(this.#folder, `collecting-${name}`);
    await mkdir(aside, { mode: 0o700 });
    try {
      await writeFile(join(aside, name), '', { mode: 0o600 });
      await rename(aside, this.#collectingFolder);
      return true;
    } catch (error) {
      await rm(aside, { recursive: true, force: true });
      const { code = '' } = error as NodeJS.ErrnoException;
      if (['ENOTEMPTY', 'EEXIST'].includes(code)) return false;
      throw error;
    }
  }

  get #usersFolder(): string {
    return join(this.#folder, 'users');
  }

  /** The mark of who collects lies in it. */
  get #collectingFolder(): string {
    return join(this.#folder, 'collecting');
  }
}

const FOR_OWNER = { recursive: true, mode: 0o700 } as const;

/** Renews a mark that was made, until it is ended. */
function keepMark(file: string): () => Promise<void> {
  const timer = setInterval(() => {
    const now = new Date();
    utimes(file, now, now).catch(() => undefined);
  }, RENEW_MS);
  timer.unref();
  return async () => {
    clearInterval(timer);
    await rm(file, { force: true });
  };
}

/** True while a mark of a folder means something; takes away those that do not. */
async function isAnyHeld(folder: string): Promise<boolean> {
  for (const name of await readdir(folder).catch(() => [])) {
    const file = join(folder, name);
    if (await isHeld(file)) return true;
    await rm(file, { force: true });
  }
  return false;
}

async function isHeld(file: string): Promise<boolean> {
  const found = await stat(file).catch(() => undefined);
  return found !== undefined && Date.now() - found.mtimeMs < MARK_HOLDS_MS;
}

function busy(folder: string): NixError {
  return new NixError(
    'nix-store-busy',
    `The garbage of this worker's Nix store is being collected, and did not stop for a build within ${LONGEST_WAIT_MS / 1000} s (${folder}/collecting). Look what holds nix-store there.`,
  );
}
