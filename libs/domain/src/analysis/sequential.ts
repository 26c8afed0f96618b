import { exponential, normalUpperQuantile, normalUpperTail } from './normal.ts';

/** How much of the boundary grows with the samples; see {@link boundaryScale}. */
const SLOPE = 0.5;

/** Above so many looks the union bound is the looser one of the two. */
const UNION_LOOKS = 30;

/** Values that were found already: the same few are asked for at each look. */
const found = new Map<string, number>();
const MAX_FOUND = 256;

/**
 * The scale `a` of the boundary that the looks at one growing sample are held against, such that
 * the chance of a false alarm at any of them is at most `alpha` (two-sided). With t the share of
 * the stage that a look sees, |z| must reach `a/√t + a·√t/2` ({@link criticalValueAt}): much at
 * first, little at last.
 *
 * a is the smaller one of two values, each of which keeps the promise:
 * - The statistic of a growing sample is, in the limit, a Brownian motion B over t, and the
 *   boundary a straight line: |B(t)| ≥ a + b·t with b = a/2. The chance that B crosses such a line
 *   before t is known in closed form, `1 − Φ((a+bt)/√t) + e^(−2ab)·Φ((bt−a)/√t)` (Bachelier and
 *   Lévy; Siegmund, "Sequential Analysis", 1985, chapter III). Twice it is the alpha spent up to
 *   t, in the sense of Lan and DeMets ("Discrete sequential boundaries for clinical trials",
 *   Biometrika 70, 1983). It holds for any number of looks at any moments: looking more often
 *   costs nothing.
 * - The sum of the looks' own false alarms, `2·(1 − Φ(c_k))`, is alpha: holds however the looks
 *   depend on each other. Tighter for few looks, and for one the critical value of a plain test.
 *
 * The slope is between two known shapes. Without one the boundary is that of O'Brien and Fleming
 * (Biometrics 35, 1979), which lets a version that fails all requests run for a quarter of its
 * stage; with a constant critical value (Pocock, Biometrika 64, 1977) the last look, which has
 * most of the samples, becomes the strictest it can be.
 * @param alpha above 0, below 1
 * @param looks at least 1
 */
export function boundaryScale(alpha: number, looks: number): number {
  const key = `${alpha} ${looks}`;
  const known = found.get(key);
  if (known !== undefined) return known;
  const value = findScale(alpha, looks);
  if (found.size >= MAX_FOUND) found.clear();
  found.set(key, value);
  return value;
}

/**
 * What |z| must reach at a look.
 * @param alpha above 0, below 1; of all looks together, two-sided
 * @param look from 1 to `looks`
 */
export function criticalValueAt(alpha: number, look: number, looks: number): number {
  return boundaryAt(boundaryScale(alpha, looks), look / looks);
}

/** The most of alpha that is spent up to and with a look, of two-sided false alarms. */
export function spentAlpha(alpha: number, look: number, looks: number): number {
  const scale = boundaryScale(alpha, looks);
  const byCrossing = crossingChance(scale, look / looks);
  return looks > UNION_LOOKS ? byCrossing : Math.min(byCrossing, chanceByUnion(scale, looks, look));
}

function findScale(alpha: number, looks: number): number {
  const plain = normalUpperQuantile(alpha / 2) / boundaryAt(1, 1);
  if (looks === 1) return plain;
  const continuous = scaleOf(alpha, plain, (scale) => crossingChance(scale, 1));
  if (looks > UNION_LOOKS) return continuous;
  return Math.min(
    continuous,
    scaleOf(alpha, plain, (scale) => chanceByUnion(scale, looks)),
  );
}

/** The scale at which a falling chance is alpha, from the safe side. */
function scaleOf(alpha: number, least: number, chanceOf: (scale: number) => number): number {
  let low = least;
  let high = least * 2 + 2;
  for (let step = 0; step < 52; step += 1) {
    const middle = (low + high) / 2;
    if (chanceOf(middle) > alpha) low = middle;
    else high = middle;
  }
  return high;
}

function boundaryAt(scale: number, share: number): number {
  const root = Math.sqrt(share);
  return scale / root + SLOPE * scale * root;
}

/** That a Brownian motion leaves the two lines before this share of the samples, at most. */
function crossingChance(scale: number, share: number): number {
  const root = Math.sqrt(share);
  const slope = SLOPE * scale;
  const passed = normalUpperTail((scale + slope * share) / root);
  const returned =
    exponential(-2 * scale * slope) * normalUpperTail((scale - slope * share) / root);
  return 2 * (passed + returned);
}

function chanceByUnion(scale: number, looks: number, until = looks): number {
  let sum = 0;
  for (let look = 1; look <= until; look += 1) {
    sum += 2 * normalUpperTail(boundaryAt(scale, look / looks));
  }
  return sum;
}
