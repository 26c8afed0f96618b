import { NixError, printable } from './nix-error.ts';

const DIGITS = '0123456789abcdfghijklmnpqrsvwxyz';
const SHA256_BYTES = 32;

/** SHA-256 of a NAR in the two forms that Sluice and Nix write. */
export interface NarHash {
  /** `sha256-<base64>`, as Nix prints it. */
  readonly sri: string;
  /** `sha256:<64 hex digits>`, as Sluice writes digests. */
  readonly digest: string;
}

/** Bytes in Nix' own base 32, whose digits run from the last bit to the first. */
export function encodeNix32(bytes: Uint8Array): string {
  let text = '';
  for (let digit = Math.ceil((bytes.length * 8) / 5) - 1; digit >= 0; digit -= 1) {
    const bit = digit * 5;
    const index = bit >> 3;
    const pair = (bytes[index] ?? 0) | ((bytes[index + 1] ?? 0) << 8);
    text += DIGITS[(pair >> (bit & 7)) & 31];
  }
  return text;
}

/** The reverse of {@link encodeNix32}; undefined for what it never writes. */
export function decodeNix32(text: string, length: number): Uint8Array | undefined {
  if (text.length !== Math.ceil((length * 8) / 5)) return undefined;
  const bytes = new Uint8Array(length);
  for (let digit = 0; digit < text.length; digit += 1) {
    const value = DIGITS.indexOf(text[text.length - 1 - digit] as string);
    if (value < 0) return undefined;
    const bit = digit * 5;
    const index = bit >> 3;
    const shifted = value << (bit & 7);
    bytes[index] = (bytes[index] ?? 0) | (shifted & 255);
    const carry = shifted >> 8;
    if (index + 1 < length) bytes[index + 1] = (bytes[index + 1] ?? 0) | carry;
    else if (carry !== 0) return undefined;
  }
  return bytes;
}

/** Both forms of a SHA-256. */
export function narHashOf(sha256: Uint8Array): NarHash {
  const bytes = Buffer.from(sha256);
  return { sri: `sha256-${bytes.toString('base64')}`, digest: `sha256:${bytes.toString('hex')}` };
}

/**
 * Reads a SHA-256 in each form that Nix has written over the years: SRI, `sha256:<nix base 32>`,
 * `sha256:<hex>`. Only the one spelling that is written is taken.
 * @throws NixError `nix-input-invalid`
 */
export function parseNarHash(text: string): NarHash {
  const rest = text.slice('sha256-'.length);
  let bytes: Uint8Array | undefined;
  if (text.startsWith('sha256-') && /^[A-Za-z0-9+/]{43}=$/.test(rest)) {
    const decoded = Buffer.from(rest, 'base64');
    if (decoded.toString('base64') === rest) bytes = decoded;
  } else if (text.startsWith('sha256:')) {
    bytes = /^[0-9a-f]{64}$/.test(rest)
      ? Buffer.from(rest, 'hex')
      : decodeNix32(rest, SHA256_BYTES);
  }
  if (bytes === undefined) {
    throw new NixError(
      'nix-input-invalid',
      `"${printable(text)}" is no SHA-256 of a NAR. Give it as sha256-<base64> or sha256:<hex digits>.`,
    );
  }
  return narHashOf(bytes);
}
