import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { type ImageConfig, parseImageConfig, parseImageManifest } from '@sluice/oci';
import { digestOfBytes } from '@sluice/pure';
import {
  findJson,
  removeLeftovers,
  removeWholeFolder,
  syncFolder,
  writeWhole,
} from './durable-file.ts';
import { hexOf } from './hex-of.ts';
import { isTreeWhole, recordTree } from './tree-record.ts';

const RECORD_SCHEMA = 'sluice.image-record/v1';
/** Ends the name of a folder that was replaced while a service may still run in it. */
const REPLACED = '.old';

/** An image that lies unpacked on this host, verified just now. */
export interface KeptImage {
  readonly config: ImageConfig;
}

/** An image's own documents, as they were fetched and verified. */
export interface ImageDocuments {
  readonly manifest: Uint8Array;
  readonly config: Uint8Array;
}

/**
 * Unpacked images by manifest digest, with all that is needed to run them again without the control plane:
 * - `images/<hex>`: the unpacked tree, never half there
 * - `image-records/<hex>`: `manifest` and `config` (whose digests tell whether they are whole), `files` (what
 *   the tree consists of) and `record.json` (the digest of `files`); written after the tree, removed before it
 */
export class ImageStore {
  readonly #images: string;
  readonly #records: string;

  constructor(root: string) {
    this.#images = join(root, 'images');
    this.#records = join(root, 'image-records');
  }

  /** Makes the folders and removes what a crash left half done. */
  async open(): Promise<void> {
    for (const folder of [this.#images, this.#records]) {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      await removeLeftovers(folder);
    }
    const names = new Set(await readdir(this.#images));
    for (const name of [...names].filter((other) => other.endsWith(REPLACED))) {
      const hex = name.slice(1).split('.')[0] ?? '';
      if (names.has(hex)) continue;
      // Killed between the two renames of `put`: what was to be replaced is better than nothing.
      await rename(join(this.#images, name), join(this.#images, hex));
      names.add(hex);
    }
  }

  /** Where an image's tree lies, once it is there. */
  path(digest: string): string {
    return join(this.#images, hexOf(digest));
  }

  /**
   * A kept image, read and compared with its record down to the last byte.
   * @param manifestSize bytes that the manifest must have
   * @returns undefined when it is not there, has no record, or anything of it was damaged
   */
  async findKept(
    digest: string,
    manifestSize: number,
    signal?: AbortSignal,
  ): Promise<KeptImage | undefined> {
    const folder = join(this.#records, hexOf(digest));
    try {
      const record = await findJson<{ schema: unknown; files: unknown }>(
        join(folder, 'record.json'),
      );
      if (record?.schema !== RECORD_SCHEMA) return undefined;
      const manifestBytes = await readFile(join(folder, 'manifest'));
      if (manifestBytes.length !== manifestSize) return undefined;
      if (digestOfBytes(manifestBytes) !== digest) return undefined;
      const manifest = parseImageManifest(manifestBytes, digest);
      const configBytes = await readFile(join(folder, 'config'));
      if (digestOfBytes(configBytes) !== manifest.config.digest) return undefined;
      const files = await readFile(join(folder, 'files'), 'utf8');
      if (digestOfBytes(files) !== record.files) return undefined;
      if (!(await isTreeWhole(this.path(digest), files, signal))) return undefined;
      return { config: parseImageConfig(configBytes, manifest.config.digest) };
    } catch {
      signal?.throwIfAborted();
      // What can not be read is as good as not there: the image is fetched again.
      return undefined;
    }
  }

  /**
   * Takes an image in, in place of a damaged one where there is one.
   * @param unpack lays the tree down at a path that is not there yet
   * @param onUnpacked awaited between the tree and its record
   */
  async put(
    digest: string,
    documents: ImageDocuments,
    unpack: (destination: string) => Promise<void>,
    onUnpacked: () => Promise<void>,
    signal?: AbortSignal,
  ): Promise<void> {
    const hex = hexOf(digest);
    const aside = join(this.#images, `.${hex}.${suffix()}.tmp`);
    await unpack(aside);
    await removeWholeFolder(this.#records, hex);
    if ((await readdir(this.#images)).includes(hex)) {
      // The service that runs now may run in it: it is removed when another one is confirmed.
      await rename(this.path(digest), join(this.#images, `.${hex}.${suffix()}${REPLACED}`));
    }
    await rename(aside, this.path(digest));
    await syncFolder(this.#images);
    await onUnpacked();
    await this.#record(digest, documents, signal);
  }

  /** Removes all images but these, with their records. */
  async prune(used: ReadonlySet<string>): Promise<void> {
    const names = new Set([...used].map(hexOf));
    for (const folder of [this.#records, this.#images]) {
      for (const name of await readdir(folder)) {
        if (!names.has(name)) await removeWholeFolder(folder, name);
      }
    }
  }

  async #record(digest: string, documents: ImageDocuments, signal?: AbortSignal): Promise<void> {
    const hex = hexOf(digest);
    const files = await recordTree(this.path(digest), signal);
    const aside = join(this.#records, `.${hex}.${suffix()}.tmp`);
    await mkdir(aside, { mode: 0o700 });
    await writeWhole(join(aside, 'manifest'), documents.manifest);
    await writeWhole(join(aside, 'config'), documents.config);
    await writeWhole(join(aside, 'files'), files);
    const record = { schema: RECORD_SCHEMA, files: digestOfBytes(files) };
    await writeWhole(join(aside, 'record.json'), `${JSON.stringify(record)}\n`);
    await rename(aside, join(this.#records, hex));
    await syncFolder(this.#records);
  }
}

function suffix(): string {
  return `${process.pid}-${randomBytes(4).toString('hex')}`;
}
