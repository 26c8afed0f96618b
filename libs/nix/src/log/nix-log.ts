import { printable } from '../nix-error.ts';
import type { OutputLine } from '../run/lines.ts';
import type { BuildProgress, NixLogEntry } from './nix-log-entry.ts';
import { NixLogParser } from './nix-log-parser.ts';

/** Takes what Nix says; Nix waits when it returns a promise. */
export type OnNixLog = (entry: NixLogEntry) => void | Promise<void>;

const LAST_LINES = 20;
const MAX_DERIVATIONS = 256;
const MAX_ERRORS = 20;
const FAILED = /(?:builder for|[Cc]annot build|derivation) '([^']+\.drv)'/;

/** Follows Nix' log: passes it on within bounds and remembers what an error is made of. */
export class NixLog {
  readonly #parser = new NixLogParser();
  readonly #onLog: OnNixLog | undefined;
  readonly #maxBytes: number;
  readonly #lastLines = new Map<string, string[]>();
  readonly #errors: Extract<NixLogEntry, { kind: 'message' }>[] = [];
  readonly #rest: string[] = [];
  #bytes = 0;
  #dropped = 0;
  #isBounded = false;
  #progress: BuildProgress = { built: 0, running: 0, failed: 0, total: 0 };

  /** @param maxBytes of what is passed on of kind `log`, `activity` and `unknown` */
  constructor(maxBytes: number, onLog: OnNixLog | undefined) {
    this.#maxBytes = maxBytes;
    this.#onLog = onLog;
  }

  get progress(): BuildProgress {
    return this.#progress;
  }

  /** Lines that were not passed on. */
  get droppedLines(): number {
    return this.#dropped;
  }

  /** What Nix called an error, in its order. */
  get errors(): readonly Extract<NixLogEntry, { kind: 'message' }>[] {
    return this.#errors;
  }

  /** The derivation of the first error that names one; undefined when none does. */
  get failedDerivation(): string | undefined {
    return this.#errors.map((error) => FAILED.exec(error.text)?.[1]).find(Boolean);
  }

  /** The last lines of a derivation's builder, or of everything that is not in Nix' form. */
  lastLines(derivation: string | undefined): readonly string[] {
    return (derivation === undefined ? undefined : this.#lastLines.get(derivation)) ?? this.#rest;
  }

  async take(line: OutputLine): Promise<void> {
    const entry = this.#parser.parse(line);
    if (entry === undefined) return;
    if (entry.kind === 'progress') {
      const { kind: _, ...progress } = entry;
      this.#progress = progress;
    } else if (entry.kind === 'message') {
      if (entry.level === 0 && this.#errors.length < MAX_ERRORS) this.#errors.push(entry);
    } else if (entry.kind === 'log') {
      this.#remember(entry.derivation ?? '', entry.text);
    } else if (entry.kind === 'unknown') {
      keepLast(this.#rest, entry.text);
    }
    await this.#pass(entry);
  }

  #remember(derivation: string, text: string): void {
    const lines = this.#lastLines.get(derivation) ?? [];
    // Set anew, so that the first in the map is the one that has been silent for longest.
    this.#lastLines.delete(derivation);
    this.#lastLines.set(derivation, lines);
    keepLast(lines, text);
    const [oldest] = this.#lastLines.keys();
    if (this.#lastLines.size > MAX_DERIVATIONS && oldest !== undefined) {
      this.#lastLines.delete(oldest);
    }
  }

  async #pass(entry: NixLogEntry): Promise<void> {
    if (entry.kind === 'log' || entry.kind === 'activity' || entry.kind === 'unknown') {
      const bytes = Buffer.byteLength(entry.text) + 1;
      if (this.#isBounded || this.#bytes + bytes > this.#maxBytes) {
        this.#dropped += 1;
        if (this.#isBounded) return;
        this.#isBounded = true;
        const text = `The log has more than ${this.#maxBytes} bytes; the rest is left out, the build goes on.`;
        await this.#onLog?.({ kind: 'bounded', text });
        return;
      }
      this.#bytes += bytes;
    }
    await this.#onLog?.(entry);
  }
}

/** Of what a terminal would do, nothing is left; Nix serializes an error of its own among a builder's lines. */
function keepLast(lines: string[], text: string): void {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is cut
  const shown = text
    .replace(/\u001b\[[0-9;]*[A-Za-z]/g, '')
    .replace(/[\u0000-\u001f\u007f]+/g, ' ');
  const line = printable(shown.replace(/ {2,}/g, ' ').trim(), 400);
  if (line === '') return;
  lines.push(line);
  if (lines.length > LAST_LINES) lines.shift();
}
