import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Readable, Transform } from 'node:stream';
import { isDigest } from '@sluice/domain';
import {
  type EvidenceContent,
  EvidenceError,
  type EvidenceStore,
  type PutOptions,
} from './evidence-store.ts';

const STALE_TEMPORARY_MS = 24 * 60 * 60 * 1000;

/**
 * An evidence store in a folder: `sha256/ab/<64 hex digits>`, written aside in `tmp/`, synced, then renamed, so
 * that a name never stands for half of its content. Processes may share the folder.
 */
export function createFolderStore(folder: string): EvidenceStore {
  let prepared: Promise<void> | undefined;

  function pathOf(digest: string): string {
    if (!isDigest(digest)) {
      const what = `"${digest.slice(0, 100)}" is no sha256 digest: sha256: and 64 hex digits.`;
      throw new EvidenceError('evidence-digest-invalid', what);
    }
    const hex = digest.slice('sha256:'.length);
    return join(folder, 'sha256', hex.slice(0, 2), hex);
  }

  async function findSize(digest: string): Promise<number | undefined> {
    try {
      const found = await stat(pathOf(digest));
      return found.isFile() ? found.size : undefined;
    } catch (error) {
      if ((error as { code?: unknown }).code === 'ENOENT') return undefined;
      throw error;
    }
  }

  async function requireSize(digest: string): Promise<number> {
    const size = await findSize(digest);
    if (size !== undefined) return size;
    throw new EvidenceError(
      'evidence-not-found',
      `${digest} is not in the evidence store ${folder}.`,
    );
  }

  async function put(content: EvidenceContent, options: PutOptions) {
    if (options.expectedDigest !== undefined) pathOf(options.expectedDigest);
    prepared ??= prepare(folder).catch((error: unknown) => {
      prepared = undefined;
      throw error;
    });
    await prepared;
    const temporary = join(folder, 'tmp', randomUUID());
    try {
      const written = await writeAside(temporary, content, options);
      const path = pathOf(written.digest);
      const made = await mkdir(dirname(path), { recursive: true });
      // Also over a file of that name: what was damaged on disk is mended by putting it again.
      await rename(temporary, path);
      await syncFolder(dirname(path));
      if (made !== undefined) await syncFolder(dirname(made));
      return written;
    } finally {
      await rm(temporary, { force: true });
    }
  }

  async function get(digest: string): Promise<Readable> {
    await requireSize(digest);
    const source = createReadStream(pathOf(digest));
    const verified = verifying(digest);
    source.on('error', (error) => verified.destroy(error));
    verified.on('close', () => source.destroy());
    return source.pipe(verified);
  }

  async function getBytes(digest: string, { maxBytes }: { readonly maxBytes: number }) {
    const size = await requireSize(digest);
    if (size > maxBytes) {
      const what = `${digest} has ${size} bytes; at most ${maxBytes} are read here.`;
      throw new EvidenceError('evidence-too-large', what);
    }
    const chunks: Buffer[] = [];
    for await (const chunk of await get(digest)) chunks.push(chunk as Buffer);
    return new Uint8Array(Buffer.concat(chunks));
  }

  async function remove(digest: string): Promise<boolean> {
    const path = pathOf(digest);
    try {
      await rm(path);
    } catch (error) {
      if ((error as { code?: unknown }).code === 'ENOENT') return false;
      throw error;
    }
    await syncFolder(dirname(path));
    return true;
  }

  return {
    put,
    get,
    getBytes,
    findSize,
    remove,
    has: async (digest) => (await findSize(digest)) !== undefined,
  };
}

async function writeAside(path: string, content: EvidenceContent, options: PutOptions) {
  const { maxBytes, expectedDigest, signal } = options;
  const hash = createHash('sha256');
  let size = 0;
  const file = await open(path, 'wx', 0o644);
  try {
    for await (const chunk of chunksOf(content)) {
      signal?.throwIfAborted();
      size += chunk.byteLength;
      if (size > maxBytes) {
        const what = `The content has more than ${maxBytes} bytes; nothing was stored.`;
        throw new EvidenceError('evidence-too-large', what);
      }
      hash.update(chunk);
      await writeAll(file, chunk);
    }
    const digest = `sha256:${hash.digest('hex')}`;
    if (expectedDigest !== undefined && digest !== expectedDigest) {
      throw new EvidenceError(
        'evidence-digest-mismatch',
        `The content has the digest ${digest}, not ${expectedDigest}; nothing was stored.`,
      );
    }
    await file.sync();
    return { digest, size };
  } finally {
    await file.close();
  }
}

async function* chunksOf(content: EvidenceContent): AsyncIterable<Uint8Array> {
  if (typeof content === 'string') yield Buffer.from(content, 'utf8');
  else if (ArrayBuffer.isView(content)) yield content;
  else yield* content;
}

async function writeAll(file: FileHandle, chunk: Uint8Array): Promise<void> {
  let offset = 0;
  while (offset < chunk.byteLength) {
    offset += (await file.write(chunk, offset)).bytesWritten;
  }
}

function verifying(digest: string): Transform {
  const hash = createHash('sha256');
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      done(null, chunk);
    },
    flush(done) {
      const found = `sha256:${hash.digest('hex')}`;
      if (found === digest) return done();
      const what = `What is stored as ${digest} has the digest ${found}: restore it from a backup.`;
      done(new EvidenceError('evidence-corrupt', what));
    },
  });
}

/** Makes the folders and removes what writers that died long ago left behind. */
async function prepare(folder: string): Promise<void> {
  const temporary = join(folder, 'tmp');
  await mkdir(temporary, { recursive: true });
  await mkdir(join(folder, 'sha256'), { recursive: true });
  for (const name of await readdir(temporary)) {
    const path = join(temporary, name);
    const found = await stat(path).catch(() => undefined);
    if (found !== undefined && Date.now() - found.mtimeMs > STALE_TEMPORARY_MS) {
      await rm(path, { force: true });
    }
  }
}

/** A rename or removal must itself survive a power cut before a row says that it was done. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
