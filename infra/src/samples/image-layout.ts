import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { TarFile } from './tar-archive.ts';
import { packTar } from './tar-archive.ts';

const CREATED = '2026-01-01T00:00:00Z';
const TYPES = {
  index: 'application/vnd.oci.image.index.v1+json',
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar',
} as const;

/** An image to pack: a tag and what is in it. */
export type ImageContent = {
  readonly tag: string;
  readonly layers: readonly (readonly TarFile[])[];
  readonly entrypoint: readonly string[];
  /** `NAME=value` lines. */
  readonly env: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
};

/** A packed image: the digest is that of its manifest, `sha256:…`. */
export type PackedImage = { readonly tag: string; readonly digest: string };

/**
 * Writes images into one OCI image layout (image-spec 1.1): uncompressed layers, tags as
 * `org.opencontainers.image.ref.name`. The same content gives the same bytes. The folder appears by
 * one rename; one that is the same already is left alone.
 */
export async function writeImageLayout(
  folder: string,
  images: readonly ImageContent[],
): Promise<PackedImage[]> {
  const blobs = new Map<string, Buffer>();
  const manifests = images.map((image) => packImage(image, blobs));
  const index = json({ schemaVersion: 2, mediaType: TYPES.index, manifests });
  const packed = images.map(({ tag }, place) => ({ tag, digest: manifests[place]?.digest ?? '' }));
  const present = await readFile(join(folder, 'index.json')).catch(() => undefined);
  if (present?.equals(index) === true && (await hasAll(folder, blobs))) {
    return packed;
  }
  await mkdir(dirname(folder), { recursive: true });
  const fresh = await mkdtemp(`${folder}.new-`);
  try {
    const layout = join(fresh, 'layout');
    await mkdir(join(layout, 'blobs', 'sha256'), { recursive: true });
    for (const [digest, content] of blobs) {
      await writeFile(blobFile(layout, digest), content);
    }
    await writeFile(join(layout, 'oci-layout'), json({ imageLayoutVersion: '1.0.0' }));
    await writeFile(join(layout, 'index.json'), index);
    await rename(folder, join(fresh, 'former')).catch(() => undefined);
    await rename(layout, folder);
  } finally {
    await rm(fresh, { recursive: true, force: true });
  }
  return packed;
}

type Descriptor = {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly annotations?: Readonly<Record<string, string>>;
};

function packImage(image: ImageContent, blobs: Map<string, Buffer>): Descriptor {
  const store = (mediaType: string, content: Buffer): Descriptor => {
    const digest = `sha256:${createHash('sha256').update(content).digest('hex')}`;
    blobs.set(digest, content);
    return { mediaType, digest, size: content.length };
  };
  const layers = image.layers.map((files) => store(TYPES.layer, packTar(files)));
  const config = store(
    TYPES.config,
    json({
      created: CREATED,
      architecture: 'amd64',
      os: 'linux',
      config: {
        User: '65532:65532',
        Env: image.env,
        Entrypoint: image.entrypoint,
        WorkingDir: '/',
        Labels: image.labels,
      },
      // An uncompressed layer is its own diff.
      rootfs: { type: 'layers', diff_ids: layers.map((layer) => layer.digest) },
      history: layers.map((_, place) => ({ created: CREATED, created_by: `layer ${place + 1}` })),
    }),
  );
  const manifest = store(
    TYPES.manifest,
    json({ schemaVersion: 2, mediaType: TYPES.manifest, config, layers }),
  );
  return { ...manifest, annotations: { 'org.opencontainers.image.ref.name': image.tag } };
}

async function hasAll(folder: string, blobs: ReadonlyMap<string, Buffer>): Promise<boolean> {
  for (const [digest, content] of blobs) {
    const present = await readFile(blobFile(folder, digest)).catch(() => undefined);
    if (present?.equals(content) !== true) {
      return false;
    }
  }
  return true;
}

function blobFile(folder: string, digest: string): string {
  return join(folder, 'blobs', ...digest.split(':'));
}

function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}
