/** A source of random numbers whose sequence a seed settles. */
export interface Random {
  /** Uniform in [0, 1). */
  uniform(): number;
  /** Standard normal. */
  normal(): number;
  /** How many of `count` happen that each have this chance. */
  binomial(count: number, chance: number): number;
}

/** The same sequence for the same seed, on any machine: sfc32 of Chris Doty-Humphrey's PractRand. */
export function createRandom(seed: number): Random {
  let a = seed >>> 0;
  let b = 0x9e3779b9;
  let c = 0x243f6a88;
  let counter = 1;
  const next = (): number => {
    const result = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (c << 21) | (c >>> 11);
    c = (c + result) | 0;
    return result >>> 0;
  };
  for (let round = 0; round < 20; round += 1) next();
  const uniform = (): number => (next() * 2 ** 21 + (next() >>> 11)) / 2 ** 53;

  let spare: number | undefined;
  const normal = (): number => {
    if (spare !== undefined) {
      const value = spare;
      spare = undefined;
      return value;
    }
    // Marsaglia's polar method.
    for (;;) {
      const x = 2 * uniform() - 1;
      const y = 2 * uniform() - 1;
      const square = x * x + y * y;
      if (square > 0 && square < 1) {
        const factor = Math.sqrt((-2 * Math.log(square)) / square);
        spare = y * factor;
        return x * factor;
      }
    }
  };

  const binomial = (count: number, chance: number): number => {
    if (chance <= 0) return 0;
    if (chance >= 1) return count;
    // From one event to the next: as many steps as there are events.
    const step = Math.log(1 - chance);
    let events = 0;
    let at = Math.floor(Math.log(1 - uniform()) / step) + 1;
    while (at <= count) {
      events += 1;
      at += Math.floor(Math.log(1 - uniform()) / step) + 1;
    }
    return events;
  };
  return { uniform, normal, binomial };
}
