import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { pack } from 'tar-stream';
import type { UnpackLimits } from './entry-path.ts';
import { MEDIA_TYPES } from './media-types.ts';
import { unpackLayers } from './unpack-layers.ts';

interface RawEntry {
  readonly name: string;
  readonly type?: 'file' | 'directory' | 'symlink' | 'link' | 'fifo' | 'character-device';
  readonly content?: string;
  readonly linkname?: string;
  readonly mode?: number;
}

interface Layer {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly bytes: Buffer;
}

let folder: string;
let destination: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-unpack-'));
  destination = join(folder, 'rootfs');
});

afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

async function tarOf(entries: readonly RawEntry[]): Promise<Buffer> {
  const archive = pack();
  for (const { content, ...header } of entries) {
    archive.entry({ mode: 0o644, mtime: new Date(0), ...header }, content ?? '');
  }
  archive.finalize();
  const chunks: Uint8Array[] = [];
  for await (const chunk of archive as AsyncIterable<Uint8Array>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function layerOf(bytes: Buffer, mediaType: string = MEDIA_TYPES.layerTar): Layer {
  const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
  return { mediaType, digest, size: bytes.length, bytes };
}

async function unpack(layers: readonly Layer[], limits: Partial<UnpackLimits> = {}) {
  return unpackLayers({
    layers,
    destination,
    limits,
    async *blobStream({ digest }) {
      const { bytes } = layers.find((layer) => layer.digest === digest) as Layer;
      for (let at = 0; at < bytes.length; at += 1000) yield bytes.subarray(at, at + 1000);
    },
  });
}

async function unpackEntries(...layers: (readonly RawEntry[])[]) {
  const packed = [];
  for (const entries of layers) packed.push(layerOf(await tarOf(entries)));
  return unpack(packed);
}

async function expectRefused(work: Promise<unknown>, code: string): Promise<Error> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason as Error & { code: string },
  );
  expect({ code: error?.code, message: error?.message }).toMatchObject({ code });
  // Nothing is visible, and nothing is left aside.
  expect(await readdir(folder)).toEqual([]);
  return error as Error;
}

describe('a good image', () => {
  test('is laid down layer over layer, gzip or not', async () => {
    const lower = await tarOf([
      { name: './', type: 'directory' },
      { name: 'app/', type: 'directory', mode: 0o755 },
      { name: 'app/server.mjs', content: 'one', mode: 0o755 },
      { name: 'app/readme', content: 'x'.repeat(5000) },
    ]);
    const upper = gzipSync(await tarOf([{ name: 'app/server.mjs', content: 'two' }]));
    const used = await unpack([layerOf(lower), layerOf(upper, MEDIA_TYPES.layerTarGzip)]);
    expect(used.entries).toBe(5);
    expect(await readFile(join(destination, 'app/server.mjs'), 'utf8')).toBe('two');
    expect(await readFile(join(destination, 'app/readme'), 'utf8')).toHaveLength(5000);
    expect(await readdir(folder)).toEqual(['rootfs']);
  });

  test('keeps links that stay inside', async () => {
    await unpackEntries([
      { name: 'lib/a/file', content: 'text' },
      { name: 'lib/b/link', type: 'symlink', linkname: '../a/file' },
      { name: 'lib/hard', type: 'link', linkname: 'lib/a/file' },
    ]);
    expect(await readFile(join(destination, 'lib/b/link'), 'utf8')).toBe('text');
    expect((await stat(join(destination, 'lib/hard'))).nlink).toBe(2);
  });

  test('keeps long names and names beyond ASCII', async () => {
    const name = `${'d'.repeat(120)}/${'ü'.repeat(100)}`;
    await unpackEntries([{ name, content: 'text' }]);
    expect(await readFile(join(destination, name), 'utf8')).toBe('text');
  });

  test('loses setuid, setgid and sticky bits', async () => {
    await unpackEntries([
      { name: 'tool', content: 'x', mode: 0o6755 },
      { name: 'shared', type: 'directory', mode: 0o3777 },
    ]);
    expect((await stat(join(destination, 'tool'))).mode & 0o7777).toBe(0o755);
    expect((await stat(join(destination, 'shared'))).mode & 0o7777).toBe(0o777);
  });

  test('can replace a lower folder, file or link by another kind', async () => {
    await unpackEntries(
      [
        { name: 'a/x', content: '1' },
        { name: 'b', content: '1' },
        { name: 'c', type: 'symlink', linkname: 'b' },
      ],
      [
        { name: 'a', content: '2' },
        { name: 'b', type: 'directory' },
        { name: 'c', type: 'directory' },
        { name: 'c/y', content: '2' },
      ],
    );
    expect(await readFile(join(destination, 'a'), 'utf8')).toBe('2');
    expect(await readdir(join(destination, 'b'))).toEqual([]);
    expect(await readFile(join(destination, 'c/y'), 'utf8')).toBe('2');
  });
});

