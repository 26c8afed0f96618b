import { judgeThreshold } from './absolute-threshold.ts';
import {
  MAX_ANALYSIS_SAMPLES,
  type MetricClass,
  type MetricCode,
  type MetricRules,
  type MetricSamples,
  type MetricVerdict,
} from './analysis.ts';
import {
  canDiffer,
  compareSamples,
  type SampleComparison,
  SHIFT_TOLERANCE,
} from './compare-samples.ts';
import { normalUpperTail } from './normal.ts';
import { type PreparedSamples, prepareSamples, statisticsOf } from './samples.ts';
import { criticalValueAt } from './sequential.ts';

/** When a metric is judged. */
export interface MetricLook {
  readonly look: number;
  readonly looks: number;
  readonly minSamples: number;
}

interface Finding {
  readonly class: MetricClass;
  readonly code: MetricCode;
  readonly reason: string;
  readonly critical?: boolean;
}

/**
 * Judges one metric at one look.
 * @param samples undefined where none were handed over
 */
export function judgeMetric(
  rules: MetricRules,
  samples: MetricSamples | undefined,
  when: MetricLook,
): MetricVerdict {
  const alpha = alphaOf(rules);
  const criticalValue = criticalValueAt(alpha, when.look, when.looks);
  const lastValue = criticalValueAt(alpha, when.looks, when.looks);
  const isTooMany =
    samples !== undefined &&
    Math.max(samples.canary.length, samples.baseline.length) > MAX_ANALYSIS_SAMPLES;
  const usable = samples === undefined || isTooMany ? undefined : samples;
  const canary = prepareSamples(usable?.canary ?? [], rules.nanStrategy);
  const baseline = prepareSamples(usable?.baseline ?? [], rules.nanStrategy);
  const isAlone = baseline.real + baseline.missing === 0 && rules.threshold !== undefined;
  const lack = isTooMany
    ? tooMany(rules.name)
    : samples === undefined
      ? notMeasured(rules.name)
      : findLack(rules, canary, baseline, { ...when, isAlone, lastValue });
  const hasBoth = canary.sorted.length > 0 && baseline.sorted.length > 0;
  const comparison = hasBoth
    ? compareSamples(canary.sorted, baseline.sorted, {
        direction: rules.direction,
        effect: rules.effect,
        criticalValue,
        tolerance: SHIFT_TOLERANCE,
      })
    : undefined;
  const finding = conclude(rules, canary, { lack, comparison, criticalValue, ...when });
  return {
    name: rules.name,
    class: finding.class,
    code: finding.code,
    reason: finding.reason,
    critical: finding.critical ?? false,
    weight: rules.weight,
    statistics: { canary: statisticsOf(canary), baseline: statisticsOf(baseline) },
    ratio: comparison?.ratio ?? null,
    shift: comparison?.shift ?? null,
    superiority: comparison?.superiority ?? null,
    pValue: comparison?.pValue ?? null,
    alpha: 2 * normalUpperTail(criticalValue),
  };
}

/** A limit that is broken for certain weighs most, then the comparison, then what is missing. */
function conclude(
  rules: MetricRules,
  canary: PreparedSamples,
  found: {
    readonly lack: Finding | undefined;
    readonly comparison: SampleComparison | undefined;
    readonly criticalValue: number;
    readonly minSamples: number;
  },
): Finding {
  const { lack, comparison } = found;
  const limit =
    rules.threshold !== undefined && canary.sorted.length >= Math.max(2, found.minSamples)
      ? concludeThreshold(rules, canary.sorted, found.criticalValue)
      : undefined;
  if (limit !== undefined && limit.class !== 'unsure') return limit;
  if (lack === undefined && comparison !== undefined && comparison.class !== 'pass') {
    return concludeDeviation(rules, comparison);
  }
  if (limit !== undefined) return limit;
  if (lack !== undefined) return lack;
  return concludePass(rules.name, comparison);
}

