import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { importArchive } from './import-archive.ts';
import type { Descriptor } from './layout-blobs.ts';
import { packImage } from './pack-image.ts';
import { packFolder, unpackArchive } from './run-tar.ts';

const TAG = 'org.opencontainers.image.ref.name';

describe('images come into a layout', () => {
  let folder: string;
  let layout: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sluice images '));
    layout = join(folder, 'new', 'layout');
    await mkdir(join(folder, 'context', 'data', 'deep'), { recursive: true });
    await writeFile(join(folder, 'context', 'server.mjs'), 'serve();');
    await writeFile(join(folder, 'context', 'data', 'deep', 'x.txt'), 'x');
    await writeFile(
      join(folder, 'context', 'Dockerfile'),
      'FROM scratch\nCOPY server.mjs /\nCOPY data /srv\nENV A=1\nENTRYPOINT ["node", "server.mjs"]\n',
    );
  });

  afterEach(() => rm(folder, { recursive: true }));

  const pack = (tag: string): Promise<string> =>
    packImage({ context: join(folder, 'context'), tag, layout });

  async function readBlob<Value>(digest: string, where = layout): Promise<Value> {
    return JSON.parse(await readFile(join(where, 'blobs', ...digest.split(':')), 'utf8')) as Value;
  }

  async function listTags(): Promise<[string | undefined, string][]> {
    const text = await readFile(join(layout, 'index.json'), 'utf8');
    const { manifests } = JSON.parse(text) as { manifests: Descriptor[] };
    return manifests.map(({ annotations, digest }) => [annotations?.[TAG], digest]);
  }

  /** Names of the files in an image's one layer, as tar unpacks them. */
  async function unpackLayer(manifest: string): Promise<string> {
    const { layers } = await readBlob<{ layers: Descriptor[] }>(manifest);
    const room = await mkdtemp(join(folder, 'layer-'));
    await unpackArchive(join(layout, 'blobs', ...(layers[0]?.digest ?? '').split(':')), room);
    return room;
  }

  test('packed from a Dockerfile: the same files give the same digest', async () => {
    const first = await pack('1.0.0');
    expect(await pack('1.0.1')).toBe(first);
    expect(await listTags()).toEqual([
      ['1.0.0', first],
      ['1.0.1', first],
    ]);
    const room = await unpackLayer(first);
    expect(await readFile(join(room, 'server.mjs'), 'utf8')).toBe('serve();');
    expect(await readFile(join(room, 'srv', 'deep', 'x.txt'), 'utf8')).toBe('x');
    const { config } = await readBlob<{ config: Descriptor }>(first);
    expect(await readBlob(config.digest)).toMatchObject({
      ...{ os: 'linux', architecture: process.arch === 'x64' ? 'amd64' : process.arch },
      config: { Env: ['A=1'], Entrypoint: ['node', 'server.mjs'], WorkingDir: '/' },
    });
  });

  test('a tag that is there names the new image', async () => {
    await pack('1.0.0');
    await writeFile(join(folder, 'context', 'server.mjs'), 'serve(2);');
    const second = await pack('1.0.0');
    expect(await listTags()).toEqual([['1.0.0', second]]);
  });

  test.each([
    ['a file that is missing', 'COPY nowhere /', 'image-file-missing'],
    ['a file outside of the context', 'COPY ../secret /', 'image-file-missing'],
    ['a folder beside a list of what must stay out', 'COPY data /', 'image-recipe-unsupported'],
  ])('not packed: %s', async (_, line, code) => {
    await writeFile(join(folder, 'secret'), 's');
    await writeFile(join(folder, 'context', '.dockerignore'), '*.txt');
    await writeFile(join(folder, 'context', 'Dockerfile'), `FROM scratch\n${line}\n`);
    await expect(pack('1.0.0')).rejects.toMatchObject({ code });
    await expect(listTags()).rejects.toThrow('ENOENT');
  });

  test('a folder that is no layout is left alone', async () => {
    await mkdir(layout, { recursive: true });
    await writeFile(join(layout, 'index.json'), 'mine');
    await expect(pack('1.0.0')).rejects.toMatchObject({ code: 'image-layout-invalid' });
    expect(await readFile(join(layout, 'index.json'), 'utf8')).toBe('mine');
  });

  describe('from what docker saved', () => {
    /** The form before Docker 25: two layers, the second one a link to the first. */
    async function saveOldForm(change: (room: string) => Promise<void> = async () => undefined) {
      const room = await mkdtemp(join(folder, 'saved-'));
      await mkdir(join(room, 'one'));
      await mkdir(join(room, 'two'));
      await packFolder(join(folder, 'context'), join(room, 'one', 'layer.tar'));
      await symlink('../one/layer.tar', join(room, 'two', 'layer.tar'));
      const layer = await readFile(join(room, 'one', 'layer.tar'));
      const diffId = `sha256:${createHash('sha256').update(layer).digest('hex')}`;
      const config = { os: 'linux', config: {}, rootfs: { diff_ids: [diffId, diffId] } };
      await writeFile(join(room, 'config.json'), JSON.stringify(config));
      const image = { Config: 'config.json', Layers: ['one/layer.tar', 'two/layer.tar'] };
      const images = [
        { ...image, RepoTags: ['greeter:1.0.0'] },
        { ...image, RepoTags: ['other:1'] },
      ];
      await writeFile(join(room, 'manifest.json'), JSON.stringify(images));
      await change(room);
      const archive = join(folder, 'saved.tar');
      await packFolder(room, archive);
      return archive;
    }

    test('in the old form, which is converted', async () => {
      const archive = await saveOldForm();
      const image = 'greeter:1.0.0';
      const digest = await importArchive({ archive, image, tag: '1.0.0', layout });
      const { layers, config } = await readBlob<{ layers: Descriptor[]; config: Descriptor }>(
        digest,
      );
      const { rootfs } = await readBlob<{ rootfs: { diff_ids: string[] } }>(config.digest);
      expect(layers.map((layer) => layer.digest)).toEqual(rootfs.diff_ids);
      expect(await listTags()).toEqual([['1.0.0', digest]]);
    });

    test.each<[string, string | undefined, (room: string) => Promise<void>, RegExp]>([
      ['two images, none named', undefined, async () => undefined, /greeter:1\.0\.0, other:1/],
      ['an image that is not there', 'x:1', async () => undefined, /no image x:1; it has: greeter/],
      [
        'a layer that was changed',
        'other:1',
        (room) => writeFile(join(room, 'one', 'layer.tar'), 'changed'),
        /its layers are sha256:.*but its configuration names/,
      ],
      [
        'a layer that leads out of it',
        'other:1',
        async (room) => {
          await rm(join(room, 'one', 'layer.tar'));
          await symlink('/etc/passwd', join(room, 'one', 'layer.tar'));
        },
        /one\/layer\.tar leads out of the archive/,
      ],
      [
        'a layer that is missing',
        'other:1',
        (room) => rm(join(room, 'one'), { recursive: true }),
        /lacks one\/layer\.tar/,
      ],
      [
        'no image at all',
        undefined,
        (room) => rm(join(room, 'manifest.json')),
        /neither index\.json nor manifest\.json/,
      ],
    ])('not with %s', async (_, image, change, message) => {
      const archive = await saveOldForm(change);
      const imported = importArchive({ archive, image, tag: '1.0.0', layout });
      await expect(imported).rejects.toThrow(message);
      await expect(imported).rejects.toMatchObject({ code: 'image-archive-invalid' });
      await expect(listTags()).rejects.toThrow('ENOENT');
    });

    /** The form from Docker 25 on, and that of buildx: a layout, here with an index in its index. */
    async function saveLayout(): Promise<{ archive: string; room: string; manifest: string }> {
      const room = join(folder, 'saved layout');
      const context = join(folder, 'context');
      const manifest = await packImage({ context, tag: 'x', layout: room });
      const bytes = await readFile(join(room, 'blobs', ...manifest.split(':')));
      const missing = `sha256:${'0'.repeat(64)}`;
      const mediaType = 'application/vnd.oci.image.manifest.v1+json';
      const inner = JSON.stringify({
        schemaVersion: 2,
        manifests: [
          { mediaType, digest: manifest, size: bytes.length },
          { mediaType, digest: missing, size: 1 },
        ],
      });
      const digest = `sha256:${createHash('sha256').update(inner).digest('hex')}`;
      await writeFile(join(room, 'blobs', ...digest.split(':')), inner);
      const named = {
        ...{ mediaType: 'application/vnd.oci.image.index.v1+json', digest, size: inner.length },
        annotations: { 'io.containerd.image.name': 'docker.io/library/greeter:1.0.0', [TAG]: '1' },
      };
      await writeFile(
        join(room, 'index.json'),
        JSON.stringify({ schemaVersion: 2, manifests: [named] }),
      );
      const archive = join(folder, 'saved.tar');
      await packFolder(room, archive);
      return { archive, room, manifest };
    }

    test('in the new form, whole and byte for byte', async () => {
      const { archive, room, manifest } = await saveLayout();
      const image = 'greeter:1.0.0';
      const digest = await importArchive({ archive, image, tag: '1.0.0', layout });
      expect(await readBlob(digest)).toEqual(await readBlob(digest, room));
      expect(await readBlob(manifest)).toEqual(await readBlob(manifest, room));
      await unpackLayer(manifest);
      expect(await listTags()).toEqual([['1.0.0', digest]]);
    });

    test('not when a blob of it was changed', async () => {
      const { archive, room, manifest } = await saveLayout();
      const { config } = await readBlob<{ config: Descriptor }>(manifest, room);
      await writeFile(join(room, 'blobs', ...config.digest.split(':')), '{}');
      await packFolder(room, archive);
      await expect(importArchive({ archive, tag: '1.0.0', layout })).rejects.toThrow(
        /it was changed or cut off/,
      );
    });

    test('not from a file that is no archive', async () => {
      await writeFile(join(folder, 'saved.tar'), 'no archive at all');
      const archive = join(folder, 'saved.tar');
      await expect(importArchive({ archive, tag: '1', layout })).rejects.toMatchObject({
        code: 'image-tar-failed',
      });
    });
  });
});
