import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/** Seconds: from a quick query to a deployment. */
export const DURATION_BUCKETS: readonly number[] = [
  0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300,
];

/** The metrics of one process. Names start with `sluice_`; labels hold small closed sets, never ids. */
export interface Metrics {
  readonly registry: Registry;
  /** The counter of this name; made at the first call, the same one ever after. */
  counter<L extends string>(name: string, help: string, labels?: readonly L[]): Counter<L>;
  /** As {@link Metrics.counter}. */
  gauge<L extends string>(name: string, help: string, labels?: readonly L[]): Gauge<L>;
  /** As {@link Metrics.counter}; seconds, in {@link DURATION_BUCKETS} where no others are given. */
  histogram<L extends string>(
    name: string,
    help: string,
    labels?: readonly L[],
    buckets?: readonly number[],
  ): Histogram<L>;
  /** What `/metrics` answers. */
  render(): Promise<{ readonly contentType: string; readonly body: string }>;
}

/**
 * A registry of its own (never the global one), with the process' default metrics.
 * @param options.service becomes the label `service` of every sample
 */
export function createMetrics(
  options: { readonly service?: string; readonly defaults?: boolean } = {},
): Metrics {
  const registry = new Registry();
  if (options.service !== undefined) registry.setDefaultLabels({ service: options.service });
  if (options.defaults ?? true) collectDefaultMetrics({ register: registry });

  function once<T>(name: string, make: () => T): T {
    if (!/^sluice_[a-z0-9_]+$/.test(name)) {
      throw new TypeError(`Metric name ${name}: write sluice_ and lower-case words.`);
    }
    return (registry.getSingleMetric(name) as T | undefined) ?? make();
  }

  return {
    registry,
    counter: (name, help, labels = []) =>
      once(name, () => new Counter({ name, help, labelNames: [...labels], registers: [registry] })),
    gauge: (name, help, labels = []) =>
      once(name, () => new Gauge({ name, help, labelNames: [...labels], registers: [registry] })),
    histogram: (name, help, labels = [], buckets = DURATION_BUCKETS) =>
      once(
        name,
        () =>
          new Histogram({
            name,
            help,
            labelNames: [...labels],
            buckets: [...buckets],
            registers: [registry],
          }),
      ),
    render: async () => ({ contentType: registry.contentType, body: await registry.metrics() }),
  };
}
