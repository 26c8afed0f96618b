import type { NixPosition } from '../nix-error.ts';

/** How far a build is. */
export interface BuildProgress {
  readonly built: number;
  readonly running: number;
  readonly failed: number;
  /** Derivations that Nix expects to build, as far as it knows by now. */
  readonly total: number;
}

/** One thing that Nix says while it works. */
export type NixLogEntry =
  /** A builder's own line. */
  | {
      readonly kind: 'log';
      /** Store path of the derivation; null when it is not known which. */
      readonly derivation: string | null;
      readonly text: string;
    }
  | { readonly kind: 'building'; readonly derivation: string }
  /** Something that Nix does besides building: copying, downloading. */
  | { readonly kind: 'activity'; readonly text: string }
  | {
      readonly kind: 'message';
      /** Nix' own level: 0 is an error, 1 a warning, more is less. */
      readonly level: number;
      readonly text: string;
      readonly position: NixPosition | null;
    }
  | ({ readonly kind: 'progress' } & BuildProgress)
  /** A line that is not in the form that is known here, as it is. */
  | { readonly kind: 'unknown'; readonly text: string }
  /** Comes once, in place of everything of kind `log`, `activity` and `unknown` from here on. */
  | { readonly kind: 'bounded'; readonly text: string };
