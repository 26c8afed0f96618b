import type { Random } from './random.ts';

/** Draws one point of one side. */
export type DrawPoint = (random: Random) => number;

/** Share of requests that failed, among so many: a binomial count over the traffic. */
export function errorRate(requests: number, chance: number): DrawPoint {
  return (random) => random.binomial(requests, chance) / requests;
}

/**
 * Mean latency of a point: requests are log-normal around `median` with this spread, and the point
 * as a whole is off by a noise of its own (a neighbour, a pause, a cache), log-normal as well. The
 * mean of many log-normal requests is drawn at once, by a normal of its mean and variance, from 200
 * requests on.
 */
export function latency(
  requests: number,
  { median = 100, spread = 0.6, wobble = 0.05 }: LatencyShape = {},
): DrawPoint {
  const mean = Math.exp((spread * spread) / 2);
  const deviation = mean * Math.sqrt((Math.exp(spread * spread) - 1) / requests);
  return (random) => {
    const off = median * Math.exp(wobble * random.normal());
    if (requests >= 200) return off * (mean + deviation * random.normal());
    let sum = 0;
    for (let request = 0; request < requests; request += 1) {
      sum += Math.exp(spread * random.normal());
    }
    return (off * sum) / requests;
  };
}

/** Shape of {@link latency}. */
export interface LatencyShape {
  /** Milliseconds of the median request. */
  readonly median?: number;
  /** Standard deviation of a request's logarithm. */
  readonly spread?: number;
  /** Standard deviation of a point's own logarithm. */
  readonly wobble?: number;
}

/** Points that follow each other: each keeps this part of how far the one before was off. */
export function following(part: number): DrawPoint {
  let before: number | undefined;
  return (random) => {
    const fresh = random.normal();
    before = before === undefined ? fresh : part * before + Math.sqrt(1 - part * part) * fresh;
    return Math.exp(0.1 * before);
  };
}

/** Points whose windows overlap: each is the mean of this many fresh ones, all but one shared with the point before it. */
export function overlapping(width: number): DrawPoint {
  const window: number[] = [];
  return (random) => {
    do window.push(100 + 10 * random.normal());
    while (window.length < width);
    while (window.length > width) window.shift();
    return window.reduce((sum, value) => sum + value, 0) / width;
  };
}
