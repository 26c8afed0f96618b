const TEXT = new TextDecoder('utf-8', { ignoreBOM: true });

/**
 * Makes bytes of a program a text that a terminal, a browser and Postgres can bear: UTF-8 stays, also where a character comes in pieces; other bytes
 * become `\xff`, control characters `\x1b`, and those that turn or hide what stands beside them `\u202e`. Of ends of lines only line feeds are left.
 */
export class ReadableText {
  /** Bytes of a character whose rest has not come. */
  #carry: Buffer = Buffer.alloc(0);
  #endsWithReturn = false;

  /** What can be shown now. */
  push(chunk: Uint8Array): string {
    const bytes = this.#carry.length === 0 ? asBuffer(chunk) : Buffer.concat([this.#carry, chunk]);
    const parts: string[] = [];
    let from = 0;
    let at = 0;
    while (at < bytes.length) {
      const length = characterLength(bytes, at);
      if (length > 0) {
        at += length;
        continue;
      }
      if (length < 0) break;
      parts.push(this.#show(TEXT.decode(bytes.subarray(from, at))), escapeByte(bytes[at] ?? 0));
      this.#endsWithReturn = false;
      at += 1;
      from = at;
    }
    this.#carry = Buffer.from(bytes.subarray(at));
    parts.push(this.#show(TEXT.decode(bytes.subarray(from, at))));
    return parts.join('');
  }

  /** What was held back; the stream has ended. */
  end(): string {
    const rest = [...this.#carry].map(escapeByte).join('');
    this.#carry = Buffer.alloc(0);
    return rest;
  }

  #show(text: string): string {
    if (text === '') return '';
    // Of a return and a line feed that came apart, the line has ended already.
    const whole = this.#endsWithReturn && text.startsWith('\n') ? text.slice(1) : text;
    this.#endsWithReturn = text.endsWith('\r');
    return whole.replace(/\r\n?/g, '\n').replace(UNREADABLE, escapeCharacter);
  }
}

/** C0 but tab and line feed, DEL, C1; line separators; marks of direction and of no width, but joiners, which letters and emoji need. */
const UNREADABLE =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

function escapeCharacter(character: string): string {
  const code = character.charCodeAt(0);
  return code < 0x80 ? escapeByte(code) : `\\u${code.toString(16).padStart(4, '0')}`;
}

function escapeByte(byte: number): string {
  return `\\x${byte.toString(16).padStart(2, '0')}`;
}

/** Bytes of the character that begins here; 0 when none does; -1 when its rest has not come. By table 3-7 of Unicode. */
function characterLength(bytes: Buffer, at: number): number {
  const first = bytes[at] ?? 0;
  if (first < 0x80) return 1;
  const length = first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
  for (let index = 1; index < length; index += 1) {
    const next = bytes[at + index];
    if (next === undefined) return -1;
    const [least, most] = index === 1 ? secondOf(first) : [0x80, 0xbf];
    if (next < least || next > most) return 0;
  }
  return length;
}

function secondOf(first: number): readonly [number, number] {
  switch (first) {
    case 0xe0:
      return [0xa0, 0xbf];
    case 0xed:
      return [0x80, 0x9f];
    case 0xf0:
      return [0x90, 0xbf];
    case 0xf4:
      return [0x80, 0x8f];
    default:
      return [0x80, 0xbf];
  }
}

function asBuffer(chunk: Uint8Array): Buffer {
  return Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
}
