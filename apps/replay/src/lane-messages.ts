import type { FileReplay } from './file-replay.ts';

/** What a lane is told first. */
export interface LaneSettings {
  readonly bundle: string;
  /** Path of the key file. */
  readonly key: string | undefined;
  readonly compareInputs: boolean;
}

/** What a lane is asked. */
export type LaneRequest =
  | { readonly kind: 'settings'; readonly settings: LaneSettings }
  | { readonly kind: 'replay'; readonly file: string }
  | { readonly kind: 'fits'; readonly file: string; readonly bundle: string };

/** What it answers, one answer for each request; `memory` is its resident memory in bytes. */
export type LaneAnswer =
  | { readonly kind: 'ready'; readonly memory: number }
  | { readonly kind: 'replayed'; readonly replayed: FileReplay; readonly memory: number }
  | { readonly kind: 'fits'; readonly fits: boolean | null; readonly memory: number }
  /** No answer: says now and then that it is not stuck. */
  | { readonly kind: 'alive'; readonly memory: number }
  | { readonly kind: 'failed'; readonly message: string; readonly memory: number };
