import {
  ANALYSIS_PROVIDER_KINDS,
  ANALYSIS_SCHEMA,
  ANALYSIS_TROUBLES,
  type AnalysisDocument,
  type AnalysisInput,
  composeAnalysis,
  isName,
  judgeAnalysis,
  MAX_DOCUMENT_POINTS,
  MAX_PLANNED_METRICS,
  METRIC_DIRECTIONS,
  NAN_STRATEGIES,
  PREDICATE_TYPES,
  type Statement,
} from '@sluice/domain';
import { canonicalJson, digestOf } from '@sluice/pure';
import { hasExactlyKeys, isJsonObject } from './strict-json.ts';
import { parseInstant } from './trust-root.ts';

type Check = (value: unknown) => boolean;

/** Predicate of an analysis statement, `urn:sluice:analysis:v1`. */
export interface AnalysisPredicate {
  /** `<environment>/<number>`. */
  readonly promotionId: string;
  /** Of the document's canonical JSON, as it lies in the evidence store. */
  readonly documentDigest: string;
  readonly document: AnalysisDocument;
}

const MAX_TARGETS = 10_000;

/**
 * The analysis predicate of a statement, or undefined when it is of another type or malformed. Whether its verdict follows from its input is
 * {@link findAnalysisProblem}'s to say.
 */
export function readAnalysisPredicate({
  predicateType,
  predicate,
}: Statement): AnalysisPredicate | undefined {
  if (predicateType !== PREDICATE_TYPES.analysis) return undefined;
  const value: unknown = predicate;
  const isWhole =
    isJsonObject(value) &&
    hasExactlyKeys(value, ['promotionId', 'documentDigest', 'document']) &&
    isAnalysisDocument(value['document']) &&
    value['documentDigest'] === digestOf(value['document']);
  return isWhole ? (value as unknown as AnalysisPredicate) : undefined;
}

/**
 * Judges a document's input again with the pure judge.
 * @returns why the document does not say what follows from its input; undefined where it does, to the byte
 */
export function findAnalysisProblem(document: AnalysisDocument): string | undefined {
  const { verdict, conclusion, ...input } = document;
  try {
    const again = composeAnalysis(input satisfies AnalysisInput, judgeAnalysis);
    if (canonicalJson(again) === canonicalJson({ ...input, verdict, conclusion })) {
      return undefined;
    }
    const { outcome, reason } = again.conclusion;
    const why = reason === null ? '' : ` (${reason.code})`;
    return `Its samples, judged again, come to ${outcome}${why}, and it says otherwise.`;
  } catch (error) {
    return `Its input cannot be judged: ${(error as Error).message}`;
  }
}

/** True for a whole document: all that judging it reads has the right form, and nothing is there beside it. */
export function isAnalysisDocument(value: unknown): value is AnalysisDocument {
  return isOf(value, {
    schema: (one) => one === ANALYSIS_SCHEMA,
    stepId: (one) => typeof one === 'string' && one.length <= 200,
    round: whole(1),
    stage: whole(0),
    rules: isRules,
    look: whole(1),
    from: isInstant,
    to: isInstant,
    stepSeconds: whole(1),
    targets: (one) => isOf(one, { canary: isNames, baseline: isNames }),
    metrics: isMetrics,
    // Made again, and compared.
    verdict: isJsonObject,
    conclusion: isJsonObject,
  });
}

const isRules: Check = (value) =>
  isOf(value, {
    metrics: listOf(isMetricRules, MAX_PLANNED_METRICS),
    passScore: isNumber,
    marginalScore: isNumber,
    looks: whole(1),
    minSamples: whole(1),
  });

function isMetricRules(value: unknown): boolean {
  return isOf(
    value,
    {
      name: isNameText,
      direction: among(METRIC_DIRECTIONS),
      nanStrategy: among(NAN_STRATEGIES),
      critical: isFlag,
      mustHaveData: isFlag,
      weight: isNumber,
      effect: (one) =>
        isOf(
          one,
          {},
          {
            allowedIncrease: isNumber,
            allowedDecrease: isNumber,
            criticalIncrease: isNumber,
            criticalDecrease: isNumber,
          },
        ),
      confidence: isNumber,
    },
    { threshold: (one) => isOf(one, {}, { max: isNumber, min: isNumber }) },
  );
}

function isMetrics(value: unknown): boolean {
  if (!listOf(isMetric, MAX_PLANNED_METRICS)(value)) return false;
  const metrics = value as AnalysisDocument['metrics'];
  const points = metrics.reduce((sum, one) => sum + one.canary.length + one.baseline.length, 0);
  return points <= MAX_DOCUMENT_POINTS;
}

function isMetric(value: unknown): boolean {
  return isOf(value, {
    name: isNameText,
    provider: isNameText,
    kind: (one) => one === null || among(ANALYSIS_PROVIDER_KINDS)(one),
    query: isText,
    pointer: (one) => one === null || isText(one),
    canary: isPoints,
    baseline: isPoints,
    trouble: (one) =>
      one === null || isOf(one, { code: among(ANALYSIS_TROUBLES), message: isText }),
  });
}

function isPoints(value: unknown): boolean {
  return listOf(
    (point) =>
      Array.isArray(point) &&
      point.length === 2 &&
      isNumber(point[0]) &&
      (point[1] === null || isNumber(point[1])),
    MAX_DOCUMENT_POINTS,
  )(value);
}

const isNumber: Check = (value) => typeof value === 'number' && Number.isFinite(value);
const isFlag: Check = (value) => typeof value === 'boolean';
const isText: Check = (value) => typeof value === 'string' && value.length <= 10_000;
const isNameText: Check = (value) => typeof value === 'string' && isName(value);
const isInstant: Check = (value) => parseInstant(value) !== undefined;
const isNames: Check = (value) => listOf(isNameText, MAX_TARGETS)(value);

function whole(least: number): Check {
  return (value) => Number.isSafeInteger(value) && (value as number) >= least;
}

function among(words: readonly string[]): Check {
  return (value) => typeof value === 'string' && words.includes(value);
}

function listOf(check: Check, most: number): Check {
  return (value) => Array.isArray(value) && value.length <= most && value.every(check);
}

function isOf(
  value: unknown,
  required: Readonly<Record<string, Check>>,
  optional: Readonly<Record<string, Check>> = {},
): boolean {
  if (!isJsonObject(value)) return false;
  if (!hasExactlyKeys(value, Object.keys(required), Object.keys(optional))) return false;
  const checks = Object.entries({ ...required, ...optional });
  return checks.every(([name, check]) => !Object.hasOwn(value, name) || check(value[name]));
}
