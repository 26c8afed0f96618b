import {
  type AnalysisPlan,
  type AnalysisRules,
  CONFIDENCE_RANGE,
  type EffectRules,
  isName,
  MAX_PLANNED_METRICS,
  METRIC_DIRECTIONS,
  type MetricRules,
  NAN_STRATEGIES,
  type PlannedMetric,
  PROBE_METRICS,
  PROBES_PROVIDER,
  problemsOfAnalysisRules,
} from '@sluice/domain';
import { type AnalysisProblem, below, type Members, Reading } from './analysis-reading.ts';

export type { AnalysisProblem } from './analysis-reading.ts';

/** A plan, or everything that keeps it from being one. */
export type ParsedAnalysis =
  | { readonly ok: true; readonly value: AnalysisPlan }
  | { readonly ok: false; readonly problems: readonly AnalysisProblem[] };

/** What holds where a rollout's `analysis` says nothing. */
export const ANALYSIS_DEFAULTS = {
  /** Kayenta's. */
  passScore: 95,
  marginalScore: 75,
  minSamples: 8,
  confidence: 0.98,
  weight: 1,
} as const;

const MAX_QUERY_LENGTH = 4000;
const MAX_POINTER_LENGTH = 200;

const PLAN_MEMBERS = [
  'passScore',
  'marginalScore',
  'minSamples',
  'confidence',
  'stepSeconds',
  'metrics',
];
const METRIC_MEMBERS = [
  'name',
  'provider',
  'query',
  'pointer',
  'direction',
  'critical',
  'mustHaveData',
  'nanStrategy',
  'weight',
  'confidence',
  'effect',
  'threshold',
];
const EFFECT_MEMBERS = [
  'allowedIncrease',
  'allowedDecrease',
  'criticalIncrease',
  'criticalDecrease',
] as const;

/**
 * Reads a rollout's `analysis` strictly, and fills in what it leaves out: every metric must have data unless it says otherwise. Where
 * providers lead is the worker's to know: it is not looked at here.
 */
export function parseAnalysis(value: unknown): ParsedAnalysis {
  const reading = new Reading();
  const plan = readPlan(reading, value);
  if (plan === undefined || reading.problems.length > 0) {
    return { ok: false, problems: reading.problems };
  }
  const wrong = problemsOfAnalysisRules(analysisRulesOf(plan, 1));
  for (const message of wrong) reading.tell('', message);
  return wrong.length > 0 ? { ok: false, problems: reading.problems } : { ok: true, value: plan };
}

/** What the judge goes by. */
export function analysisRulesOf(plan: AnalysisPlan, looks: number): AnalysisRules {
  const { passScore, marginalScore, minSamples } = plan;
  const metrics = plan.metrics.map(({ rules }) => rules);
  return { metrics, passScore, marginalScore, looks, minSamples };
}

function readPlan(reading: Reading, value: unknown): AnalysisPlan | undefined {
  const members = reading.members(value, '', PLAN_MEMBERS);
  if (members === undefined) return undefined;
  const score = { least: 0, most: 100 };
  const passScore = reading.number(members, 'passScore', '', score) ?? ANALYSIS_DEFAULTS.passScore;
  const marginalScore =
    reading.number(members, 'marginalScore', '', score) ??
    Math.min(ANALYSIS_DEFAULTS.marginalScore, passScore);
  const minSamples =
    reading.number(members, 'minSamples', '', { least: 2, most: 10_000, whole: true }) ??
    ANALYSIS_DEFAULTS.minSamples;
  const stepSeconds =
    reading.number(members, 'stepSeconds', '', { least: 1, most: 3600, whole: true }) ?? null;
  const confidence = readConfidence(reading, members, '') ?? ANALYSIS_DEFAULTS.confidence;
  const listed = members['metrics'];
  if (!Array.isArray(listed) || listed.length === 0 || listed.length > MAX_PLANNED_METRICS) {
    reading.tell('metrics', `Write a list of 1 to ${MAX_PLANNED_METRICS} metrics.`);
    return undefined;
  }
  const metrics = listed.flatMap((one: unknown, index) => {
    const metric = readMetric(reading, one, `metrics[${index}]`, confidence);
    return metric === undefined ? [] : [metric];
  });
  return { metrics, passScore, marginalScore, minSamples, stepSeconds };
}

