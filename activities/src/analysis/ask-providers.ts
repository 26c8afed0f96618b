import {
  type AnalysedMetric,
  type AnalysisTrouble,
  maxPointsOf,
  type PlannedMetric,
  type SamplePoint,
} from '@sluice/domain';
import { pause } from '../pause.ts';
import {
  type AnalysisProvider,
  isAnalysisProviderError,
  type ProviderQuery,
  type ProviderReach,
} from './analysis-provider.ts';
import { assertRanges } from './query-template.ts';

/** Queries at a time, of one look. */
const AT_A_TIME = 4;

/** Pauses before a provider that is down is asked again. Milliseconds. */
const RETRY_PAUSES_MS = [1000, 3000];

/** What one look asks for. */
export interface LookQuery {
  readonly metrics: readonly PlannedMetric[];
  readonly canary: readonly string[];
  readonly baseline: readonly string[];
  /** Milliseconds since the epoch. */
  readonly from: number;
  readonly to: number;
  readonly stepSeconds: number;
}

/**
 * Asks for both sides of every metric. A provider's trouble is an answer, never an error: only the cancellation throws.
 * @param find the provider of a name; undefined where this worker has none
 */
export async function askProviders(
  look: LookQuery,
  find: (name: string) => AnalysisProvider | undefined,
  reach: ProviderReach,
): Promise<readonly AnalysedMetric[]> {
  const answers: AnalysedMetric[] = new Array(look.metrics.length);
  let next = 0;
  const ask = async (): Promise<void> => {
    while (next < look.metrics.length) {
      const index = next;
      next += 1;
      const metric = look.metrics[index];
      if (metric !== undefined) answers[index] = await askMetric(metric, look, find, reach);
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_A_TIME, look.metrics.length) }, ask));
  return answers;
}

async function askMetric(
  metric: PlannedMetric,
  look: LookQuery,
  find: (name: string) => AnalysisProvider | undefined,
  reach: ProviderReach,
): Promise<AnalysedMetric> {
  const { rules, provider: name, query, pointer } = metric;
  const provider = find(name);
  const said = { name: rules.name, provider: name, kind: provider?.kind ?? null, query, pointer };
  if (provider === undefined) {
    return without(said, {
      code: 'analysis-provider-unknown',
      message: `The worker has no provider ${name}: name one of its file SLUICE_ANALYSIS_PROVIDERS, or add it there.`,
    });
  }
  try {
    if (provider.kind === 'prometheus') assertRanges(query, look.stepSeconds);
    const [canary, baseline] = await Promise.all([
      askSide(provider, metric, 'canary', look, reach),
      askSide(provider, metric, 'baseline', look, reach),
    ]);
    return { ...said, canary, baseline, trouble: null };
  } catch (error) {
    reach.cancellation.throwIfAborted();
    if (!isAnalysisProviderError(error)) throw error;
    return without(said, { code: error.code, message: `Provider ${name}: ${error.message}` });
  }
}

function without(
  said: Pick<AnalysedMetric, 'name' | 'provider' | 'kind' | 'query' | 'pointer'>,
  trouble: AnalysisTrouble,
): AnalysedMetric {
  return { ...said, canary: [], baseline: [], trouble };
}

async function askSide(
  provider: AnalysisProvider,
  { query, pointer }: PlannedMetric,
  side: ProviderQuery['side'],
  look: LookQuery,
  reach: ProviderReach,
): Promise<readonly SamplePoint[]> {
  const { from, to, stepSeconds, metrics } = look;
  const targets = look[side];
  if (targets.length === 0) return [];
  const maxPoints = maxPointsOf(metrics.length);
  const asked = { query, pointer, side, targets, from, to, stepSeconds, maxPoints };
  for (const ms of RETRY_PAUSES_MS) {
    try {
      return await provider.query(asked, reach);
    } catch (error) {
      if (!isAnalysisProviderError(error) || error.code !== 'analysis-provider-down') throw error;
    }
    await pause(ms, reach.cancellation);
    reach.cancellation.throwIfAborted();
  }
  return provider.query(asked, reach);
}
