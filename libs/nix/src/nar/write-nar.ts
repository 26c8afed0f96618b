import { constants } from 'node:fs';
import { type FileHandle, lstat, open, readdir, readlink } from 'node:fs/promises';
import { NixError, type NixErrorCode, printable } from '../nix-error.ts';
import { CASE_HACK, DEFAULT_NAR_LIMITS, type NarLimits } from './nar-limits.ts';

const CHUNK = 256 * 1024;
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const SEPARATOR = Buffer.from('/');

/** Words as a NAR writes them: length, bytes, zeros up to a multiple of eight. */
function encode(...words: readonly (string | Uint8Array)[]): Buffer {
  const parts: Uint8Array[] = [];
  for (const word of words) {
    const bytes = Buffer.from(word as Uint8Array);
    parts.push(encodeLength(bytes.length), bytes, Buffer.alloc((8 - (bytes.length % 8)) % 8));
  }
  return Buffer.concat(parts);
}

function encodeLength(length: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt32LE(length % 2 ** 32, 0);
  bytes.writeUInt32LE(Math.floor(length / 2 ** 32), 4);
  return bytes;
}

/**
 * Writes what lies at a path as a NAR, in the same bytes as `nix-store --dump`: contents, the owner's
 * execute bit, link targets, names in order of their bytes; no times, owners or other permissions.
 * Links are never followed.
 * @throws NixError `store-path-unreadable` for what is not there, is a device, socket or pipe, or
 *   changes meanwhile; `nar-name-invalid`, `nar-too-deep` and `nar-too-large` for what
 *   {@link readNar} would not take
 */
export async function* writeNar(
  path: string,
  limits: NarLimits = DEFAULT_NAR_LIMITS,
): AsyncGenerator<Uint8Array, void, undefined> {
  const writer = new NarWriter(limits);
  yield encode('nix-archive-1');
  yield* writer.node(Buffer.from(path), []);
}

/** One tree that is being written; paths are bytes, for the system's names are. */
class NarWriter {
  readonly #limits: NarLimits;
  #entries = 0;
  #bytes = 0;

  constructor(limits: NarLimits) {
    this.#limits = limits;
  }

  async *node(path: Buffer, names: readonly string[]): AsyncGenerator<Uint8Array, void, undefined> {
    this.#entries += 1;
    if (this.#entries > this.#limits.maxEntries) {
      this.#fail('nar-too-large', path, `has more than ${this.#limits.maxEntries} entries`);
    }
    const stat = await this.#read(path, () => lstat(path));
    if (stat.isSymbolicLink()) {
      const target = await this.#read(path, () => readlink(path, { encoding: 'buffer' }));
      this.#text(target, path);
      yield encode('(', 'type', 'symlink', 'target', target, ')');
    } else if (stat.isDirectory()) {
      if (names.length > this.#limits.maxDepth) {
        this.#fail('nar-too-deep', path, `is deeper than ${this.#limits.maxDepth} folders`);
      }
      yield* this.#directory(path, names);
    } else if (stat.isFile()) {
      yield* this.#file(path);
    } else {
      this.#fail('store-path-unreadable', path, 'is no file, folder or link');
    }
  }

  async *#directory(
    path: Buffer,
    names: readonly string[],
  ): AsyncGenerator<Uint8Array, void, undefined> {
    yield encode('(', 'type', 'directory');
    const entries = await this.#read(path, () => readdir(path, { encoding: 'buffer' }));
    entries.sort(Buffer.compare);
    for (const entry of entries) {
      const name = this.#text(entry, path);
      const below = [...names, name];
      if (name.includes(CASE_HACK)) {
        this.#fail('nar-name-invalid', path, `holds a name with "${CASE_HACK}"`);
      }
      if (Buffer.byteLength(below.join('/')) > this.#limits.maxPathBytes) {
        this.#fail(
          'nar-name-invalid',
          path,
          `holds a path over ${this.#limits.maxPathBytes} bytes`,
        );
      }
      yield encode('entry', '(', 'name', entry, 'node');
      yield* this.node(Buffer.concat([path, SEPARATOR, entry]), below);
      yield encode(')');
    }
    yield encode(')');
  }

  async *#file(path: Buffer): AsyncGenerator<Uint8Array, void, undefined> {
    // A link that took the file's place since it was looked at is not followed.
    const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
    const file = await this.#read(path, () => open(path, flags));
    try {
      const stat = await this.#read(path, () => file.stat());
      if (!stat.isFile()) this.#fail('store-path-unreadable', path, 'changed while it was read');
      this.#bytes += stat.size;
      if (this.#bytes > this.#limits.maxBytes) {
        this.#fail('nar-too-large', path, `makes more than ${this.#limits.maxBytes} bytes`);
      }
      yield (stat.mode & 0o100) === 0
        ? encode('(', 'type', 'regular', 'contents')
        : encode('(', 'type', 'regular', 'executable', '', 'contents');
      yield encodeLength(stat.size);
      yield* this.#content(file, path, stat.size);
      yield Buffer.concat([Buffer.alloc((8 - (stat.size % 8)) % 8), encode(')')]);
    } finally {
      await file.close();
    }
  }

  async *#content(
    file: FileHandle,
    path: Buffer,
    size: number,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    let left = size;
    while (left > 0) {
      const buffer = Buffer.allocUnsafe(Math.min(left, CHUNK));
      const { bytesRead } = await this.#read(path, () => file.read(buffer, 0, buffer.length));
      if (bytesRead === 0)
        this.#fail('store-path-unreadable', path, 'got shorter while it was read');
      left -= bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  }

  #text(bytes: Uint8Array, path: Buffer): string {
    try {
      return UTF8.decode(bytes);
    } catch {
      return this.#fail('nar-name-invalid', path, 'holds a name or link that is not UTF-8');
    }
  }

  async #read<T>(path: Buffer, action: () => Promise<T>): Promise<T> {
    try {
      return await action();
    } catch (cause) {
      const { code, message } = cause as NodeJS.ErrnoException;
      return this.#fail('store-path-unreadable', path, `can not be read (${code ?? message})`);
    }
  }

  #fail(code: NixErrorCode, path: Buffer, problem: string): never {
    const place = printable(path.toString());
    throw new NixError(code, `"${place}" can not become a NAR: it ${problem}.`, { path: place });
  }
}
