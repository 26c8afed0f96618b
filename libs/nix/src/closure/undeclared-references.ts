import type { StorePath } from '../store-path.ts';

const HASH = 32;

const IS_DIGIT = new Uint8Array(256);
for (const digit of Buffer.from('0123456789abcdfghijklmnpqrsvwxyz')) IS_DIGIT[digit] = 1;

/**
 * Looks for the hashes of a closure's store paths in bytes that pass by, as Nix does to learn what a build
 * refers to, and remembers the first that was not declared.
 */
export class UndeclaredReferences {
  readonly #baseNames: ReadonlyMap<string, string>;
  readonly #declared: ReadonlySet<string>;
  #tail: Buffer = Buffer.alloc(0);
  #first: string | undefined;

  /**
   * @param members of the closure
   * @param declared last parts of the store paths that may be mentioned
   */
  constructor(members: readonly StorePath[], declared: ReadonlySet<string>) {
    this.#baseNames = new Map(members.map(({ hash, baseName }) => [hash, baseName]));
    this.#declared = declared;
  }

  /** Last part of the first store path that was mentioned without being declared; undefined when none was. */
  get first(): string | undefined {
    return this.#first;
  }

  /** Passes chunks on. */
  async *pass(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const chunk of source) {
      // A hash may lie across two chunks.
      this.#search(Buffer.concat([this.#tail, chunk.subarray(0, HASH - 1)]));
      this.#search(chunk);
      this.#tail = Buffer.concat([this.#tail, chunk.subarray(-(HASH - 1))]).subarray(-(HASH - 1));
      yield chunk;
    }
  }

  #search(bytes: Uint8Array): void {
    for (let at = 0; at + HASH <= bytes.length && this.#first === undefined; ) {
      let back = HASH - 1;
      while (back >= 0 && IS_DIGIT[bytes[at + back] as number] === 1) back -= 1;
      if (back >= 0) {
        at += back + 1;
        continue;
      }
      const hash = Buffer.from(bytes.buffer, bytes.byteOffset + at, HASH).toString('latin1');
      const baseName = this.#baseNames.get(hash);
      if (baseName !== undefined && !this.#declared.has(baseName)) this.#first = baseName;
      at += 1;
    }
  }
}
