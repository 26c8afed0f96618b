import { SigningError } from './signing-error.ts';

/** Bounds of {@link parseStrictJson}. */
export interface JsonLimits {
  /** UTF-8 bytes. */
  readonly maxBytes: number;
  /** Nested arrays and objects. */
  readonly maxDepth: number;
}

/** A text that is no strict JSON, with the place. `code` is `json-invalid`. */
export class StrictJsonError extends SigningError {
  /** Keys and indexes down to the value that is wrong; empty for the document itself. */
  readonly path: readonly (string | number)[];

  constructor(message: string, path: readonly (string | number)[]) {
    super('json-invalid', message);
    this.name = 'StrictJsonError';
    this.path = path;
  }
}

const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const SPACE = /[ \t\n\r]*/y;
const LITERALS: ReadonlyMap<string, unknown> = new Map<string, unknown>([
  ['true', true],
  ['false', false],
  ['null', null],
]);

/**
 * RFC 8259 JSON with bounds: UTF-8 that decodes, no repeated member names, no `__proto__`, no lone
 * surrogates, nothing after the value. Unlike `JSON.parse` it says where in the document it went wrong.
 * @throws StrictJsonError
 */
export function parseStrictJson(source: string | Uint8Array, limits: JsonLimits): unknown {
  const text = decode(source, limits);
  const path: (string | number)[] = [];
  let at = 0;

  function fail(what: string): never {
    throw new StrictJsonError(`${what} at ${describe(path)} (offset ${at})`, [...path]);
  }
  function skipSpace(): void {
    SPACE.lastIndex = at;
    SPACE.test(text);
    at = SPACE.lastIndex;
  }
  function take(pattern: RegExp): string | undefined {
    pattern.lastIndex = at;
    const match = pattern.exec(text)?.[0];
    if (match !== undefined) at += match.length;
    return match;
  }
  function expect(character: string): void {
    skipSpace();
    if (text[at] !== character) fail(`Expected "${character}"`);
    at += 1;
  }
  /** The path stays on a member or item until its end was seen: a broken end is its own fault. */
  function endPart(closing: string): void {
    skipSpace();
    if (text[at] !== closing && text[at] !== ',') fail(`Expected "," or "${closing}"`);
    path.pop();
    at += 1;
  }
  function readString(): string {
    const end = endOfString(text, at);
    if (end === undefined) fail('Malformed string');
    let value: string;
    try {
      value = JSON.parse(text.slice(at, end)) as string;
    } catch {
      fail('Malformed string');
    }
    if (/\p{Surrogate}/u.test(value)) fail('Lone surrogate');
    at = end;
    return value;
  }
  function readMembers(depth: number): Record<string, unknown> {
    const result: Record<string, unknown> = {};
    expect('{');
    skipSpace();
    if (text[at] === '}') {
      at += 1;
      return result;
    }
    for (;;) {
      skipSpace();
      const name = readString();
      path.push(name);
      if (name === '__proto__') fail('Forbidden member name');
      if (Object.hasOwn(result, name)) fail('Member given twice');
      expect(':');
      result[name] = readValue(depth);
      endPart('}');
      if (text[at - 1] === '}') return result;
    }
  }
  function readItems(depth: number): unknown[] {
    const result: unknown[] = [];
    expect('[');
    skipSpace();
    if (text[at] === ']') {
      at += 1;
      return result;
    }
    for (;;) {
      path.push(result.length);
      result.push(readValue(depth));
      endPart(']');
      if (text[at - 1] === ']') return result;
    }
  }
  function readValue(depth: number): unknown {
    skipSpace();
    const first = text[at];
    const opens = first === '{' || first === '[';
    if (opens && depth >= limits.maxDepth) fail(`Nested deeper than ${limits.maxDepth}`);
    if (first === '{') return readMembers(depth + 1);
    if (first === '[') return readItems(depth + 1);
    if (first === '"') return readString();
    for (const [literal, value] of LITERALS) {
      if (text.startsWith(literal, at)) {
        at += literal.length;
        return value;
      }
    }
    const number = take(NUMBER);
    if (number === undefined) fail('Expected a value');
    const value = Number(number);
    if (!Number.isFinite(value)) fail('Number out of range');
    return value;
  }

  const value = readValue(0);
  skipSpace();
  if (at !== text.length) fail('Text after the document');
  return value;
}

/** True for an object of JSON (no array, no null). */
export function isJsonObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** True when the object has all of `required` and nothing beyond `required` and `optional`. */
export function hasExactlyKeys(
  value: Record<string, unknown>,
  required: readonly string[],
  optional: readonly string[] = [],
): boolean {
  return (
    required.every((key) => Object.hasOwn(value, key)) &&
    Object.keys(value).every((key) => required.includes(key) || optional.includes(key))
  );
}

/** Index after the closing quote of the string that starts at `start`; escapes are not checked. */
function endOfString(text: string, start: number): number | undefined {
  if (text[start] !== '"') return undefined;
  for (let index = start + 1; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (code === 0x22) return index + 1;
    if (code === 0x5c) index += 1;
  }
  return undefined;
}

function decode(source: string | Uint8Array, { maxBytes }: JsonLimits): string {
  const size = typeof source === 'string' ? Buffer.byteLength(source) : source.byteLength;
  if (size > maxBytes) {
    throw new StrictJsonError(`The document has ${size} bytes; at most ${maxBytes}`, []);
  }
  if (typeof source === 'string') return source;
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(source);
  } catch {
    // Go on with the replacement character so that the place is found, then refuse in any case.
    const lossy = new TextDecoder('utf-8', { ignoreBOM: true }).decode(source);
    return lossy.replaceAll('\ufffd', '\ud800');
  }
}

function describe(path: readonly (string | number)[]): string {
  return path.length === 0
    ? 'the document'
    : path.map((part) => (typeof part === 'number' ? `[${part}]` : `.${part}`)).join('');
}
