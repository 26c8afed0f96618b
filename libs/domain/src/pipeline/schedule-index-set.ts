/**
 * Whole numbers from 0 up to a capacity, found in ascending order without a look at those that are not there: one bit for each, and above
 * every 32 words one word that says which of them have any. 5,000 members take three layers, so that no operation looks at more than
 * six words.
 */
export class IndexSet {
  readonly #layers: Uint32Array[] = [];
  #size = 0;

  constructor(capacity: number) {
    let length = capacity;
    do {
      length = Math.max(1, Math.ceil(length / 32));
      this.#layers.push(new Uint32Array(length));
    } while (length > 1);
  }

  /** So many are members. */
  get size(): number {
    return this.#size;
  }

  has(index: number): boolean {
    return this.#bits(0, index >>> 5, 1 << (index & 31)) !== 0;
  }

  add(index: number): void {
    if (this.has(index)) return;
    this.#size += 1;
    let at = index;
    for (const layer of this.#layers) {
      const word = at >>> 5;
      layer[word] = (layer[word] ?? 0) | (1 << (at & 31));
      at = word;
    }
  }

  delete(index: number): void {
    if (!this.has(index)) return;
    this.#size -= 1;
    let at = index;
    for (const layer of this.#layers) {
      const word = at >>> 5;
      layer[word] = (layer[word] ?? 0) & ~(1 << (at & 31));
      if (layer[word] !== 0) return;
      at = word;
    }
  }

  /** The smallest member from there on; -1 without one. */
  next(from: number): number {
    let at = from;
    for (let layer = 0; layer < this.#layers.length; layer += 1) {
      const word = at >>> 5;
      const bits = this.#bits(layer, word, -1 << (at & 31));
      if (bits !== 0) return this.#descend(layer, word, bits);
      at = word + 1;
    }
    return -1;
  }

  /** Members in ascending order; all, or at most so many. */
  list(limit = Number.POSITIVE_INFINITY): readonly number[] {
    const found: number[] = [];
    for (let at = this.next(0); at >= 0 && found.length < limit; at = this.next(at + 1)) {
      found.push(at);
    }
    return found;
  }

  #bits(layer: number, word: number, mask: number): number {
    return (this.#layers[layer]?.[word] ?? 0) & mask;
  }

  #descend(layer: number, word: number, bits: number): number {
    let at = word * 32 + lowestBit(bits);
    for (let below = layer - 1; below >= 0; below -= 1) {
      at = at * 32 + lowestBit(this.#bits(below, at, -1));
    }
    return at;
  }
}

function lowestBit(bits: number): number {
  return 31 - Math.clz32(bits & -bits);
}
