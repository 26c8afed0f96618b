import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';

/** One entry of a tar archive, written as it is told: nothing is checked. */
export interface RawEntry {
  readonly path: string;
  /** `0` file, `1` hard link, `2` symbolic link, `3` character device, `5` folder. */
  readonly type: '0' | '1' | '2' | '3' | '5';
  readonly linkTarget?: string;
  readonly content?: Buffer;
}

/** An image of one gzipped layer that nobody checked. */
export interface RawImage {
  readonly tag: string;
  /** Blocks of the layer's archive, without its end. */
  readonly archive: Iterable<Buffer>;
  readonly env: readonly string[];
  /** Makes the manifest this much larger. Bytes. */
  readonly manifestPadding?: number;
}

/** The blocks of some entries. */
export function* rawArchive(entries: Iterable<RawEntry>): Generator<Buffer, void, undefined> {
  for (const { path, type, linkTarget = '', content = Buffer.alloc(0) } of entries) {
    const header = Buffer.alloc(512);
    header.write(path, 0, 100);
    header.write('0000644\0', 100);
    header.write('0000000\0', 108);
    header.write('0000000\0', 116);
    header.write(`${content.length.toString(8).padStart(11, '0')}\0`, 124);
    header.write('00000000000\0', 136);
    header.write('        ', 148);
    header.write(type, 156);
    header.write(linkTarget, 157, 100);
    header.write('ustar\u000000', 257);
    // A device's numbers.
    header.write('0000001\0', 329);
    header.write('0000003\0', 337);
    const sum = header.reduce((total, byte) => total + byte, 0);
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
    yield header;
    if (content.length > 0) {
      yield Buffer.concat([content, Buffer.alloc((512 - (content.length % 512)) % 512)]);
    }
  }
}

/** As many entries as asked for, made as they are written: each hides a file that is not there. */
export function* manyEntries(count: number): Generator<Buffer, void, undefined> {
  const [first = Buffer.alloc(0)] = rawArchive([{ path: 'gone/.wh.0000000', type: '0' }]);
  const zeroSum = Number.parseInt(first.toString('latin1', 148, 154), 8);
  const batch = 1000;
  for (let from = 0; from < count; from += batch) {
    const blocks = Buffer.alloc(batch * 512, first);
    for (let place = 0; place < batch; place += 1) {
      const at = place * 512;
      const digits = String(from + place).padStart(7, '0');
      blocks.write(digits, at + 9, 'latin1');
      // Each header differs from the first by its digits alone, and so does its sum.
      const sum = [...digits].reduce((total, digit) => total + Number(digit), zeroSum);
      blocks.write(sum.toString(8).padStart(6, '0'), at + 148, 'latin1');
    }
    yield blocks;
  }
}

/** Writes an OCI image layout of such images. */
export async function writeRawLayout(folder: string, images: readonly RawImage[]): Promise<void> {
  const blobs = join(folder, 'blobs', 'sha256');
  await mkdir(blobs, { recursive: true });
  const manifests = [];
  for (const image of images) {
    const layer = await writeLayer(blobs, image.archive);
    const config = await writeBlob(blobs, {
      architecture: process.arch === 'x64' ? 'amd64' : process.arch,
      os: 'linux',
      config: { Entrypoint: ['node', 'server.mjs'], Env: image.env },
      rootfs: { type: 'layers', diff_ids: [layer.diffId] },
    });
    const manifest = await writeBlob(blobs, {
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      config: { mediaType: 'application/vnd.oci.image.config.v1+json', ...config },
      layers: [
        {
          mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
          digest: layer.digest,
          size: layer.size,
        },
      ],
      ...(image.manifestPadding === undefined
        ? {}
        : { annotations: { padding: 'x'.repeat(image.manifestPadding) } }),
    });
    manifests.push({
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      ...manifest,
      annotations: { 'org.opencontainers.image.ref.name': image.tag },
    });
  }
  await writeFile(join(folder, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  await writeFile(join(folder, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests }));
}

async function writeBlob(
  folder: string,
  value: unknown,
): Promise<{ readonly digest: string; readonly size: number }> {
  const bytes = Buffer.from(JSON.stringify(value));
  const hex = createHash('sha256').update(bytes).digest('hex');
  await writeFile(join(folder, hex), bytes);
  return { digest: `sha256:${hex}`, size: bytes.length };
}

async function writeLayer(folder: string, archive: Iterable<Buffer>) {
  const plain = createHash('sha256');
  const packed = createHash('sha256');
  const aside = join(folder, 'layer.part');
  await pipeline(
    Readable.from(withEnd(archive)),
    async function* (blocks) {
      for await (const block of blocks as AsyncIterable<Buffer>) {
        plain.update(block);
        yield block;
      }
    },
    createGzip({ level: 1 }),
    async function* (chunks) {
      for await (const chunk of chunks as AsyncIterable<Buffer>) {
        packed.update(chunk);
        yield chunk;
      }
    },
    createWriteStream(aside),
  );
  const { size } = await stat(aside);
  const hex = packed.digest('hex');
  await rename(aside, join(folder, hex));
  return { digest: `sha256:${hex}`, size, diffId: `sha256:${plain.digest('hex')}` };
}

function* withEnd(archive: Iterable<Buffer>): Generator<Buffer, void, undefined> {
  yield* archive;
  yield Buffer.alloc(1024);
}
