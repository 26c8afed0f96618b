import { LogMasker } from './log-masker.ts';
import type { LogStream, SandboxRun, ShownLog } from './sandbox-run.ts';

const STREAMS = ['stdout', 'stderr'] as const;
/** Of the bytes that are kept, one eighth each is the end of a stream. */
const TAIL_SHARE = 8;
/** Room of the line that says what was left out. */
const NOTE_BYTES = 96;

type Piece = { readonly bytes: Buffer; readonly stream: LogStream; readonly at: Date };

/**
 * A log of two streams that is handed out as it comes until its bytes are used up, and of which then the last bytes of each
 * stream are kept and handed out at the end, after a line that says how many are missing. Never more than `limit` bytes in all, as they are shown.
 */
export class BoundedLog {
  readonly #emit: SandboxRun['onLog'];
  readonly #maskers: Readonly<Record<LogStream, LogMasker>>;
  readonly #shown: Readonly<Record<LogStream, ShownLog>>;
  readonly #tails: Readonly<Record<LogStream, Tail>>;
  #head: number;
  #bytes = 0;

  constructor(
    limit: number,
    secrets: readonly Uint8Array[],
    emit: SandboxRun['onLog'],
    show: () => ShownLog = showAsWritten,
  ) {
    const tail = Math.floor(limit / TAIL_SHARE);
    this.#head = limit - 2 * tail;
    this.#emit = emit;
    this.#maskers = { stdout: new LogMasker(secrets), stderr: new LogMasker(secrets) };
    this.#shown = { stdout: show(), stderr: show() };
    this.#tails = { stdout: new Tail(tail - NOTE_BYTES), stderr: new Tail(tail - NOTE_BYTES) };
  }

  /** Shown of the script so far, after masking. */
  get bytes(): number {
    return this.#bytes;
  }

  /** True when bytes were left out for good. */
  get truncated(): boolean {
    return STREAMS.some((stream) => this.#tails[stream].dropped > 0);
  }

  /** True when the beginning is full: what comes now is likely to be thrown away. */
  get isFull(): boolean {
    return this.#head === 0;
  }

  async push(chunk: Uint8Array, stream: LogStream, at: Date): Promise<void> {
    const bytes = this.#shown[stream].push(this.#maskers[stream].push(chunk));
    await this.#take({ bytes: Buffer.from(bytes), stream, at });
  }

  /** Hands out what was held back. */
  async end(at: Date): Promise<void> {
    for (const stream of STREAMS) {
      const shown = this.#shown[stream];
      const rest = shown.push(this.#maskers[stream].end());
      await this.#take({ bytes: Buffer.concat([rest, shown.end()]), stream, at });
    }
    const pieces = STREAMS.flatMap((stream) => this.#tails[stream].list(stream));
    pieces.sort((left, right) => left.at.getTime() - right.at.getTime());
    for (const piece of pieces) await this.#emit(piece.bytes, piece.stream, piece.at);
  }

  async #take({ bytes, stream, at }: Piece): Promise<void> {
    this.#bytes += bytes.length;
    const tail = this.#tails[stream];
    const now = tail.isEmpty ? Math.min(this.#head, bytes.length) : 0;
    if (now > 0) {
      this.#head -= now;
      await this.#emit(bytes.subarray(0, now), stream, at);
    }
    if (now < bytes.length) tail.push({ bytes: bytes.subarray(now), stream, at });
  }
}

function showAsWritten(): ShownLog {
  return { push: (bytes) => bytes, end: () => Buffer.alloc(0) };
}

/** The last bytes of a stream. */
class Tail {
  readonly #limit: number;
  #pieces: Piece[] = [];
  #size = 0;
  dropped = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get isEmpty(): boolean {
    return this.#pieces.length === 0;
  }

  push(piece: Piece): void {
    // A copy: the piece may be a sliver of a large buffer, which it would keep alive.
    this.#pieces.push({ ...piece, bytes: Buffer.from(piece.bytes) });
    this.#size += piece.bytes.length;
    while (this.#size > this.#limit) this.#dropFrom(this.#size - this.#limit);
    if (this.#pieces.length > MOST_PIECES) this.#join();
  }

  list(stream: LogStream): Piece[] {
    const first = this.#pieces[0];
    if (this.dropped === 0 || first === undefined) return this.#pieces;
    const note = Buffer.from(`\n[sluice: ${this.dropped} bytes of ${stream} left out here]\n`);
    return [{ bytes: note, stream, at: first.at }, ...this.#pieces];
  }

  #dropFrom(excess: number): void {
    const first = this.#pieces[0];
    if (first === undefined) return;
    const drop = Math.min(excess, first.bytes.length);
    this.dropped += drop;
    this.#size -= drop;
    if (drop === first.bytes.length) this.#pieces.shift();
    else this.#pieces[0] = { ...first, bytes: first.bytes.subarray(drop) };
  }

  /** A script that writes single bytes must not make as many objects. */
  #join(): void {
    const half = this.#pieces.splice(0, this.#pieces.length / 2);
    const first = half[0];
    if (first === undefined) return;
    this.#pieces.unshift({ ...first, bytes: Buffer.concat(half.map((piece) => piece.bytes)) });
  }
}

const MOST_PIECES = 1024;
