const LOG2_E = 1.4426950408889634;
/** ln 2 in two parts: the first has so few bits that a multiple of it is exact. */
const LN2_HIGH = 0.6931471803691238;
const LN2_LOW = 1.9082149292705877e-10;
const ONE_OVER_SQRT_2_PI = 0.3989422804014327;
/** Where the tail is no longer a number above 0. */
const TAIL_END = 38;

/**
 * e to the power of x, from additions, multiplications and divisions alone: these have one result
 * on every machine, whereas engines may differ in the last bit of their own `exp`.
 * @param x any number but NaN
 * @returns within 2 units in the last place; 0 below −708, Infinity above 709
 */
export function exponential(x: number): number {
  if (x < -708) return 0;
  if (x > 709) return Infinity;
  const exponent = Math.round(x * LOG2_E);
  const rest = x - exponent * LN2_HIGH - exponent * LN2_LOW;
  let sum = 1;
  for (let term = 15; term > 0; term -= 1) sum = 1 + (sum * rest) / term;
  const factor = exponent < 0 ? 0.5 : 2;
  for (let left = Math.abs(exponent); left > 0; left -= 1) sum *= factor;
  return sum;
}

/** Density of the standard normal distribution at z. */
export function normalDensity(z: number): number {
  return ONE_OVER_SQRT_2_PI * exponential((-z * z) / 2);
}

/**
 * The chance that a standard normal variable is above z: by its series near the middle (Marsaglia,
 * "Evaluating the Normal Distribution", J. Stat. Software 11, 2004) and by the continued fraction
 * of Mills' ratio in the tail.
 * @returns relative error below 1e-12 for z ≤ 37; 0 above 38
 */
export function normalUpperTail(z: number): number {
  if (z < 0) return 1 - normalUpperTail(-z);
  if (z >= TAIL_END) return 0;
  if (z >= 3) {
    let fraction = z;
    for (let level = 120; level > 0; level -= 1) fraction = z + level / fraction;
    return normalDensity(z) / fraction;
  }
  let term = z;
  let sum = z;
  for (let odd = 3; term > sum * 1e-18; odd += 2) {
    term *= (z * z) / odd;
    sum += term;
  }
  return 0.5 - normalDensity(z) * sum;
}

/**
 * The z above which a standard normal variable is with the chance `tail`.
 * @param tail above 0, at most 0.5
 */
export function normalUpperQuantile(tail: number): number {
  // The tail is convex above 0: Newton's steps from 0 never overshoot.
  let z = 0;
  for (let step = 0; step < 1000; step += 1) {
    const next = z + (normalUpperTail(z) - tail) / normalDensity(z);
    if (next <= z || next - z < 1e-14) return z;
    z = next;
  }
  return z;
}
