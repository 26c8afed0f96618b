import {
  type BurnRateRules,
  type BurnRateSource,
  cutText,
  type Refusal,
  type SamplePoint,
  type WindowCounts,
} from '@sluice/domain';
import { sumProbeSamples, withTenant } from '@sluice/persistence';
import {
  type AnalysisProvider,
  isAnalysisProviderError,
  type ProviderReach,
} from '../analysis/analysis-provider.ts';
import { findProvider, type ProviderParts } from '../analysis/analysis-providers.ts';

/** What was counted in each pair of windows, or why nobody could. */
export type CountedRequests =
  | { readonly ok: true; readonly burns: readonly WindowCounts[] }
  | { readonly ok: false; readonly blind: Refusal };

/** Of what, and when. */
export interface CountingSubject {
  readonly reach: ProviderReach;
  /** Names, sorted. */
  readonly targets: readonly string[];
  /** Milliseconds since the epoch: when the watch began, and now. */
  readonly since: number;
  readonly at: number;
  readonly everySeconds: number;
}

/** Rows of agents' samples that one look reads, about; of more targets some are left out. */
const MAX_SAMPLE_ROWS = 250_000;

/** Agents' intervals are not shorter. Seconds. */
const SAMPLE_SECONDS = 5;

const MAX_POINTS = 5000;

/** Requests and errors in each pair of windows, none of which reaches back before the watch. Throws the cancellation's reason only. */
export async function countRequests(
  parts: ProviderParts,
  rules: BurnRateRules,
  subject: CountingSubject,
): Promise<CountedRequests> {
  const { windows, source } = rules;
  const elapsed = Math.max(0, subject.at - subject.since) / 1000;
  const spans = windows.flatMap(({ longSeconds, shortSeconds }) => [
    Math.min(longSeconds, elapsed),
    Math.min(shortSeconds, elapsed),
  ]);
  const counted =
    source.kind === 'probes'
      ? await countSamples(parts, subject, spans)
      : await countByProvider(parts, source, subject, spans);
  if (!Array.isArray(counted)) return { ok: false, blind: counted as Refusal };
  const [none] = counted.filter((_, index) => index % 2 === 1);
  if (none !== undefined && counted.every(({ requests }) => requests === 0)) {
    return { ok: false, blind: noRequests(source) };
  }
  const burns = windows.map((_, index) => ({
    long: counted[index * 2] ?? NONE,
    short: counted[index * 2 + 1] ?? NONE,
  }));
  return { ok: true, burns };
}

type Counts = { readonly requests: number; readonly errors: number };

const NONE: Counts = { requests: 0, errors: 0 };

async function countSamples(
  { pool }: ProviderParts,
  { reach, targets, at }: CountingSubject,
  spans: readonly number[],
): Promise<readonly Counts[]> {
  const { tenantId, releaseDigest } = reach;
  const each = Math.max(1, Math.ceil(Math.max(...spans) / SAMPLE_SECONDS));
  const chosen = chooseEvenly(targets, Math.max(1, Math.floor(MAX_SAMPLE_ROWS / each)));
  const to = new Date(at).toISOString();
  return withTenant(
    pool,
    tenantId,
    (tx) => sumProbeSamples(tx, { targets: chosen, releaseDigest, to, spans }),
    { readOnly: true },
  );
}

function chooseEvenly(targets: readonly string[], most: number): readonly string[] {
  if (targets.length <= most) return targets;
  return Array.from(
    { length: most },
    (_, index) => targets[Math.floor((index * targets.length) / most)] ?? '',
  );
}

async function countByProvider(
  parts: ProviderParts,
  source: Extract<BurnRateSource, { readonly kind: 'provider' }>,
  subject: CountingSubject,
  spans: readonly number[],
): Promise<readonly Counts[] | Refusal> {
  const { reach, everySeconds } = subject;
  const provider = findProvider(parts, reach.tenantId, source.provider);
  if (provider === undefined) {
    const message = `The worker has no provider ${source.provider}: name one that it has, or add it to its configuration.`;
    return { code: 'analysis-provider-unknown', message };
  }
  const longest = Math.max(...spans);
  const shortest = Math.min(...spans);
  // Points of one range answer for all windows: close enough for the shortest, few enough for the longest.
  const stepSeconds = Math.max(
    1,
    Math.ceil(longest / (MAX_POINTS - 1000)),
    Math.min(everySeconds, Math.floor(shortest / 4)),
  );
  try {
    const ask = (query: string): Promise<readonly SamplePoint[]> =>
      askRange(provider, query, subject, longest, stepSeconds);
    const total = await ask(source.total);
    const errors = await ask(source.errors);
    return spans.map((span) => sumRates(total, errors, longest - span, stepSeconds));
  } catch (error) {
    reach.cancellation.throwIfAborted();
    if (!isAnalysisProviderError(error)) throw error;
    const message = cutText(`Provider ${source.provider}: ${error.message}`, 600);
    return { code: error.code, message };
  }
}

function askRange(
  provider: AnalysisProvider,
  query: string,
  { reach, targets, at }: CountingSubject,
  longest: number,
  stepSeconds: number,
): Promise<readonly SamplePoint[]> {
  const to = Math.floor(at / 1000) * 1000;
  const from = to - Math.max(1, Math.floor(longest)) * 1000;
  const asked = { query, pointer: null, side: 'canary' as const, targets, from, to, stepSeconds };
  return provider.query({ ...asked, maxPoints: MAX_POINTS }, reach);
}

/** Rates become counts by their step; a time without a rate of errors had none, one without requests is not known. */
function sumRates(
  total: readonly SamplePoint[],
  errors: readonly SamplePoint[],
  from: number,
  stepSeconds: number,
): Counts {
  const failing = new Map(errors);
  let requests = 0;
  let failed = 0;
  for (const [seconds, rate] of total) {
    if (rate === null || rate <= 0 || seconds <= from) continue;
    requests += rate * stepSeconds;
    failed += Math.min(rate, Math.max(0, failing.get(seconds) ?? 0)) * stepSeconds;
  }
  return { requests, errors: failed };
}

function noRequests({ kind }: BurnRateSource): Refusal {
  const who = kind === 'probes' ? 'The agents' : 'The provider';
  const message = `${who} counted no request of this release: nobody can say how many fail.`;
  return { code: 'watch-no-requests', message };
}
