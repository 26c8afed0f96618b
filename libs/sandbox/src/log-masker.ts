import { listSecretForms } from './secret-forms.ts';

const MASK = Buffer.from('***');

/** Half-open. */
type Span = { readonly start: number; end: number };

/**
 * Masks secrets in one stream of bytes as `***`, also where they come in pieces: bytes that may be the beginning of a secret are
 * held back until the next ones tell. Overlapping secrets are masked as one. Masked in all forms of {@link listSecretForms}; in
 * another encoding, or in smaller pieces, a script can show what it likes.
 */
export class LogMasker {
  readonly #patterns = new Map<string, Pattern>();
  #carry: Buffer = Buffer.alloc(0);
  /** So many bytes of the carry belong to a secret whose mask is already out. */
  #masked = 0;

  constructor(secrets: readonly Uint8Array[]) {
    for (const secret of secrets) this.add(secret);
  }

  /** Masks one more secret in all that is not shown yet. */
  add(secret: Uint8Array): void {
    for (const form of listSecretForms(secret)) {
      const key = form.toString('latin1');
      if (!this.#patterns.has(key)) this.#patterns.set(key, new Pattern(form));
    }
  }

  /** What can be shown now. */
  push(chunk: Uint8Array): Buffer {
    if (this.#patterns.size === 0) return Buffer.from(chunk);
    const bytes = Buffer.concat([this.#carry, chunk]);
    let held = 0;
    for (const pattern of this.#patterns.values()) {
      held = Math.max(held, pattern.beginningAtEnd(bytes));
    }
    return this.#show(bytes, bytes.length - held);
  }

  /** What was held back; the stream has ended. */
  end(): Buffer {
    return this.#show(this.#carry, this.#carry.length);
  }

  #show(bytes: Buffer, until: number): Buffer {
    const shown: Buffer[] = [];
    let from = 0;
    let masked = Math.max(0, this.#masked - until);
    for (const { start, end } of this.#spans(bytes)) {
      if (start >= until) break;
      shown.push(bytes.subarray(from, start));
      if (start > 0 || this.#masked === 0) shown.push(MASK);
      from = Math.min(end, until);
      masked = Math.max(0, end - until);
    }
    shown.push(bytes.subarray(from, until));
    this.#carry = bytes.subarray(until);
    this.#masked = masked;
    return Buffer.concat(shown);
  }

  #spans(bytes: Buffer): Span[] {
    const found = [...this.#patterns.values()].flatMap((pattern) => pattern.spansIn(bytes));
    if (this.#masked > 0) found.push({ start: 0, end: this.#masked });
    found.sort((left, right) => left.start - right.start);
    const merged: Span[] = [];
    for (const span of found) {
      const last = merged.at(-1);
      if (last !== undefined && span.start < last.end) last.end = Math.max(last.end, span.end);
      else merged.push({ ...span });
    }
    return merged;
  }
}

/** A text that is looked for in linear time, whatever it repeats (Knuth, Morris, Pratt). */
class Pattern {
  readonly #text: Buffer;
  readonly #failure: Int32Array;

  constructor(text: Buffer) {
    this.#text = text;
    this.#failure = new Int32Array(text.length);
    for (let index = 1, state = 0; index < text.length; index += 1) {
      state = this.#next(state, text[index] ?? 0);
      this.#failure[index] = state;
    }
  }

  /** Length of the longest end of the bytes that is a beginning of the text, and not all of it. */
  beginningAtEnd(bytes: Buffer): number {
    let state = 0;
    for (let at = Math.max(0, bytes.length - this.#text.length + 1); at < bytes.length; at += 1) {
      state = this.#next(state, bytes[at] ?? 0);
    }
    return state;
  }

  /** Where it is, overlapping ones merged. */
  spansIn(bytes: Buffer): Span[] {
    const first = bytes.indexOf(this.#text);
    if (first < 0) return [];
    const length = this.#text.length;
    const spans: Span[] = [];
    for (let at = first, state = 0; at < bytes.length; at += 1) {
      state = this.#next(state, bytes[at] ?? 0);
      if (state < length) continue;
      const start = at + 1 - length;
      const last = spans.at(-1);
      if (last !== undefined && start < last.end) last.end = at + 1;
      else spans.push({ start, end: at + 1 });
      state = this.#failure[length - 1] ?? 0;
    }
    return spans;
  }

  #next(from: number, byte: number): number {
    let state = from;
    while (state > 0 && this.#text[state] !== byte) state = this.#failure[state - 1] ?? 0;
    return this.#text[state] === byte ? state + 1 : 0;
  }
}

/** A whole text with its secrets masked, as {@link LogMasker} masks a stream. */
export function maskSecrets(text: string, secrets: readonly (string | Uint8Array)[]): string {
  const masker = new LogMasker(secrets.map((secret) => Buffer.from(secret as Uint8Array)));
  const shown = masker.push(Buffer.from(text));
  return Buffer.concat([shown, masker.end()]).toString('utf8');
}
