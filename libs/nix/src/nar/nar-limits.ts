/** Bounds of what one NAR may hold. */
export interface NarLimits {
  /** Bytes of the NAR. */
  readonly maxBytes: number;
  /** Files, folders and links together. */
  readonly maxEntries: number;
  /** Folders within folders; Nix itself stops at 64. */
  readonly maxDepth: number;
  /** UTF-8 bytes of one path inside the NAR. */
  readonly maxPathBytes: number;
  /** Bytes of one link's target. */
  readonly maxLinkBytes: number;
}

/** What holds unless a caller asks for something else. */
export const DEFAULT_NAR_LIMITS: NarLimits = {
  maxBytes: 4 * 1024 * 1024 * 1024,
  maxEntries: 500_000,
  maxDepth: 64,
  maxPathBytes: 3072,
  maxLinkBytes: 4095,
};

/** File systems take no longer names. */
export const MAX_NAME_BYTES = 255;

/** What Nix appends on file systems that fold case: such a name is no file's own. */
export const CASE_HACK = '~nix~case~hack~';
