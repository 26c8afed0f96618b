import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { MEDIA_TYPES } from './media-types.ts';
import { openLayout } from './open-layout.ts';
import { packLayer, writeLayout } from './write-layout.ts';

let directory: string;
let digests: ReadonlyMap<string, string>;

beforeEach(async () => {
  directory = join(await mkdtemp(join(tmpdir(), 'sluice-layout-')), 'layout');
  digests = await writeSample(directory);
});

afterEach(async () => {
  await rm(join(directory, '..'), { recursive: true, force: true });
});

async function writeSample(target: string) {
  const base = await packLayer([
    { type: 'file', path: 'server.mjs', content: '// serves', mode: 0o755 },
    { type: 'symlink', path: 'main.mjs', target: 'server.mjs' },
    { type: 'directory', path: 'data' },
  ]);
  const extra = await packLayer([{ type: 'file', path: 'more', content: 'x' }], 'gzip');
  return writeLayout(target, [
    { tag: '1.0.0', layers: [base], cmd: ['node', 'server.mjs'], env: ['A=1'] },
    { tag: '1.1.0', layers: [base, extra], cmd: ['node', 'server.mjs'] },
  ]);
}

async function writeBlob(value: unknown): Promise<{ digest: string; size: number }> {
  const bytes = Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));
  const hex = createHash('sha256').update(bytes).digest('hex');
  await writeFile(join(directory, 'blobs/sha256', hex), bytes);
  return { digest: `sha256:${hex}`, size: bytes.length };
}

async function setIndex(manifests: unknown): Promise<void> {
  await writeFile(join(directory, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests }));
}

async function refusalOf(reference: string) {
  const outcome = await (await openLayout(directory)).resolve(reference);
  return outcome.ok ? undefined : outcome.refusal;
}

const tagged = { annotations: { 'org.opencontainers.image.ref.name': '2.0.0' } };

test('writing the same images twice gives one digest', async () => {
  const again = join(directory, '..', 'again');
  expect([...(await writeSample(again))]).toEqual([...digests]);
  expect(await readFile(join(again, 'index.json'), 'utf8')).toBe(
    await readFile(join(directory, 'index.json'), 'utf8'),
  );
});

describe('resolve', () => {
  test('finds an image by tag and by digest', async () => {
    const layout = await openLayout(directory);
    expect(await layout.listTags()).toEqual(['1.0.0', '1.1.0']);
    const byTag = await layout.resolve('1.0.0');
    if (!byTag.ok) throw new Error(byTag.refusal.message);
    expect(byTag.value.digest).toBe(digests.get('1.0.0'));
    expect(byTag.value.config).toMatchObject({ cmd: ['node', 'server.mjs'], env: ['A=1'] });
    expect(byTag.value.manifest.layers).toHaveLength(1);
    expect(await layout.resolve(byTag.value.digest)).toEqual(byTag);
  });

  test('a tag that does not exist is refused with those that do', async () => {
    const many = Array.from({ length: 12 }, (_, at) => ({
      mediaType: MEDIA_TYPES.manifest,
      digest: digests.get('1.0.0'),
      size: 1,
      annotations: { 'org.opencontainers.image.ref.name': `t${String(at).padStart(2, '0')}` },
    }));
    expect((await refusalOf('9.9.9'))?.message).toContain(
      'it has 1.0.0, 1.1.0; name one of these, or add the tag to the source.',
    );
    await setIndex(many);
    const refusal = await refusalOf('9.9.9');
    expect(refusal?.code).toBe('tag-not-found');
    expect(refusal?.message).toContain('t09, and 2 more');
    expect(refusal?.message).not.toContain('t10');
  });

  test('a digest that is not there', async () => {
    expect((await refusalOf(`sha256:${'0'.repeat(64)}`))?.code).toBe('digest-not-found');
  });

  test('chooses the platform of a nested index', async () => {
    const manifest = {
      mediaType: MEDIA_TYPES.manifest,
      digest: digests.get('1.0.0'),
      size: (await readFile(join(directory, 'blobs/sha256', digests.get('1.0.0')?.slice(7) ?? '')))
        .length,
    };
    const nested = await writeBlob({
      schemaVersion: 2,
      manifests: [
        {
          ...manifest,
          digest: digests.get('1.1.0'),
          platform: { os: 'linux', architecture: 's390x' },
        },
        { ...manifest, platform: { os: 'linux', architecture: 'arm64' } },
      ],
    });
    await setIndex([{ mediaType: MEDIA_TYPES.index, ...nested, ...tagged }]);
    const layout = await openLayout(directory, { architecture: 'arm64' });
    expect(await layout.resolve('2.0.0')).toMatchObject({
      ok: true,
      value: { digest: digests.get('1.0.0') },
    });
    const other = await openLayout(directory, { architecture: 'riscv64' });
    expect(await other.resolve('2.0.0')).toMatchObject({
      refusal: {
        code: 'platform-not-found',
        message: expect.stringContaining('linux/s390x, linux/arm64'),
      },
    });
  });

  test('one tag for two images', async () => {
    const size = 10;
    const both = [...digests.values()].map((digest) => ({
      mediaType: MEDIA_TYPES.manifest,
      digest,
      size,
      ...tagged,
    }));
    await setIndex(both);
    expect((await refusalOf('2.0.0'))?.code).toBe('reference-invalid');
  });

  test('an enormous manifest is not read', async () => {
    const blob = await writeBlob('x'.repeat(5 * 1024 * 1024));
    await setIndex([{ mediaType: MEDIA_TYPES.manifest, ...blob, ...tagged }]);
    expect((await refusalOf('2.0.0'))?.code).toBe('manifest-too-large');
    expect((await refusalOf(blob.digest))?.code).toBe('manifest-too-large');
    // A size that lies does not help.
    await setIndex([{ mediaType: MEDIA_TYPES.manifest, ...blob, size: 100, ...tagged }]);
    expect((await refusalOf('2.0.0'))?.code).toBe('blob-size-mismatch');
    await writeFile(join(directory, 'index.json'), ' '.repeat(5 * 1024 * 1024));
    expect((await refusalOf('2.0.0'))?.code).toBe('manifest-too-large');
  });
});

