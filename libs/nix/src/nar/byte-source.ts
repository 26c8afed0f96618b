/** Takes exact numbers of bytes from a stream of chunks, and knows how far it is. */
export class ByteSource {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #rest: Uint8Array = new Uint8Array(0);
  #offset: number;
  #ended = false;

  /** @param offset what the first byte counts as */
  constructor(chunks: AsyncIterable<Uint8Array>, offset = 0) {
    this.#chunks = chunks[Symbol.asyncIterator]();
    this.#offset = offset;
  }

  /** Number of the next byte. */
  get offset(): number {
    return this.#offset;
  }

  /** Up to `most` bytes, at least one; undefined at the end. */
  async takeSome(most: number): Promise<Uint8Array | undefined> {
    while (this.#rest.length === 0) {
      if (this.#ended) return undefined;
      const next = await this.#chunks.next();
      if (next.done === true) this.#ended = true;
      else this.#rest = next.value;
    }
    return this.#cut(Math.min(most, this.#rest.length));
  }

  /** Exactly `count` bytes, or fewer when the stream ends before. For small counts: they are copied. */
  async take(count: number): Promise<Uint8Array> {
    if (this.#rest.length >= count) return this.#cut(count);
    const bytes = new Uint8Array(count);
    let filled = 0;
    while (filled < count) {
      const part = await this.takeSome(count - filled);
      if (part === undefined) return bytes.subarray(0, filled);
      bytes.set(part, filled);
      filled += part.length;
    }
    return bytes;
  }

  /** Tells the stream's maker that nobody reads on. */
  async close(): Promise<void> {
    this.#ended = true;
    this.#rest = new Uint8Array(0);
    await this.#chunks.return?.();
  }

  #cut(count: number): Uint8Array {
    const part = this.#rest.subarray(0, count);
    this.#rest = this.#rest.subarray(count);
    this.#offset += count;
    return part;
  }
}
