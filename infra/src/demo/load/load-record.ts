/** One answer, or its absence, as whoever asked saw it. */
export type LoadSample = {
  /** When it was asked. Milliseconds since the load began. */
  readonly at: number;
  /** Null where no whole answer came. */
  readonly status: number | null;
  /** Which version answered; null where nobody said so. */
  readonly version: string | null;
  readonly ms: number;
};

/** Counts and latencies of some requests; quantiles in milliseconds, null where there was no answer. */
export type LoadCount = {
  readonly requests: number;
  /** Answers with a status from 500 on. */
  readonly errors: number;
  /** Requests without a whole answer. */
  readonly lost: number;
  readonly p50: number | null;
  readonly p95: number | null;
};

/** A span of time with all that was asked in it. */
export type LoadSpan = {
  /** Its beginning. Seconds since the load began. */
  readonly from: number;
  readonly total: LoadCount;
  /** By version, of those that said theirs. */
  readonly versions: Readonly<Record<string, LoadCount>>;
};

/** The longest that is kept. Seconds. */
const MAX_SECONDS = 3600;

type Bucket = { errors: number; lost: number; readonly answered: number[] };

/** What a load saw, second by second; of the first hour only, so that it stays bounded. */
export class LoadRecord {
  /** By second, then by version; `''` for none. */
  readonly #seconds: Map<string, Bucket>[] = [];

  add({ at, status, version, ms }: LoadSample): void {
    const second = Math.floor(at / 1000);
    if (second < 0 || second >= MAX_SECONDS) return;
    while (this.#seconds.length <= second) this.#seconds.push(new Map());
    const versions = this.#seconds[second];
    const bucket = versions?.get(version ?? '') ?? { errors: 0, lost: 0, answered: [] };
    versions?.set(version ?? '', bucket);
    if (status === null) {
      bucket.lost += 1;
      return;
    }
    bucket.answered.push(ms);
    if (status >= 500) bucket.errors += 1;
  }

  /** Whole seconds that it has something of. */
  get length(): number {
    return this.#seconds.length;
  }

  /** All that was asked from one second on until before another. */
  span(from = 0, to = this.#seconds.length): LoadSpan {
    const buckets = this.#seconds
      .slice(Math.max(0, Math.floor(from)), Math.max(0, Math.ceil(to)))
      .flatMap((versions) => [...versions]);
    const versions = new Map<string, Bucket[]>();
    for (const [version, bucket] of buckets) {
      if (version !== '') versions.set(version, [...(versions.get(version) ?? []), bucket]);
    }
    const counted = [...versions].map(([version, of]) => [version, count(of)] as const);
    return {
      from,
      total: count(buckets.map(([, bucket]) => bucket)),
      versions: Object.fromEntries(counted.sort(([a], [b]) => (a < b ? -1 : 1))),
    };
  }

  /** All of it in spans of so many seconds. */
  spans(seconds = 1): LoadSpan[] {
    const count = Math.ceil(this.#seconds.length / seconds);
    return Array.from({ length: count }, (_, place) =>
      this.span(place * seconds, (place + 1) * seconds),
    );
  }
}

function count(buckets: readonly Bucket[]): LoadCount {
  const sum = (of: (bucket: Bucket) => number): number =>
    buckets.reduce((total, bucket) => total + of(bucket), 0);
  const answered = buckets.flatMap((bucket) => bucket.answered).sort((a, b) => a - b);
  const lost = sum((bucket) => bucket.lost);
  return {
    requests: answered.length + lost,
    errors: sum((bucket) => bucket.errors),
    lost,
    p50: quantile(answered, 0.5),
    p95: quantile(answered, 0.95),
  };
}

function quantile(sorted: readonly number[], fraction: number): number | null {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * fraction))] ?? null;
}
