import { access, cp, mkdir, mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { ImageError } from './image-error.ts';
import { LayoutBlobs, MEDIA_TYPES } from './layout-blobs.ts';
import type { Recipe } from './recipe.ts';
import { parseRecipe } from './recipe.ts';
import { packFolder } from './run-tar.ts';

/** What is packed, and where to. */
export type PackOptions = {
  /** Folder that the Dockerfile's sources are in. */
  readonly context: string;
  /** Absent: `Dockerfile` in the context. */
  readonly file?: string | undefined;
  readonly tag: string;
  /** Folder of the layout; made when it is not there. */
  readonly layout: string;
};

/**
 * Packs an image from a Dockerfile that begins with `FROM scratch` and runs nothing, without a
 * builder. The same files give the same digest.
 *
 * @returns the manifest's digest.
 * @throws ImageError
 */
export async function packImage({ context, file, tag, layout }: PackOptions): Promise<string> {
  const recipe = parseRecipe(await readText(file ?? join(context, 'Dockerfile')));
  const room = await mkdtemp(join(tmpdir(), 'sluice-image-'));
  try {
    const stage = join(room, 'stage');
    await mkdir(stage);
    for (const { sources, to } of recipe.copies) {
      for (const source of sources) {
        await copyInto(stage, resolve(context), source, to);
      }
    }
    await packFolder(stage, join(room, 'layer.tar'));
    const blobs = new LayoutBlobs(layout);
    const layer = await blobs.addFile(MEDIA_TYPES.layer, join(room, 'layer.tar'));
    const config = await blobs.addJson(MEDIA_TYPES.config, toConfig(recipe, layer.digest));
    const manifest = await blobs.addJson(MEDIA_TYPES.manifest, {
      ...{ schemaVersion: 2, mediaType: MEDIA_TYPES.manifest, config, layers: [layer] },
    });
    await blobs.setTag(tag, manifest);
    return manifest.digest;
  } finally {
    await rm(room, { recursive: true, force: true });
  }
}

async function copyInto(stage: string, context: string, source: string, to: string): Promise<void> {
  const from = resolve(context, source.replace(/^\/+/, ''));
  const inside = relative(context, from);
  if (inside.startsWith('..')) {
    throw new ImageError(
      'image-file-missing',
      `${source} is outside of ${context}; move it there.`,
    );
  }
  const found = await stat(from).catch(() => undefined);
  if (found === undefined) {
    throw new ImageError('image-file-missing', `${from}, which the Dockerfile copies, is missing.`);
  }
  if (found.isDirectory()) {
    await assertNothingIgnored(context);
  }
  // The content of a folder is copied, not the folder: as a builder does.
  const target =
    found.isDirectory() || !to.endsWith('/') ? join(stage, to) : join(stage, to, basename(from));
  await mkdir(dirname(target), { recursive: true });
  await cp(from, target, { recursive: true, verbatimSymlinks: true, preserveTimestamps: false });
}

/** A list of what must stay out is not understood here, so nothing is put in by mistake. */
async function assertNothingIgnored(context: string): Promise<void> {
  const file = join(context, '.dockerignore');
  const isThere = await access(file).then(
    () => true,
    () => false,
  );
  if (isThere) {
    throw new ImageError(
      'image-recipe-unsupported',
      `${file} is not understood here, so no folder is copied beside it: copy single files, or build with docker.`,
    );
  }
}

function toConfig(recipe: Recipe, diffId: string): unknown {
  const { env, labels, entrypoint, cmd, workingDir, user, ports } = recipe;
  return {
    architecture: process.arch === 'x64' ? 'amd64' : process.arch,
    os: 'linux',
    config: {
      ...(user === '' ? {} : { User: user }),
      ...(ports.length === 0 ? {} : { ExposedPorts: Object.fromEntries(ports.map(toPort)) }),
      Env: env,
      ...(entrypoint.length === 0 ? {} : { Entrypoint: entrypoint }),
      ...(cmd.length === 0 ? {} : { Cmd: cmd }),
      WorkingDir: workingDir,
      Labels: labels,
    },
    rootfs: { type: 'layers', diff_ids: [diffId] },
    history: [{ created_by: 'packed from a Dockerfile' }],
  };
}

function toPort(port: string): [string, object] {
  return [port.includes('/') ? port : `${port}/tcp`, {}];
}

async function readText(file: string): Promise<string> {
  return readFile(file, 'utf8').catch((cause: unknown) => {
    throw new ImageError(
      'image-file-missing',
      `${file} cannot be read: ${(cause as Error).message}`,
    );
  });
}
