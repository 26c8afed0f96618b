import { mkdtemp, readFile, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, sep } from 'node:path';
import { ImageError } from './image-error.ts';
import type { Descriptor } from './layout-blobs.ts';
import { LayoutBlobs, MEDIA_TYPES } from './layout-blobs.ts';
import { unpackArchive } from './run-tar.ts';

/** What is taken over, and where to. */
export type ImportOptions = {
  /** File that `docker save` or `docker buildx build --output type=oci` wrote. */
  readonly archive: string;
  /** Which image, where the archive holds several: as docker calls it, `greeter:1.0.0`. */
  readonly image?: string | undefined;
  readonly tag: string;
  /** Folder of the layout; made when it is not there. */
  readonly layout: string;
};

const NAMES = ['io.containerd.image.name', 'org.opencontainers.image.ref.name'];
const INDEX_TYPES = [
  MEDIA_TYPES.index,
  'application/vnd.docker.distribution.manifest.list.v2+json',
];

/**
 * Takes an image out of an archive into an OCI image layout. Archives of `docker save` come in two
 * forms: an OCI layout from Docker 25 on, and before that `manifest.json` with one folder per
 * layer, which is converted.
 *
 * @returns the digest that the tag names now.
 * @throws ImageError
 */
export async function importArchive(options: ImportOptions): Promise<string> {
  const room = await mkdtemp(join(tmpdir(), 'sluice-image-'));
  try {
    await unpackArchive(options.archive, room);
    const blobs = new LayoutBlobs(options.layout);
    const index = await findJson<{ manifests: Descriptor[] }>(join(room, 'index.json'));
    const descriptor =
      index === undefined
        ? await convert(options, room, blobs)
        : await takeOver(options, room, blobs, index.manifests);
    await blobs.setTag(options.tag, descriptor);
    return descriptor.digest;
  } finally {
    await rm(room, { recursive: true, force: true });
  }
}

async function takeOver(
  { archive, image }: ImportOptions,
  room: string,
  blobs: LayoutBlobs,
  manifests: readonly Descriptor[],
): Promise<Descriptor> {
  const namesOf = ({ annotations = {} }: Descriptor): string[] =>
    NAMES.flatMap((name) => annotations[name] ?? []);
  const chosen = choose(archive, image, manifests, namesOf);
  await copyTree(room, blobs, chosen);
  return chosen;
}

/** Copies what a descriptor names and, in turn, what that names. */
async function copyTree(room: string, blobs: LayoutBlobs, named: Descriptor): Promise<void> {
  const file = join(room, 'blobs', ...named.digest.split(':'));
  const added = await blobs.addFile(named.mediaType, await insideOf(room, file));
  if (added.digest !== named.digest) {
    throw invalid(
      `its blob ${named.digest} is ${added.digest} in truth: it was changed or cut off`,
    );
  }
  if (INDEX_TYPES.includes(named.mediaType)) {
    const { manifests } = await readJson<{ manifests: Descriptor[] }>(file);
    for (const manifest of manifests) {
      // An index may name images of other platforms that were not saved.
      const isThere = await findJson(join(room, 'blobs', ...manifest.digest.split(':')));
      if (isThere !== undefined) await copyTree(room, blobs, manifest);
    }
  } else if (named.mediaType.includes('manifest')) {
    const { config, layers } = await readJson<{ config: Descriptor; layers: Descriptor[] }>(file);
    for (const blob of [config, ...layers]) await copyTree(room, blobs, blob);
  }
}

type SavedImage = {
  readonly Config: string;
  readonly RepoTags: readonly string[] | null;
  readonly Layers: readonly string[];
};

async function convert(
  { archive, image }: ImportOptions,
  room: string,
  blobs: LayoutBlobs,
): Promise<Descriptor> {
  const images = await findJson<SavedImage[]>(join(room, 'manifest.json'));
  if (images === undefined) {
    throw invalid('it has neither index.json nor manifest.json, so it is no saved image');
  }
  const { Config, Layers } = choose(archive, image, images, ({ RepoTags }) => RepoTags ?? []);
  const layers: Descriptor[] = [];
  for (const layer of Layers) {
    // A layer that stands twice is a symbolic link to the first one.
    layers.push(await blobs.addFile(MEDIA_TYPES.layer, await insideOf(room, join(room, layer))));
  }
  const configFile = await insideOf(room, join(room, Config));
  const { rootfs } = await readJson<{ rootfs?: { diff_ids?: string[] } }>(configFile);
  const wanted = rootfs?.diff_ids ?? [];
  const found = layers.map(({ digest }) => digest);
  if (JSON.stringify(wanted) !== JSON.stringify(found)) {
    throw invalid(
      `its layers are ${found.join(', ')}, but its configuration names ${wanted.join(', ')}`,
    );
  }
  const config = await blobs.addFile(MEDIA_TYPES.config, configFile);
  return blobs.addJson(MEDIA_TYPES.manifest, {
    ...{ schemaVersion: 2, mediaType: MEDIA_TYPES.manifest, config, layers },
  });
}

function choose<Image>(
  archive: string,
  wanted: string | undefined,
  images: readonly Image[],
  namesOf: (image: Image) => readonly string[],
): Image {
  const all = images.flatMap(namesOf).join(', ') || 'without names';
  const [first, ...others] =
    wanted === undefined
      ? images
      : images.filter((image) => namesOf(image).some((name) => isNamed(name, wanted)));
  if (first === undefined) {
    throw invalid(`${archive} has no image ${wanted ?? ''}; it has: ${all}`);
  }
  if (others.length > 0 && wanted === undefined) {
    throw invalid(`${archive} has several images (${all}); name one with --image`);
  }
  return first;
}

/** Docker writes `docker.io/library/greeter:1.0.0` for what people call `greeter:1.0.0`. */
function isNamed(name: string, wanted: string): boolean {
  return (
    name === wanted || name === `docker.io/library/${wanted}` || name === `docker.io/${wanted}`
  );
}

/** The file itself, which must lie in the room: an archive can hold links to anywhere. */
async function insideOf(room: string, file: string): Promise<string> {
  const real = await realpath(file).catch(() => undefined);
  if (real === undefined) {
    throw invalid(`it lacks ${file.slice(room.length + 1)}`);
  }
  if (!real.startsWith((await realpath(room)) + sep)) {
    throw invalid(`its ${file.slice(room.length + 1)} leads out of the archive`);
  }
  return real;
}

async function findJson<Value>(file: string): Promise<Value | undefined> {
  const text = await readFile(file, 'utf8').catch(() => undefined);
  try {
    return text === undefined ? undefined : (JSON.parse(text) as Value);
  } catch {
    throw invalid(`${file.split(sep).at(-1)} in it is no JSON`);
  }
}

async function readJson<Value>(file: string): Promise<Value> {
  const value = await findJson<Value>(file);
  if (value === undefined) {
    throw invalid(`it lacks ${file.split(sep).at(-1)}`);
  }
  return value;
}

function invalid(what: string): ImageError {
  return new ImageError('image-archive-invalid', `The archive cannot be taken over: ${what}.`);
}