describe('whiteouts', () => {
  const lower: RawEntry[] = [
    { name: 'etc/a', content: '1' },
    { name: 'etc/b', content: '1' },
    { name: 'var/x/y', content: '1' },
  ];

  test('hide a file or a folder of a lower layer', async () => {
    await unpackEntries(lower, [{ name: 'etc/.wh.a' }, { name: '.wh.var' }]);
    expect(await readdir(destination)).toEqual(['etc']);
    expect(await readdir(join(destination, 'etc'))).toEqual(['b']);
  });

  test('an opaque folder hides what is below, never what its own layer brings, in either order', async () => {
    for (const entries of [
      [{ name: 'etc/c', content: '2' }, { name: 'etc/.wh..wh..opq' }],
      [{ name: 'etc/.wh..wh..opq' }, { name: 'etc/c', content: '2' }],
    ]) {
      await rm(destination, { recursive: true, force: true });
      await unpackEntries(lower, entries);
      expect(await readdir(join(destination, 'etc'))).toEqual(['c']);
    }
  });

  test('a whiteout beside the file that its own layer brings hides only the lower one', async () => {
    await unpackEntries(lower, [{ name: 'etc/a', content: '2' }, { name: 'etc/.wh.a' }]);
    expect(await readFile(join(destination, 'etc/a'), 'utf8')).toBe('2');
  });

  test('of a way out are refused', async () => {
    await expectRefused(unpackEntries(lower, [{ name: 'etc/.wh...' }]), 'layer-path-invalid');
    await expectRefused(unpackEntries(lower, [{ name: 'etc/.wh.' }]), 'layer-path-invalid');
    await expectRefused(
      unpackEntries(
        [{ name: 'l', type: 'symlink', linkname: '.' }, ...lower],
        [{ name: 'l/.wh.etc' }],
      ),
      'layer-path-through-link',
    );
  });
});

describe('paths and links that climb out', () => {
  test.each([['/etc/passwd'], ['../outside'], ['a/../../outside'], ['a/..']])(
    'entry %s',
    async (name) => {
      const error = await expectRefused(
        unpackEntries([{ name, content: 'x' }]),
        'layer-path-escapes',
      );
      expect(error).toMatchObject({ digest: expect.stringMatching(/^sha256:/), path: name });
    },
  );

  test.each([['/etc'], ['../outside'], ['a/../../..'], ['sub/..'], ['.//../x']])(
    'symlink to "%s"',
    async (linkname) => {
      const work = unpackEntries([{ name: 'link', type: 'symlink', linkname }]);
      await expectRefused(work, 'layer-link-escapes');
    },
  );

  test('a link through another link can not be used to climb', async () => {
    await expectRefused(
      unpackEntries([
        { name: 'p/q/up', type: 'symlink', linkname: '../..' },
        { name: 'p/q/out', type: 'symlink', linkname: 'up/../etc' },
      ]),
      'layer-link-escapes',
    );
  });

  test('nothing is written through a symlink of the same layer', async () => {
    await expectRefused(
      unpackEntries([
        { name: 'real', type: 'directory' },
        { name: 'link', type: 'symlink', linkname: 'real' },
        { name: 'link/file', content: 'x' },
      ]),
      'layer-path-through-link',
    );
  });

  test('nor of an earlier layer', async () => {
    await expectRefused(
      unpackEntries(
        [{ name: 'real/deep/link', type: 'symlink', linkname: '../..' }],
        [{ name: 'real/deep/link/file', content: 'x' }],
      ),
      'layer-path-through-link',
    );
  });

  test('a hard link reaches neither outside, nor a link, nor through one', async () => {
    const link = (linkname: string): RawEntry => ({ name: 'hard', type: 'link', linkname });
    await expectRefused(unpackEntries([link('/etc/passwd')]), 'layer-path-escapes');
    await expectRefused(unpackEntries([link('../outside')]), 'layer-path-escapes');
    await expectRefused(unpackEntries([link('missing')]), 'layer-link-escapes');
    await expectRefused(
      unpackEntries([
        { name: 'd/f', content: 'x' },
        { name: 's', type: 'symlink', linkname: 'd/f' },
        link('s'),
      ]),
      'layer-link-escapes',
    );
    await expectRefused(
      unpackEntries([
        { name: 'd/f', content: 'x' },
        { name: 's', type: 'symlink', linkname: 'd' },
        link('s/f'),
      ]),
      'layer-path-through-link',
    );
  });
});