function concludeThreshold(
  { name, threshold, critical }: MetricRules,
  sorted: Float64Array,
  criticalValue: number,
): Finding | undefined {
  if (threshold === undefined) return undefined;
  const found = judgeThreshold(sorted, threshold, criticalValue);
  switch (found) {
    case 'over':
      return {
        class: 'high',
        code: 'above-threshold',
        reason: `The mean of ${name} is above its limit ${threshold.max}.`,
        critical,
      };
    case 'under':
      return {
        class: 'low',
        code: 'below-threshold',
        reason: `The mean of ${name} is below its limit ${threshold.min}.`,
        critical,
      };
    case 'unsure-over':
    case 'unsure-under': {
      const [side, limit] =
        found === 'unsure-over' ? ['above', threshold.max] : ['below', threshold.min];
      return {
        class: 'unsure',
        code: 'threshold-unsure',
        reason: `The mean of ${name} is ${side} its limit ${limit}, but not by more than noise explains.`,
      };
    }
    case 'within':
      return undefined;
  }
}

function concludeDeviation(rules: MetricRules, comparison: SampleComparison): Finding {
  const critical = rules.critical && comparison.reachesCritical;
  const by = comparison.ratio === null ? '' : `, ${times(comparison.ratio)} times its mean`;
  return comparison.class === 'high'
    ? {
        class: 'high',
        code: 'above-baseline',
        reason: `${rules.name} of the canary is above the baseline${by}.`,
        critical,
      }
    : {
        class: 'low',
        code: 'below-baseline',
        reason: `${rules.name} of the canary is below the baseline${by}.`,
        critical,
      };
}

function concludePass(name: string, comparison: SampleComparison | undefined): Finding {
  switch (comparison?.code) {
    case 'samples-equal':
      return {
        class: 'pass',
        code: 'samples-equal',
        reason: `${name} has the same values on both sides.`,
      };
    case 'within-effect':
      return {
        class: 'pass',
        code: 'within-effect',
        reason: `${name} deviates from the baseline, by less than is allowed.`,
      };
    default:
      return {
        class: 'pass',
        code: 'no-deviation',
        reason: `${name} shows no deviation that noise does not explain.`,
      };
  }
}

function findLack(
  { name, mustHaveData, critical }: MetricRules,
  canary: PreparedSamples,
  baseline: PreparedSamples,
  when: MetricLook & { readonly isAlone: boolean; readonly lastValue: number },
): Finding | undefined {
  const { minSamples, isAlone, lastValue } = when;
  const counted = ({ sorted, real }: PreparedSamples): number =>
    mustHaveData ? real : sorted.length;
  if (counted(canary) === 0) {
    return {
      class: 'nodata',
      code: 'no-canary-data',
      reason: `${name} has no data of the canary: does it get traffic, and is it measured?`,
      critical: critical && mustHaveData && baseline.real >= minSamples && when.look === when.looks,
    };
  }
  if (!isAlone && counted(baseline) === 0) {
    return {
      class: 'nodata',
      code: 'no-baseline-data',
      reason: `${name} has no data of the baseline to compare with.`,
    };
  }
  const own = canary.sorted.length;
  const others = baseline.sorted.length;
  const isTooFew = Math.min(own, isAlone ? own : others) < minSamples;
  if (isTooFew || (!isAlone && !canDiffer(own, others, lastValue))) {
    const needed = isTooFew
      ? `${minSamples} a side are asked for`
      : 'so few could not differ enough at this confidence, whatever their values';
    return {
      class: 'nodata',
      code: 'too-few-samples',
      reason: isAlone
        ? `${name} has ${own} values of the canary; ${needed}.`
        : `${name} has ${own} values of the canary and ${others} of the baseline; ${needed}.`,
    };
  }
  return undefined;
}

function notMeasured(name: string): Finding {
  return { class: 'error', code: 'samples-missing', reason: `${name} was not measured at all.` };
}

function tooMany(name: string): Finding {
  return {
    class: 'error',
    code: 'samples-too-many',
    reason: `${name} has more than ${MAX_ANALYSIS_SAMPLES} values a side: measure at longer intervals.`,
  };
}

/** One less the confidence, as the number that is written so: 1 − 0.98 is 0.02, not 0.020000000000000018. */
function alphaOf({ confidence }: MetricRules): number {
  return Math.round((1 - confidence) * 1e12) / 1e12;
}

/** Three significant digits at least, without an exponent where it can be read without. */
function times(ratio: number): string {
  return ratio >= 0.01 && ratio < 1e6 ? String(Math.round(ratio * 100) / 100) : String(ratio);
}
