import { describe, expect, test } from '@jest/globals';
import { IndexSet } from './schedule-index-set.ts';

describe('IndexSet', () => {
  test.each([0, 1, 31, 32, 33, 1024, 1025, 5000])(
    'of %i holds what a plain set holds',
    (capacity) => {
      const set = new IndexSet(capacity);
      const plain = new Set<number>();
      // A walk over all residues, so that members come and go all over the capacity.
      for (let turn = 0; turn < capacity * 2; turn += 1) {
        const index = (turn * 7919) % capacity;
        const isThere = turn % 3 !== 0;
        if (isThere) set.add(index);
        else set.delete(index);
        if (isThere) plain.add(index);
        else plain.delete(index);
      }
      const sorted = [...plain].sort((a, b) => a - b);
      expect(set.list()).toEqual(sorted);
      expect(set.list(3)).toEqual(sorted.slice(0, 3));
      expect(set.size).toBe(plain.size);
      for (let from = 0; from <= capacity; from += 1 + (capacity >> 7)) {
        expect(set.next(from)).toBe(sorted.find((one) => one >= from) ?? -1);
        expect(set.has(from)).toBe(plain.has(from));
      }
      for (const index of sorted) set.delete(index);
      expect([set.size, set.next(0)]).toEqual([0, -1]);
    },
  );
});
