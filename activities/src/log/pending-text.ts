import { MAX_LOG_CHUNK_BYTES, type StepLogChunk } from '@sluice/persistence';

/** Text of a log that is not stored yet: bounded as a whole, cut into chunks between characters. */
export class PendingText {
  #limit: number;
  #parts: Buffer[] = [];
  #size = 0;
  #unsent: StepLogChunk[] = [];
  /** Of the last chunk. */
  #seq = 0;
  /** Of all that was taken. */
  #bytes = 0;
  #dropped = 0;

  /** @param limit bytes that are taken in all */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** True when nothing is taken any more. */
  get isFull(): boolean {
    return this.#dropped > 0;
  }

  /** Bytes that were taken so far. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Bytes that were left out. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Bytes that wait to be cut into chunks. */
  get size(): number {
    return this.#size;
  }

  /** Bytes of what was cut into chunks. */
  get cut(): number {
    return this.#bytes - this.#size;
  }

  /** From now on so many bytes are taken in all, where that is less than before; of what waits to be cut the end goes. */
  restrict(limit: number): void {
    this.#limit = Math.min(this.#limit, Math.max(limit, this.cut));
    if (this.#bytes <= this.#limit) return;
    const bytes = Buffer.concat(this.#parts);
    const kept = cutBefore(bytes, this.#limit - this.cut);
    this.#dropped += bytes.length - kept;
    this.#bytes -= bytes.length;
    this.#parts = [];
    this.#size = 0;
    this.#add(bytes.subarray(0, kept));
  }

  /** Takes a text, as far as there is room. */
  push(text: string): void {
    if (text === '') return;
    const bytes = Buffer.from(text);
    const room = this.isFull ? 0 : this.#limit - this.#bytes;
    const kept = bytes.length <= room ? bytes.length : cutBefore(bytes, room);
    this.#dropped += bytes.length - kept;
    this.#add(bytes.subarray(0, kept));
  }

  /** Counts what nobody has made a text of. */
  drop(bytes: number): void {
    this.#dropped += bytes;
  }

  /** Takes a last text whatever room there is. */
  finish(text: string): void {
    this.#add(Buffer.from(text));
  }

  /** The chunks that are not stored, old ones first; they stay until {@link sent}. */
  chunks(): readonly StepLogChunk[] {
    const bytes = Buffer.concat(this.#parts);
    let byteOffset = this.#bytes - bytes.length;
    this.#parts = [];
    this.#size = 0;
    for (let at = 0; at < bytes.length; ) {
      const rest = bytes.subarray(at);
      const most = MAX_LOG_CHUNK_BYTES;
      const length = rest.length <= most ? rest.length : cutBefore(rest, most);
      this.#seq += 1;
      this.#unsent.push({ seq: this.#seq, byteOffset, text: rest.toString('utf8', 0, length) });
      byteOffset += length;
      at += length;
    }
    return this.#unsent;
  }

  /** The first so many chunks are stored. */
  sent(count: number): void {
    this.#unsent = this.#unsent.slice(count);
  }

  #add(bytes: Buffer): void {
    if (bytes.length === 0) return;
    this.#parts.push(bytes);
    this.#size += bytes.length;
    this.#bytes += bytes.length;
  }
}

/** The longest beginning of at most so many bytes that ends with a whole character. */
function cutBefore(bytes: Buffer, most: number): number {
  let at = Math.max(0, most);
  while (at > 0 && ((bytes[at] ?? 0) & 0xc0) === 0x80) at -= 1;
  return at;
}
