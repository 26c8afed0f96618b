import { constants } from 'node:fs';
import { chmod, link, lstat, mkdir, open, readdir, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { assertLinkStaysInside } from './entry-path.ts';
import { OciError, type OciErrorCode, printable } from './oci-error.ts';

type Found = 'directory' | 'symlink' | 'file';

/**
 * A folder that layers are laid into, one over the other. Nothing is ever written through a symlink:
 * each parent is looked at, so links that a lower layer made lead nowhere. Private to one unpacking;
 * nobody else writes to the folder meanwhile.
 */
export class ImageTree {
  readonly #root: string;
  #digest = '';
  /** Paths that the present layer made or passed, for whiteouts hide only what lower layers made. */
  #touched = new Set<string>();
  /** Paths that the present layer made as something else than a folder. */
  #made = new Set<string>();
  /** Modes of folders that the present layer named. */
  #modes = new Map<string, number>();

  constructor(root: string) {
    this.#root = root;
  }

  /** Starts the next layer. */
  beginLayer(digest: string): void {
    this.#digest = digest;
    this.#touched = new Set();
    this.#made = new Set();
    this.#modes = new Map();
  }

  async addDirectory(names: readonly string[], mode: number): Promise<void> {
    if (names.length === 0) return;
    const key = names.join('/');
    const path = await this.#claim(names, true);
    // An archive may name a folder many times over: that must cost nothing.
    if (this.#modes.get(key) === mode) return;
    this.#modes.set(key, mode);
    if ((await this.#find(path)) !== 'directory') {
      await rm(path, { force: true });
      await mkdir(path);
    }
    // The owner must be able to write into it and to delete it again.
    await chmod(path, (mode & 0o777) | 0o700);
  }

  async addFile(
    names: readonly string[],
    mode: number,
    content: AsyncIterable<Uint8Array>,
  ): Promise<void> {
    const path = await this.#makeWay(names);
    const flags =
      constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | (constants.O_NOFOLLOW ?? 0);
    const file = await open(path, flags, 0o600);
    // autoClose closes the handle in every case.
    await pipeline(Readable.from(content, { objectMode: false }), file.createWriteStream());
    await chmod(path, (mode & 0o777) | 0o400);
  }

  async addSymlink(names: readonly string[], target: string): Promise<void> {
    assertLinkStaysInside(names, target, this.#digest);
    await symlink(target, await this.#makeWay(names));
  }

  /** @param target names of the file that gets another name; it must be there, and a file. */
  async addHardLink(names: readonly string[], target: readonly string[]): Promise<void> {
    const source = join(this.#root, ...target);
    await this.#assertParents(target);
    if ((await this.#find(source)) !== 'file') {
      this.#fail(
        'layer-link-escapes',
        names,
        `is a hard link to "${printable(target.join('/'))}", which is no file of the image`,
      );
    }
    if (names.join('/') === target.join('/')) {
      this.#fail('layer-invalid', names, 'is a hard link to itself');
    }
    await link(source, await this.#makeWay(names));
  }

  /** Hides what lower layers have at this path. */
  async hide(names: readonly string[]): Promise<void> {
    if (await this.#isReachable(names)) await this.#removeLower(names);
  }

  /** Hides what lower layers have in this folder. */
  async hideChildren(names: readonly string[]): Promise<void> {
    if (!(await this.#isReachable([...names, 'x']))) return;
    const path = join(this.#root, ...names);
    for (const name of await readdir(path)) await this.#removeLower([...names, name]);
  }

  async #removeLower(names: readonly string[]): Promise<void> {
    const key = names.join('/');
    const path = join(this.#root, ...names);
    if (this.#made.has(key)) return;
    if (this.#touched.has(key)) {
      for (const name of await readdir(path)) await this.#removeLower([...names, name]);
      return;
    }
    await rm(path, { recursive: true, force: true });
  }

  /** Clears the place for something that is no folder. */
  async #makeWay(names: readonly string[]): Promise<string> {
    if (names.length === 0) this.#fail('layer-invalid', names, 'replaces the root folder');
    const path = await this.#claim(names, false);
    await rm(path, { recursive: true, force: true });
    return path;
  }

  /** Makes the parents and notes the path; the same path twice in a layer is read differently by tools. */
  async #claim(names: readonly string[], directory: boolean): Promise<string> {
    const key = names.join('/');
    if (this.#made.has(key) || (!directory && this.#touched.has(key))) {
      this.#fail('layer-duplicate-entry', names, 'stands twice in the layer');
    }
    await this.#assertParents(names);
    for (let depth = 1; depth < names.length; depth += 1) {
      const parent = names.slice(0, depth);
      const parentKey = parent.join('/');
      if (this.#touched.has(parentKey)) continue;
      const path = join(this.#root, ...parent);
      if ((await this.#find(path)) === undefined) await mkdir(path, 0o755);
      this.#touched.add(parentKey);
    }
    if (directory) this.#touched.add(key);
    else this.#made.add(key);
    return join(this.#root, ...names);
  }

  async #assertParents(names: readonly string[]): Promise<void> {
    for (let depth = 1; depth < names.length; depth += 1) {
      const parent = names.slice(0, depth);
      if (this.#touched.has(parent.join('/'))) continue;
      const found = await this.#find(join(this.#root, ...parent));
      if (found === undefined) return;
      if (found === 'symlink') {
        this.#fail(
          'layer-path-through-link',
          names,
          `goes through the symlink "${printable(parent.join('/'))}"`,
        );
      }
      if (found === 'file') {
        this.#fail('layer-invalid', names, `lies below the file "${printable(parent.join('/'))}"`);
      }
    }
  }

  async #isReachable(names: readonly string[]): Promise<boolean> {
    await this.#assertParents(names);
    return (await this.#find(join(this.#root, ...names.slice(0, -1)))) === 'directory';
  }

  async #find(path: string): Promise<Found | undefined> {
    try {
      const found = await lstat(path);
      if (found.isSymbolicLink()) return 'symlink';
      return found.isDirectory() ? 'directory' : 'file';
    } catch (error) {
      if ((error as { code?: unknown }).code === 'ENOENT') return undefined;
      throw error;
    }
  }

  #fail(code: OciErrorCode, names: readonly string[], problem: string): never {
    const path = printable(names.join('/'));
    throw new OciError(
      code,
      `Layer ${this.#digest} is not unpacked: its entry "${path}" ${problem}. Rebuild the image.`,
      { digest: this.#digest, path },
    );
  }
}
