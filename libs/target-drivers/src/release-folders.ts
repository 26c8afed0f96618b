import { mkdir, readdir, readlink, rename, rm, symlink } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { DriverError } from './driver-error.ts';
import {
  findJson,
  removeLeftovers,
  removeWhole,
  removeWholeFolder,
  switchLink,
  syncFolder,
  writeWhole,
} from './durable-file.ts';
import { hexOf } from './hex-of.ts';
import type { ImageCommand } from './image-command.ts';
import type { NixRun } from './nix-fetch.ts';
import type { StoredActivation } from './retention.ts';
import type { Activation } from './target-driver.ts';
import { STICKER_FILE, type VersionSticker } from './version-sticker.ts';

/** An activation as it lies on the target, ready to be switched to. */
export interface PreparedRelease {
  readonly activation: Activation;
  /** Id of the activation that was current when this one was prepared; null when none was. */
  readonly previous: string | null;
  /** Null exactly when the activation empties the target. */
  readonly run: PreparedRun | null;
}

/** What is run of a release: an image's command in its folder, or a program of a store path. */
export type PreparedRun =
  | {
      /** Digest of the image's manifest: names its folder. */
      readonly image: string;
      readonly command: ImageCommand;
      readonly env: readonly string[];
    }
  | { readonly nix: NixRun };

/** What activations use: digests of images and of components of kind `nix`. */
export interface UsedArtifacts {
  readonly images: ReadonlySet<string>;
  readonly closures: ReadonlySet<string>;
}

/** What `confirmed.json` says. */
interface Confirmation {
  /** Higher than that of every one that was confirmed before. */
  readonly order: number;
  /** RFC 3339. */
  readonly at: string;
}

/**
 * Activations on a Linux host below the driver's folder:
 * - `releases/<hex>`: one activation: `activation.json`, `sluice.version.json`, the link `image`, and
 *   `confirmed.json` once it was healthy
 * - `current`: link to the active one; absent when the target is empty
 */
export class ReleaseFolders {
  readonly #root: string;
  readonly #releases: string;

  constructor(root: string) {
    this.#root = root;
    this.#releases = join(root, 'releases');
  }

  /** Makes the folders and removes what a crash left half done. */
  async open(): Promise<void> {
    await mkdir(this.#releases, { recursive: true, mode: 0o700 });
    for (const folder of [this.#root, this.#releases]) await removeLeftovers(folder);
  }

  /** Lays a release down whole; one that is there already stays as it is. */
  async add(release: PreparedRelease, sticker: VersionSticker | null): Promise<void> {
    const { id } = release.activation;
    const path = this.#pathOf(id);
    if (await this.has(id)) return;
    const aside = join(this.#releases, `.${hexOf(id)}.${process.pid}.tmp`);
    await rm(aside, { recursive: true, force: true });
    await mkdir(aside, { mode: 0o700 });
    await writeWhole(join(aside, 'activation.json'), `${JSON.stringify(release, null, 2)}\n`);
    if (release.run !== null && 'image' in release.run) {
      await symlink(join('..', '..', 'images', hexOf(release.run.image)), join(aside, 'image'));
    }
    if (sticker !== null) {
      await writeWhole(join(aside, STICKER_FILE), `${JSON.stringify(sticker, null, 2)}\n`, 0o644);
    }
    await rename(aside, path);
    await syncFolder(this.#releases);
  }

  /** @throws DriverError `activation-unknown` */
  async get(id: string): Promise<PreparedRelease> {
    const found = await this.find(id);
    if (found !== undefined) return found;
    throw new DriverError('activation-unknown', `Activation ${id} was not prepared here.`);
  }

  async has(id: string): Promise<boolean> {
    return (await this.find(id)) !== undefined;
  }

  /** Undefined when it was not prepared here, or is not kept any more. */
  find(id: string): Promise<PreparedRelease | undefined> {
    return findJson(join(this.#pathOf(id), 'activation.json'));
  }

  /** Id of the active one; undefined when the target is empty. */
  async findCurrent(): Promise<string | undefined> {
    const target = await readlink(join(this.#root, 'current')).catch(() => undefined);
    return target === undefined ? undefined : `sha256:${basename(target)}`;
  }

  /** Makes another one active in one step; null empties the target. */
  async switchTo(id: string | null): Promise<void> {
    const link = join(this.#root, 'current');
    if (id === null) return removeWhole(link);
    return switchLink(link, join('releases', hexOf(id)));
  }

  /** Says for good that an activation was healthy; one that was confirmed already keeps its place. */
  async markConfirmed(id: string, at: string): Promise<void> {
    const stored = await this.list();
    const orders = stored.map(({ confirmedAs }) => confirmedAs ?? 0);
    if (stored.some((one) => one.id === id && one.confirmedAs !== null)) return;
    const confirmation: Confirmation = { order: Math.max(0, ...orders) + 1, at };
    await writeWhole(this.#confirmationOf(id), `${JSON.stringify(confirmation)}\n`);
  }

  /** Takes a confirmation back; one that is not there is fine. */
  async unmarkConfirmed(id: string): Promise<void> {
    if (await this.has(id)) await removeWhole(this.#confirmationOf(id));
  }

  /** Every activation that lies here, in no order. */
  async list(): Promise<readonly StoredActivation[]> {
    const names = await readdir(this.#releases);
    const stored: StoredActivation[] = [];
    for (const name of names.filter((other) => !other.startsWith('.'))) {
      const id = `sha256:${name}`;
      const release = await this.find(id);
      if (release === undefined) continue;
      const confirmation = await findJson<Confirmation>(this.#confirmationOf(id));
      stored.push({
        id,
        releaseDigest: release.activation.desired?.release.digest ?? null,
        confirmedAs: confirmation?.order ?? null,
      });
    }
    return stored;
  }

  /** Removes all activations but these. @returns what these use */
  async prune(kept: ReadonlySet<string>): Promise<UsedArtifacts> {
    const names = new Set([...kept].map(hexOf));
    for (const name of await readdir(this.#releases)) {
      if (!names.has(name)) await removeWholeFolder(this.#releases, name);
    }
    const images = new Set<string>();
    const closures = new Set<string>();
    for (const id of kept) {
      const run = (await this.find(id))?.run ?? null;
      if (run === null) continue;
      if ('image' in run) images.add(run.image);
      else for (const component of run.nix.components) closures.add(component);
    }
    return { images, closures };
  }

  #confirmationOf(id: string): string {
    return join(this.#pathOf(id), 'confirmed.json');
  }

  #pathOf(id: string): string {
    return join(this.#releases, hexOf(id));
  }
}
