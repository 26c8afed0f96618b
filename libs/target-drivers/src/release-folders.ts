import { mkdir, readdir, readlink, rename, rm, symlink } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { DriverError } from './driver-error.ts';
import { findJson, removeWhole, switchLink, syncFolder, writeWhole } from './durable-file.ts';
import type { ImageCommand } from './image-command.ts';
import type { Activation } from './target-driver.ts';
import { STICKER_FILE, type VersionSticker } from './version-sticker.ts';

/** An activation as it lies on the target, ready to be switched to. */
export interface PreparedRelease {
  readonly activation: Activation;
  /** Id of the activation that was current when this one was prepared; null when none was. */
  readonly previous: string | null;
  /** Null exactly when the activation empties the target. */
  readonly run: {
    /** Digest of the image's manifest: names its folder. */
    readonly image: string;
    readonly command: ImageCommand;
    readonly env: readonly string[];
  } | null;
}

/**
 * What lies on a Linux host below the driver's folder:
 * - `images/<hex>`: unpacked images by manifest digest, never half there
 * - `releases/<hex>`: one activation: `activation.json`, `sluice.version.json`, the link `image`
 * - `current`: link to the active one; absent when the target is empty
 */
export class ReleaseFolders {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  /** Makes the folders and removes what a crash left half done. */
  async open(): Promise<void> {
    for (const folder of ['images', 'releases']) {
      await mkdir(join(this.#root, folder), { recursive: true, mode: 0o700 });
    }
    for (const folder of ['', 'images', 'releases']) {
      const path = join(this.#root, folder);
      for (const name of await readdir(path)) {
        if (name.startsWith('.') && name.endsWith('.tmp')) {
          await rm(join(path, name), { recursive: true, force: true });
        }
      }
    }
  }

  imagePath(digest: string): string {
    return join(this.#root, 'images', hexOf(digest));
  }

  async hasImage(digest: string): Promise<boolean> {
    return (await readdir(join(this.#root, 'images'))).includes(hexOf(digest));
  }

  /** Lays a release down whole; one that is there already stays as it is. */
  async add(release: PreparedRelease, sticker: VersionSticker | null): Promise<void> {
    const { id } = release.activation;
    const path = this.#releasePath(id);
    if ((await this.#findRelease(id)) !== undefined) return;
    const aside = join(this.#root, 'releases', `.${hexOf(id)}.${process.pid}.tmp`);
    await rm(aside, { recursive: true, force: true });
    await mkdir(aside, { mode: 0o700 });
    await writeWhole(join(aside, 'activation.json'), `${JSON.stringify(release, null, 2)}\n`);
    if (release.run !== null) {
      await symlink(join('..', '..', 'images', hexOf(release.run.image)), join(aside, 'image'));
    }
    if (sticker !== null) {
      await writeWhole(join(aside, STICKER_FILE), `${JSON.stringify(sticker, null, 2)}\n`, 0o644);
    }
    await rename(aside, path);
    await syncFolder(join(this.#root, 'releases'));
  }

  /** @throws DriverError `activation-unknown` */
  async get(id: string): Promise<PreparedRelease> {
    const found = await this.#findRelease(id);
    if (found !== undefined) return found;
    throw new DriverError('activation-unknown', `Activation ${id} was not prepared here.`);
  }

  async has(id: string): Promise<boolean> {
    return (await this.#findRelease(id)) !== undefined;
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

  /** Removes releases but these, and images that none of these uses. */
  async prune(keep: readonly string[]): Promise<void> {
    const releases = new Set(keep.map(hexOf));
    for (const name of await readdir(join(this.#root, 'releases'))) {
      if (releases.has(name)) continue;
      await rm(join(this.#root, 'releases', name), { recursive: true, force: true });
    }
    const images = new Set<string>();
    for (const id of keep) {
      const image = (await this.#findRelease(id))?.run?.image;
      if (image !== undefined) images.add(hexOf(image));
    }
    for (const name of await readdir(join(this.#root, 'images'))) {
      if (images.has(name)) continue;
      await rm(join(this.#root, 'images', name), { recursive: true, force: true });
    }
  }

  #findRelease(id: string): Promise<PreparedRelease | undefined> {
    return findJson(join(this.#releasePath(id), 'activation.json'));
  }

  #releasePath(id: string): string {
    return join(this.#root, 'releases', hexOf(id));
  }
}

function hexOf(digest: string): string {
  return digest.slice('sha256:'.length);
}
