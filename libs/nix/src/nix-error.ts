/** Stable codes of {@link NixError}. */
export const NIX_ERROR_CODES = [
  'nix-missing',
  'nix-input-invalid',
  'nix-cancelled',
  'nix-timeout',
  'nix-output-too-large',
  'nix-processes-left',
  'nix-failed',
  'nix-limits-missing',
  'nix-store-busy',
  'build-evaluation-failed',
  'build-failed',
  'build-memory-exceeded',
  'build-processes-exceeded',
  'store-path-invalid',
  'store-path-unreadable',
  'store-path-corrupt',
  'store-path-differs',
  'nar-invalid',
  'nar-truncated',
  'nar-trailing-bytes',
  'nar-name-invalid',
  'nar-name-unordered',
  'nar-name-collides',
  'nar-link-escapes',
  'nar-too-large',
  'nar-too-deep',
  'closure-invalid',
  'closure-truncated',
  'closure-too-large',
  'closure-digest-mismatch',
  'closure-nar-mismatch',
  'closure-reference-missing',
  'closure-reference-undeclared',
  'closure-store-differs',
  'component-invalid',
] as const;

/** One of {@link NIX_ERROR_CODES}. */
export type NixErrorCode = (typeof NIX_ERROR_CODES)[number];

/** A place in a Nix file. */
export interface NixPosition {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** From 1. */
  readonly column: number;
}

/** What more is known of a {@link NixError}; absent is unknown. */
export interface NixErrorDetail {
  /** Where an evaluation failed. */
  readonly position?: NixPosition;
  /** Store path of the derivation that failed to build. */
  readonly derivation?: string;
  /** Its last log lines, oldest first, shortened. */
  readonly lastLines?: readonly string[];
  /** Byte of the archive at which it was refused, from 0. */
  readonly offset?: number;
  /** Path inside the archive, or store path; printable and shortened. */
  readonly path?: string;
}

/**
 * Nix, a build or an archive is not as it must be. Recognise it by `name` and {@link NixError.code},
 * never by `instanceof`. `build-failed`, `build-evaluation-failed` and everything that is said of an
 * archive stay as they are when tried again; `nix-failed` and `nix-timeout` need not.
 */
export class NixError extends Error {
  readonly code: NixErrorCode;
  readonly detail: NixErrorDetail;

  constructor(
    code: NixErrorCode,
    message: string,
    detail: NixErrorDetail = {},
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = 'NixError';
    this.code = code;
    this.detail = detail;
  }
}

/** True for a {@link NixError}, also one of another realm. */
export function isNixError(error: unknown): error is NixError {
  return (
    typeof error === 'object' && error !== null && 'name' in error && error.name === 'NixError'
  );
}

/** Text from outside as it may stand in a message: printable ASCII, at most `longest` characters. */
export function printable(text: string, longest = 160): string {
  const clean = text
    .slice(0, longest + 1)
    .replace(/[^\x20-\x7e]/g, (char) => `\\u{${char.codePointAt(0)?.toString(16)}}`);
  return clean.length > longest ? `${clean.slice(0, longest - 3)}...` : clean;
}