function readMetric(
  reading: Reading,
  value: unknown,
  at: string,
  confidence: number,
): PlannedMetric | undefined {
  const members = reading.members(value, at, METRIC_MEMBERS);
  if (members === undefined) return undefined;
  const name = readName(reading, members, 'name', at);
  const provider = readName(reading, members, 'provider', at);
  const query = readQuery(reading, members, at, provider);
  const direction = reading.word(members, 'direction', at, METRIC_DIRECTIONS);
  const nanStrategy = reading.word(members, 'nanStrategy', at, NAN_STRATEGIES, 'remove');
  const rules = {
    critical: reading.flag(members, 'critical', at, false),
    mustHaveData: reading.flag(members, 'mustHaveData', at, true),
    weight:
      reading.number(members, 'weight', at, { least: 0.001, most: 1000 }) ??
      ANALYSIS_DEFAULTS.weight,
    effect: readEffect(reading, members, at),
    confidence: readConfidence(reading, members, at) ?? confidence,
    ...readThreshold(reading, members, at),
  };
  const pointer = readPointer(reading, members, at, provider);
  if (
    name === undefined ||
    provider === undefined ||
    query === undefined ||
    direction === undefined ||
    nanStrategy === undefined
  )
    return undefined;
  return { rules: { name, direction, nanStrategy, ...rules }, provider, query, pointer };
}

function readName(
  reading: Reading,
  members: Members,
  member: string,
  at: string,
): string | undefined {
  const value = members[member];
  if (typeof value === 'string' && isName(value)) return value;
  reading.tell(below(at, member), 'Write a name of a-z, 0-9 and -, at most 63 characters.');
  return undefined;
}

function readQuery(
  reading: Reading,
  members: Members,
  at: string,
  provider: string | undefined,
): string | undefined {
  if (provider === PROBES_PROVIDER) return reading.word(members, 'query', at, PROBE_METRICS);
  return reading.text(members, 'query', at, MAX_QUERY_LENGTH);
}

function readPointer(
  reading: Reading,
  members: Members,
  at: string,
  provider: string | undefined,
): string | null {
  const value = members['pointer'];
  if (value === undefined) return null;
  const isPointer =
    typeof value === 'string' &&
    value.length <= MAX_POINTER_LENGTH &&
    /^(?:\/(?:[^~/]|~[01])*)*$/.test(value);
  if (isPointer && provider !== PROBES_PROVIDER) return value;
  reading.tell(
    below(at, 'pointer'),
    isPointer
      ? 'The agents’ own samples need none: leave it out.'
      : 'Write a JSON Pointer (RFC 6901), such as /data/errors.',
  );
  return null;
}

function readEffect(reading: Reading, members: Members, at: string): EffectRules {
  if (members['effect'] === undefined) return {};
  const effect = reading.members(members['effect'], below(at, 'effect'), EFFECT_MEMBERS);
  if (effect === undefined) return {};
  const found = EFFECT_MEMBERS.flatMap((name) => {
    const bounds = name.endsWith('Increase') ? { least: 1, most: 1000 } : { least: 0, most: 1 };
    const value = reading.number(effect, name, below(at, 'effect'), bounds);
    return value === undefined ? [] : [[name, value] as const];
  });
  return Object.fromEntries(found);
}

function readThreshold(
  reading: Reading,
  members: Members,
  at: string,
): Pick<MetricRules, 'threshold'> {
  if (members['threshold'] === undefined) return {};
  const threshold = reading.members(members['threshold'], below(at, 'threshold'), ['max', 'min']);
  if (threshold === undefined) return {};
  const bounds = { least: -1e15, most: 1e15 };
  const max = reading.number(threshold, 'max', below(at, 'threshold'), bounds);
  const min = reading.number(threshold, 'min', below(at, 'threshold'), bounds);
  if (max === undefined && min === undefined) {
    reading.tell(below(at, 'threshold'), 'Write max, min or both.');
    return {};
  }
  return {
    threshold: { ...(max === undefined ? {} : { max }), ...(min === undefined ? {} : { min }) },
  };
}

function readConfidence(reading: Reading, members: Members, at: string): number | undefined {
  const { least, most } = CONFIDENCE_RANGE;
  return reading.number(members, 'confidence', at, { least, most });
}
