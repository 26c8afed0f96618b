import type { ScalarStyle } from './positioned-node.ts';

const WHITE = new Set([' ', '\t', '\n', '\r']);

/**
 * Where a place of a scalar's value stands in its source, from the source's start. Values and sources are laid side by side: white space
 * (folding, indentation) may differ, all other characters must not.
 *
 * @returns undefined where they can't be laid side by side
 */
export function offsetInScalar(
  source: string,
  style: ScalarStyle,
  value: string,
  offset: number,
): number | undefined {
  let at = startOf(source, style);
  const wanted = Math.max(0, Math.min(offset, value.length));
  for (let index = 0; index < value.length; index += 1) {
    const unit = value[index] as string;
    const white = WHITE.has(unit);
    if (!white) at = skipWhite(source, at, style);
    if (index === wanted) return at;
    const piece = pieceAt(source, at, style);
    if (piece.unit === unit || (white && WHITE.has(piece.unit))) at += piece.length;
    else if (!white) return undefined;
  }
  return at;
}

function startOf(source: string, style: ScalarStyle): number {
  if (style === 'single' || style === 'double') return 1;
  if (style === 'plain') return 0;
  const header = source.indexOf('\n');
  return header === -1 ? source.length : header + 1;
}

function skipWhite(source: string, from: number, style: ScalarStyle): number {
  let at = from;
  for (;;) {
    if (WHITE.has(source[at] ?? '')) at += 1;
    else if (style === 'double' && source[at] === '\\' && isWhiteEscape(source[at + 1])) at += 2;
    else return at;
  }
}

/** Escaped white space, and line ends that are none of the value. */
const isWhiteEscape = (unit: string | undefined): boolean =>
  unit !== undefined && /[nrt \t\r\n]/.test(unit);

/** One unit of the value and how long it is in the source. */
function pieceAt(
  source: string,
  at: number,
  style: ScalarStyle,
): { readonly unit: string; readonly length: number } {
  const unit = source[at] ?? '';
  if (style === 'single' && unit === "'") return { unit, length: 2 };
  if (style !== 'double' || unit !== '\\') return { unit, length: 1 };
  const escaped = source[at + 1] ?? '';
  const digits = { x: 2, u: 4 }[escaped];
  if (digits !== undefined) {
    const code = Number.parseInt(source.slice(at + 2, at + 2 + digits), 16);
    return { unit: String.fromCharCode(code), length: 2 + digits };
  }
  return { unit: ESCAPES[escaped] ?? escaped, length: 2 };
}

/** Escapes of YAML 1.2 that are one character; others stand for themselves. */
const ESCAPES: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', '\t': '\t' };