describe('a manifest is refused', () => {
  const config = { mediaType: MEDIA_TYPES.config, digest: `sha256:${'a'.repeat(64)}`, size: 2 };
  const layer = { mediaType: MEDIA_TYPES.layerTar, digest: `sha256:${'b'.repeat(64)}`, size: 2 };
  const good = { schemaVersion: 2, mediaType: MEDIA_TYPES.manifest, config, layers: [layer] };

  test.each<[string, unknown, string]>([
    ['that is no JSON', '{', 'manifest-invalid'],
    ['that is a list', [], 'manifest-invalid'],
    ['of schema 1', { ...good, schemaVersion: 1 }, 'manifest-invalid'],
    ['of another type', { ...good, mediaType: 'text/plain' }, 'media-type-unsupported'],
    ['that is an index too', { ...good, manifests: [] }, 'manifest-invalid'],
    ['without layers', { ...good, layers: undefined }, 'manifest-invalid'],
    ['with 128 layers', { ...good, layers: Array(128).fill(layer) }, 'manifest-invalid'],
    [
      'with a sha512 digest',
      { ...good, layers: [{ ...layer, digest: `sha512:${'b'.repeat(128)}` }] },
      'manifest-invalid',
    ],
    [
      'with a digest that is a path',
      { ...good, config: { ...config, digest: 'sha256:../../etc/passwd' } },
      'manifest-invalid',
    ],
    ['with a negative size', { ...good, layers: [{ ...layer, size: -1 }] }, 'manifest-invalid'],
    [
      'with a 3 GiB layer',
      { ...good, layers: [{ ...layer, size: 3 * 2 ** 30 }] },
      'layer-too-large',
    ],
    [
      'with a Zstandard layer',
      { ...good, layers: [{ ...layer, mediaType: MEDIA_TYPES.layerTarZstd }] },
      'media-type-unsupported',
    ],
    [
      'of an artifact',
      { ...good, config: { ...config, mediaType: 'application/vnd.example+json' } },
      'media-type-unsupported',
    ],
    ['whose config is missing', good, 'blob-not-found'],
  ])('%s', async (_, manifest, code) => {
    const blob = await writeBlob(manifest);
    await setIndex([{ mediaType: MEDIA_TYPES.manifest, ...blob, ...tagged }]);
    expect((await refusalOf('2.0.0'))?.code).toBe(code);
  });

  test('whose bytes were exchanged', async () => {
    const digest = digests.get('1.0.0') ?? '';
    const path = join(directory, 'blobs/sha256', digest.slice(7));
    const text = await readFile(path, 'utf8');
    await writeFile(path, text.replace('"schemaVersion":2', '"schemaVersion":3'));
    expect((await refusalOf('1.0.0'))?.code).toBe('blob-digest-mismatch');
  });
});

test('a blob stream ends with an error when the bytes are not those of the digest', async () => {
  const layout = await openLayout(directory);
  const image = await layout.resolve('1.0.0');
  if (!image.ok) throw new Error(image.refusal.message);
  const [layer] = image.value.manifest.layers;
  if (layer === undefined) throw new Error('no layer');
  const path = join(directory, 'blobs/sha256', layer.digest.slice(7));
  const bytes = await readFile(path);
  bytes[600] = 0x21;
  await writeFile(path, bytes);
  await expect(layout.blobStream(layer).resume().toArray()).rejects.toMatchObject({
    code: 'blob-digest-mismatch',
  });
});

test('a folder that is no layout', async () => {
  await expect(openLayout(join(directory, 'blobs'))).rejects.toMatchObject({
    code: 'layout-invalid',
  });
});
