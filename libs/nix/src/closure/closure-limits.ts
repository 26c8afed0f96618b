import { DEFAULT_NAR_LIMITS, type NarLimits } from '../nar/nar-limits.ts';

/** Bounds of a closure's archive. */
export interface ClosureLimits {
  /** Bytes of the archive. */
  readonly maxBytes: number;
  /** Store paths. */
  readonly maxPaths: number;
  /** Bytes of one `.narinfo`. */
  readonly maxNarinfoBytes: number;
  /** Bounds of each store path. */
  readonly nar: NarLimits;
}

/** What holds unless a caller asks for something else. */
export const DEFAULT_CLOSURE_LIMITS: ClosureLimits = {
  maxBytes: 8 * 1024 * 1024 * 1024,
  maxPaths: 20_000,
  maxNarinfoBytes: 256 * 1024,
  nar: DEFAULT_NAR_LIMITS,
};
