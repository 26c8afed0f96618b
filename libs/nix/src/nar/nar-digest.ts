import { createHash } from 'node:crypto';
import { type NarHash, narHashOf } from '../nix-hash.ts';
import type { NarLimits } from './nar-limits.ts';
import { writeNar } from './write-nar.ts';

/** Hash and size of a tree's NAR. */
export interface NarSum {
  readonly hash: NarHash;
  /** Bytes. */
  readonly size: number;
}

/**
 * Hash and size of what lies at a path, as `nix hash path` gives them.
 * @throws NixError as {@link writeNar}
 */
export async function sumPath(path: string, limits?: NarLimits): Promise<NarSum> {
  return sumNar(writeNar(path, limits));
}

/** Hash and size of bytes that are a NAR. */
export async function sumNar(source: AsyncIterable<Uint8Array>): Promise<NarSum> {
  const sum = new RunningSum();
  for await (const chunk of source) sum.add(chunk);
  return sum.end();
}

/** Sums bytes that pass by. */
export class RunningSum {
  readonly #hash = createHash('sha256');
  #size = 0;

  /** Bytes up to now. */
  get size(): number {
    return this.#size;
  }

  add(chunk: Uint8Array): void {
    this.#hash.update(chunk);
    this.#size += chunk.length;
  }

  /** Passes chunks on and sums them. */
  async *pass(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const chunk of source) {
      this.add(chunk);
      yield chunk;
    }
  }

  /** Hash and size; only once. */
  end(): NarSum {
    return { hash: narHashOf(this.#hash.digest()), size: this.#size };
  }
}
