import { NixError, type NixErrorCode, printable } from '../nix-error.ts';
import { ByteSource } from './byte-source.ts';
import { CASE_HACK, DEFAULT_NAR_LIMITS, MAX_NAME_BYTES, type NarLimits } from './nar-limits.ts';

/** What is met in a NAR, in its order. `names` lead from the root, which has none. */
export type NarEvent =
  | { readonly type: 'directory'; readonly names: readonly string[] }
  | { readonly type: 'directory-end'; readonly names: readonly string[] }
  | { readonly type: 'symlink'; readonly names: readonly string[]; readonly target: string }
  | {
      readonly type: 'file';
      readonly names: readonly string[];
      readonly executable: boolean;
      /** Bytes that follow as `content`. */
      readonly size: number;
    }
  | { readonly type: 'content'; readonly bytes: Uint8Array }
  | { readonly type: 'file-end'; readonly names: readonly string[] };

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const LONGEST_TOKEN = 16;

/**
 * Reads a NAR strictly: only what Nix itself would write of some tree is taken, so a NAR that is read has
 * one meaning and one hash. Names have to be UTF-8, in order of their bytes, each once. Nothing is kept
 * in memory but the path to the present entry.
 * @param source the NAR's bytes and nothing else
 * @param firstByte number of the first byte, for messages
 * @throws NixError with `nar-*` codes and the byte's number; the sender made it, no retry mends it
 */
export async function* readNar(
  source: AsyncIterable<Uint8Array>,
  limits: NarLimits = DEFAULT_NAR_LIMITS,
  firstByte = 0,
): AsyncGenerator<NarEvent, void, undefined> {
  const bytes = new ByteSource(source, firstByte);
  try {
    const reader = new NarReader(bytes, limits, firstByte);
    await reader.expect('nix-archive-1');
    yield* reader.node([]);
    await reader.expectEnd();
  } finally {
    await bytes.close();
  }
}

/** One NAR that is being read. */
class NarReader {
  readonly #bytes: ByteSource;
  readonly #limits: NarLimits;
  readonly #firstByte: number;
  #entries = 0;
  #path: readonly string[] = [];

  constructor(bytes: ByteSource, limits: NarLimits, firstByte: number) {
    this.#bytes = bytes;
    this.#limits = limits;
    this.#firstByte = firstByte;
  }

  /** `( type … )`; directories are walked with a list of their own, so depth costs no stack. */
  async *node(root: readonly string[]): AsyncGenerator<NarEvent, void, undefined> {
    const open: { names: readonly string[]; last: Buffer | undefined }[] = [];
    let names: readonly string[] | undefined = root;
    for (;;) {
      if (names !== undefined) {
        const kind = await this.#openNode(names);
        if (kind === 'directory') {
          // The root folder itself is no level.
          if (open.length > this.#limits.maxDepth) {
            this.#fail('nar-too-deep', `is deeper than ${this.#limits.maxDepth} folders`);
          }
          yield { type: 'directory', names };
          open.push({ names, last: undefined });
        } else {
          if (kind === 'regular') yield* this.#regular(names);
          else yield { type: 'symlink', names, target: await this.#target() };
          await this.expect(')');
          if (open.length > 0) await this.expect(')');
        }
        names = undefined;
      }
      const folder = open.at(-1);
      if (folder === undefined) return;
      this.#path = folder.names;
      const token = await this.#token();
      if (token === 'entry') {
        const name = await this.#entryName(folder.last);
        folder.last = name;
        names = [...folder.names, UTF8.decode(name)];
      } else if (token === ')') {
        yield { type: 'directory-end', names: folder.names };
        open.pop();
        if (open.length > 0) await this.expect(')');
      } else {
        this.#fail('nar-invalid', `has "${printable(token)}" where an entry or ")" belongs`);
      }
    }
  }

  async expect(word: string): Promise<void> {
    const token = await this.#token();
    if (token !== word) {
      this.#fail('nar-invalid', `has "${printable(token)}" where "${word}" belongs`);
    }
  }

  async expectEnd(): Promise<void> {
    if ((await this.#bytes.takeSome(1)) !== undefined) {
      this.#path = [];
      this.#fail('nar-trailing-bytes', 'goes on after its end');
    }
  }

  async #openNode(names: readonly string[]): Promise<'directory' | 'regular' | 'symlink'> {
    this.#path = names;
    this.#entries += 1;
    if (this.#entries > this.#limits.maxEntries) {
      this.#fail('nar-too-large', `has more than ${this.#limits.maxEntries} entries`);
    }
    await this.expect('(');
    await this.expect('type');
    const type = await this.#token();
    if (type !== 'directory' && type !== 'regular' && type !== 'symlink') {
      this.#fail('nar-invalid', `has the unknown type "${printable(type)}"`);
    }
    return type;
  }

  async *#regular(names: readonly string[]): AsyncGenerator<NarEvent, void, undefined> {
    let token = await this.#token();
    const executable = token === 'executable';
    if (executable) {
      await this.expect('');
      token = await this.#token();
    }
    if (token !== 'contents') {
      this.#fail('nar-invalid', `has "${printable(token)}" where "contents" belongs`);
    }
    const size = await this.#length(Number.MAX_SAFE_INTEGER);
    yield { type: 'file', names, executable, size };
    let left = size;
    while (left > 0) {
      const bytes = await this.#bytes.takeSome(left);
      if (bytes === undefined)
        this.#fail('nar-truncated', `ends ${left} bytes before its file does`);
      left -= bytes.length;
      yield { type: 'content', bytes };
    }
    await this.#padding(size);
    yield { type: 'file-end', names };
  }

