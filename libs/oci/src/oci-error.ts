/** Stable codes of {@link OciError}; what a user may see as a refusal's code. */
export const OCI_ERROR_CODES = [
  'layout-invalid',
  'tag-not-found',
  'digest-not-found',
  'platform-not-found',
  'reference-invalid',
  'manifest-too-large',
  'manifest-invalid',
  'config-too-large',
  'config-invalid',
  'media-type-unsupported',
  'blob-not-found',
  'blob-digest-mismatch',
  'blob-size-mismatch',
  'layer-digest-mismatch',
  'layer-diff-id-mismatch',
  'layer-size-mismatch',
  'layer-too-large',
  'layer-too-many-entries',
  'layer-invalid',
  'layer-path-escapes',
  'layer-path-invalid',
  'layer-link-escapes',
  'layer-path-through-link',
  'layer-device-node',
  'layer-duplicate-entry',
] as const;

/** One of {@link OCI_ERROR_CODES}. */
export type OciErrorCode = (typeof OCI_ERROR_CODES)[number];

/** Where an {@link OciError} was met. */
export interface OciErrorPlace {
  /** Digest of the blob or layer. */
  readonly digest?: string;
  /** Path inside the layer, shortened and made printable. */
  readonly path?: string;
}

/**
 * Something in an image or a layout is not what it must be. No retry mends it.
 * Recognise it by `name` and {@link OciError.code}, never by `instanceof`.
 */
export class OciError extends Error {
  readonly code: OciErrorCode;
  readonly digest: string | undefined;
  readonly path: string | undefined;

  constructor(
    code: OciErrorCode,
    message: string,
    place: OciErrorPlace = {},
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = 'OciError';
    this.code = code;
    this.digest = place.digest;
    this.path = place.path;
  }
}

/** True for an {@link OciError}, also one of another realm. */
export function isOciError(error: unknown): error is OciError {
  return (
    typeof error === 'object' && error !== null && 'name' in error && error.name === 'OciError'
  );
}

/** A path or tag from an image as it may stand in a message: printable, at most 120 characters. */
export function printable(text: string): string {
  const clean = text.replace(
    /[^\x20-\x7e]/g,
    (char) => `\\u{${char.codePointAt(0)?.toString(16)}}`,
  );
  return clean.length > 120 ? `${clean.slice(0, 117)}...` : clean;
}
