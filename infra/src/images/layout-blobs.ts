import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { copyFile, mkdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ImageError } from './image-error.ts';

/** Media types of what is written: image-spec 1.1. */
export const MEDIA_TYPES = {
  index: 'application/vnd.oci.image.index.v1+json',
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar',
} as const;

const TAG = 'org.opencontainers.image.ref.name';

/** What names a blob in a layout. */
export type Descriptor = {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly platform?: unknown;
};

/** One OCI image layout that images are added to: blobs first, the index last and by one rename. */
export class LayoutBlobs {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Adds a file under its digest. */
  async addFile(mediaType: string, file: string): Promise<Descriptor> {
    const hash = createHash('sha256');
    for await (const chunk of createReadStream(file)) {
      hash.update(chunk as Buffer);
    }
    const digest = `sha256:${hash.digest('hex')}`;
    const { size } = await stat(file);
    await this.#put(digest, (aside) => copyFile(file, aside));
    return { mediaType, digest, size };
  }

  /** Adds a JSON document under the digest of its bytes. */
  async addJson(mediaType: string, value: unknown): Promise<Descriptor> {
    const bytes = Buffer.from(JSON.stringify(value));
    const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
    await this.#put(digest, (aside) => writeFile(aside, bytes));
    return { mediaType, digest, size: bytes.length };
  }

  /** Lets a tag name an image; one that named another image before names this one now. */
  async setTag(tag: string, { mediaType, digest, size, platform }: Descriptor): Promise<void> {
    const file = join(this.#folder, 'index.json');
    const manifests = (await this.#readIndex(file)).filter(
      ({ annotations }) => annotations?.[TAG] !== tag,
    );
    manifests.push({
      ...{ mediaType, digest, size },
      ...(platform === undefined ? {} : { platform }),
      annotations: { [TAG]: tag },
    });
    await writeFile(join(this.#folder, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
    const index = { schemaVersion: 2, mediaType: MEDIA_TYPES.index, manifests };
    await replaceFile(file, (aside) => writeFile(aside, JSON.stringify(index)));
  }

  async #readIndex(file: string): Promise<Descriptor[]> {
    const text = await readFile(file, 'utf8').catch(() => undefined);
    if (text === undefined) {
      return [];
    }
    try {
      const { manifests } = JSON.parse(text) as { manifests: unknown };
      if (Array.isArray(manifests)) {
        return manifests as Descriptor[];
      }
    } catch {
      // Said below.
    }
    throw new ImageError(
      'image-layout-invalid',
      `${file} is no index of an OCI image layout; name another folder, or remove it.`,
    );
  }

  async #put(digest: string, write: (aside: string) => Promise<void>): Promise<void> {
    const folder = join(this.#folder, 'blobs', 'sha256');
    await mkdir(folder, { recursive: true });
    await replaceFile(join(folder, digest.slice('sha256:'.length)), write);
  }
}

async function replaceFile(file: string, write: (aside: string) => Promise<void>): Promise<void> {
  const aside = `${file}.${randomUUID()}.new`;
  await write(aside);
  await rename(aside, file);
}