  async #target(): Promise<string> {
    await this.expect('target');
    const bytes = await this.#string(this.#limits.maxLinkBytes);
    const target = this.#text(bytes);
    if (target === '' || target.includes('\0')) {
      this.#fail('nar-invalid', 'is a link to nothing');
    }
    return target;
  }

  async #entryName(last: Buffer | undefined): Promise<Buffer> {
    await this.expect('(');
    await this.expect('name');
    const bytes = Buffer.from(await this.#string(MAX_NAME_BYTES));
    const name = this.#text(bytes);
    this.#path = [...this.#path, name];
    const isPlain = name !== '' && name !== '.' && name !== '..' && !/[/\0]/.test(name);
    if (!isPlain) this.#fail('nar-name-invalid', 'has a name that is none');
    if (name.includes(CASE_HACK)) {
      this.#fail('nar-name-invalid', `has a name with "${CASE_HACK}", which is no file's own`);
    }
    if (last !== undefined && Buffer.compare(last, bytes) >= 0) {
      this.#fail(
        'nar-name-unordered',
        last.equals(bytes) ? 'is there twice' : 'stands after a name that it belongs before',
      );
    }
    if (Buffer.byteLength(this.#path.join('/')) > this.#limits.maxPathBytes) {
      this.#fail('nar-name-invalid', `has a path over ${this.#limits.maxPathBytes} bytes`);
    }
    await this.expect('node');
    return bytes;
  }

  async #token(): Promise<string> {
    return Buffer.from(await this.#string(LONGEST_TOKEN)).toString('latin1');
  }

  #text(bytes: Uint8Array): string {
    try {
      return UTF8.decode(bytes);
    } catch {
      return this.#fail('nar-name-invalid', 'has a name or link that is not UTF-8');
    }
  }

  async #string(longest: number): Promise<Uint8Array> {
    const length = await this.#length(longest);
    const bytes = await this.#exactly(length);
    await this.#padding(length);
    return bytes;
  }

  async #length(longest: number): Promise<number> {
    const bytes = Buffer.from(await this.#exactly(8));
    const length = bytes.readUInt32LE(0) + bytes.readUInt32LE(4) * 2 ** 32;
    if (length > longest) {
      this.#fail('nar-invalid', `has a string of ${length} bytes where ${longest} are the most`);
    }
    const room = this.#limits.maxBytes - (this.#bytes.offset - this.#firstByte);
    if (length > room) {
      this.#fail('nar-too-large', `has more than ${this.#limits.maxBytes} bytes`);
    }
    return length;
  }

  async #padding(length: number): Promise<void> {
    const padding = await this.#exactly((8 - (length % 8)) % 8);
    if (padding.some((byte) => byte !== 0)) {
      this.#fail('nar-invalid', 'has padding that is not zero');
    }
  }

  async #exactly(count: number): Promise<Uint8Array> {
    if (count === 0) return new Uint8Array(0);
    const bytes = await this.#bytes.take(count);
    if (bytes.length < count) this.#fail('nar-truncated', 'ends too early');
    return bytes;
  }

  #fail(code: NixErrorCode, problem: string): never {
    const { offset } = this.#bytes;
    const path = printable(this.#path.join('/'));
    throw new NixError(
      code,
      `The NAR is refused at byte ${offset}: "/${path}" ${problem}. Export it again with Nix or Sluice.`,
      { offset, path },
    );
  }
}
