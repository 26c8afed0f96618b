import { OciError } from './oci-error.ts';

const BLOCK = 512;
const MAX_EXTENSION_BYTES = 1024 * 1024;

/** Typeflags whose meaning every tar reader agrees on: files, links, special files, directories. */
const PLAIN_TYPES = new Set(['\0', '0', '1', '2', '3', '4', '5', '6', '7']);
/** Typeflags of entries that have no content. */
const EMPTY_TYPES = new Set(['1', '2', '3', '4', '5', '6']);
/** Long names of GNU tar, extended headers of pax. */
const EXTENSION_TYPES = new Set(['L', 'K', 'x', 'g']);
/** Records that make readers disagree about where an entry's content ends or what it is called. */
const REFUSED_RECORDS = /^(?:size$|GNU\.sparse\.)/;
const REFUSED_GLOBAL_RECORDS = /^(?:path|linkpath)$/;

/**
 * Passes a tar archive on as it is, and throws `layer-invalid` where tar readers read differently: data
 * after the end marker, content of entries that have none, sizes in extended headers, sparse files,
 * unknown types. Without this a scanner could see another image than the one that is unpacked.
 */
export async function* strictTarChunks(
  source: AsyncIterable<Uint8Array>,
  digest: string,
): AsyncGenerator<Uint8Array, void, undefined> {
  const reader = new TarShape(digest);
  for await (const chunk of source) {
    reader.read(chunk);
    yield chunk;
  }
  reader.end();
}

/** Follows the blocks of an archive without keeping its content. */
class TarShape {
  readonly #digest: string;
  readonly #block = Buffer.alloc(BLOCK);
  #filled = 0;
  /** Bytes of content and padding to pass over. */
  #skip = 0;
  #extension: { type: string; bytes: Buffer; filled: number } | undefined;
  #zeroBlocks = 0;

  constructor(digest: string) {
    this.#digest = digest;
  }

  read(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length) {
      const left = chunk.length - at;
      if (this.#extension !== undefined && this.#extension.filled < this.#extension.bytes.length) {
        const { bytes, filled } = this.#extension;
        const part = chunk.subarray(at, at + Math.min(left, bytes.length - filled));
        bytes.set(part, filled);
        this.#extension.filled += part.length;
        at += part.length;
        if (this.#extension.filled === bytes.length) this.#checkExtension();
      } else if (this.#skip > 0) {
        const part = Math.min(left, this.#skip);
        this.#skip -= part;
        at += part;
      } else {
        const part = chunk.subarray(at, at + Math.min(left, BLOCK - this.#filled));
        this.#block.set(part, this.#filled);
        this.#filled += part.length;
        at += part.length;
        if (this.#filled === BLOCK) {
          this.#filled = 0;
          this.#readHeader();
        }
      }
    }
  }

  end(): void {
    if (this.#filled > 0 || this.#skip > 0 || this.#extension !== undefined) {
      this.#fail('it ends in the middle of an entry');
    }
  }

  #readHeader(): void {
    const block = this.#block;
    if (block.every((byte) => byte === 0)) {
      this.#zeroBlocks += 1;
      return;
    }
    if (this.#zeroBlocks > 0) this.#fail('it has data after the end of the archive');
    const type = String.fromCharCode(block[156] ?? 0);
    const size = this.#sizeOf(block);
    const padding = (BLOCK - (size % BLOCK)) % BLOCK;
    if (EXTENSION_TYPES.has(type)) {
      if (size === 0) return;
      if (size > MAX_EXTENSION_BYTES) this.#fail(`it has an extended header of ${size} bytes`);
      this.#extension = { type, bytes: Buffer.alloc(size), filled: 0 };
      this.#skip = padding;
      return;
    }
    if (!PLAIN_TYPES.has(type)) this.#fail(`it has an entry of the unknown type ${block[156]}`);
    if (size > 0 && EMPTY_TYPES.has(type)) {
      this.#fail('it has a link, directory or device with content');
    }
    this.#skip = size + padding;
  }

  #sizeOf(block: Buffer): number {
    const field = block.subarray(124, 136).toString('latin1');
    // Base-256 sizes are for files over 8 GiB, which no limit lets through.
    const match = /^ *([0-7]*)[ \0]*$/.exec(field);
    if (match === null) this.#fail('it has an entry whose size is no octal number');
    return match?.[1] ? Number.parseInt(match[1], 8) : 0;
  }

  #checkExtension(): void {
    const extension = this.#extension;
    this.#extension = undefined;
    if (extension === undefined || extension.type === 'L' || extension.type === 'K') return;
    for (const key of this.#recordKeys(extension.bytes)) {
      if (
        REFUSED_RECORDS.test(key) ||
        (extension.type === 'g' && REFUSED_GLOBAL_RECORDS.test(key))
      ) {
        this.#fail('it has an extended header that tar readers take differently');
      }
    }
  }

  *#recordKeys(bytes: Buffer): Generator<string> {
    let at = 0;
    while (at < bytes.length) {
      const space = bytes.indexOf(0x20, at);
      const length = Number(bytes.subarray(at, space < at ? at : space).toString('latin1') || 'no');
      const last = at + length - 1;
      const equals = bytes.indexOf(0x3d, space);
      if (!Number.isSafeInteger(length) || bytes[last] !== 0x0a || equals < 0 || equals > last) {
        this.#fail('it has a malformed extended header');
      }
      yield bytes.subarray(space + 1, equals).toString('utf8');
      at += length;
    }
  }

  #fail(problem: string): never {
    throw new OciError(
      'layer-invalid',
      `Layer ${this.#digest} is not unpacked: ${problem}. Rebuild the image with another tool.`,
      { digest: this.#digest },
    );
  }
}
