import { quantile } from '../stack-client.mjs';

/** One result of the bench; without a baseline both it and the ratio are null. */
export function toResult(name, unit, values, baselines) {
  const value = quantile(values, 0.5);
  const baseline = baselines === undefined ? null : quantile(baselines, 0.5);
  return {
    name,
    value,
    baseline,
    ratio: baseline === null ? null : value / baseline,
    unit,
    n: values.length,
    spread: { min: Math.min(...values), max: Math.max(...values) },
  };
}