describe('what no image needs', () => {
  test.each(['character-device', 'fifo'] as const)('a %s', async (type) => {
    await expectRefused(unpackEntries([{ name: 'dev/x', type }]), 'layer-device-node');
  });

  test('the same file twice in one layer', async () => {
    await expectRefused(
      unpackEntries([
        { name: 'a', content: '1' },
        { name: './a', content: '2' },
      ]),
      'layer-duplicate-entry',
    );
    await expectRefused(
      unpackEntries([
        { name: 'a', content: '1' },
        { name: 'a/', type: 'directory' },
      ]),
      'layer-duplicate-entry',
    );
  });

  test('a file below a file', async () => {
    await expectRefused(
      unpackEntries([{ name: 'a', content: '1' }], [{ name: 'a/b', content: '2' }]),
      'layer-invalid',
    );
  });

  test('paths too long, too deep, or not text', async () => {
    const code = 'layer-path-invalid';
    await expectRefused(unpackEntries([{ name: 'x'.repeat(300) }]), code);
    await expectRefused(unpackEntries([{ name: `${'a/'.repeat(70)}x` }]), code);
    await expectRefused(unpackEntries([{ name: 'abc/'.repeat(60).repeat(5) }]), code);
  });
});

describe('limits', () => {
  test('a million entries stop at the limit', async () => {
    const one = (await tarOf([{ name: 'd/', type: 'directory' }])).subarray(0, 512);
    // Of what is compressed apart the parts stand one behind the other: only the first is made.
    const thousand = gzipSync(Buffer.concat(Array.from({ length: 1000 }, () => one)));
    const parts = Array.from({ length: 1000 }, () => thousand);
    const bytes = Buffer.concat([...parts, gzipSync(Buffer.alloc(1024))]);
    const layer = layerOf(bytes, MEDIA_TYPES.layerTarGzip);
    await expectRefused(unpack([layer]), 'layer-too-many-entries');
  });

  test('the entries of all layers count together', async () => {
    const layers = [layerOf(await tarOf([{ name: 'a' }])), layerOf(await tarOf([{ name: 'b' }]))];
    await expectRefused(unpack(layers, { maxEntries: 1 }), 'layer-too-many-entries');
  });

  test('a small layer that unpacks to a lot', async () => {
    const bytes = await tarOf([{ name: 'zeros', content: '0'.repeat(20_000_000) }]);
    const layer = layerOf(gzipSync(bytes), MEDIA_TYPES.layerTarGzip);
    expect(layer.size).toBeLessThan(100_000);
    await expectRefused(unpack([layer], { maxTotalBytes: 10_000_000 }), 'layer-too-large');
  });

  test('a layer over the limit is not even read', async () => {
    const layer = layerOf(await tarOf([{ name: 'a' }]));
    await expectRefused(unpack([layer], { maxLayerBytes: 100 }), 'layer-too-large');
  });
});

describe('damaged bytes', () => {
  test('a digest that does not match', async () => {
    const layer = layerOf(await tarOf([{ name: 'a', content: 'good' }]));
    const at = layer.bytes.indexOf('good');
    const bytes = Buffer.from(layer.bytes);
    bytes.write('evil', at);
    const error = await expectRefused(unpack([{ ...layer, bytes }]), 'layer-digest-mismatch');
    expect(error.message).toContain(layer.digest);
  });

  test('more or fewer bytes than the manifest says', async () => {
    const layer = layerOf(await tarOf([{ name: 'a', content: 'good' }]));
    await expectRefused(unpack([{ ...layer, size: layer.size - 1 }]), 'layer-size-mismatch');
    await expectRefused(unpack([{ ...layer, size: layer.size + 1 }]), 'layer-size-mismatch');
  });

  test('bytes that are no gzip, no tar, or end early', async () => {
    const tar = await tarOf([{ name: 'a', content: 'x'.repeat(2000) }]);
    await expectRefused(unpack([layerOf(tar, MEDIA_TYPES.layerTarGzip)]), 'layer-invalid');
    await expectRefused(unpack([layerOf(Buffer.alloc(1024, 'garbage'))]), 'layer-invalid');
    await expectRefused(unpack([layerOf(tar.subarray(0, 1024))]), 'layer-invalid');
  });

  test('what tar readers take differently', async () => {
    const first = (await tarOf([{ name: 'a', content: '1' }])).subarray(0, 1024);
    const hidden = await tarOf([{ name: 'b', content: '2' }]);
    const afterTheEnd = Buffer.concat([first, Buffer.alloc(1024), hidden]);
    await expectRefused(unpack([layerOf(afterTheEnd)]), 'layer-invalid');
    const sparse = await tarOf([{ name: 'a', pax: { 'GNU.sparse.name': 'b' } } as RawEntry]);
    await expectRefused(unpack([layerOf(sparse)]), 'layer-invalid');
  });

  test('a configuration that names another content', async () => {
    const layer = layerOf(await tarOf([{ name: 'a' }]));
    const work = unpackLayers({
      layers: [layer],
      diffIds: [`sha256:${'0'.repeat(64)}`],
      destination,
      async *blobStream() {
        yield layer.bytes;
      },
    });
    await expectRefused(work, 'layer-diff-id-mismatch');
  });

  test('a Zstandard layer is refused by its type', async () => {
    const layer = layerOf(Buffer.from('x'), MEDIA_TYPES.layerTarZstd);
    await expectRefused(unpack([layer]), 'media-type-unsupported');
  });
});
