import type { AnalysisProviderKind, AnalysisTroubleCode, SamplePoint } from '@sluice/domain';

/** What a provider is asked for: one side of one metric. */
export interface ProviderQuery {
  readonly query: string;
  readonly pointer: string | null;
  readonly side: 'canary' | 'baseline';
  /** Names, sorted; at least one. */
  readonly targets: readonly string[];
  /** Milliseconds since the epoch. */
  readonly from: number;
  /** Milliseconds since the epoch; after `from`. */
  readonly to: number;
  readonly stepSeconds: number;
  readonly maxPoints: number;
}

/** For whom it is asked, and for how long. */
export interface ProviderReach {
  readonly tenantId: string;
  readonly environment: string;
  readonly promotionId: string;
  /** Digest of the release that the canary runs. */
  readonly releaseDigest: string;
  readonly cancellation: AbortSignal;
}

/** Something that measures. */
export interface AnalysisProvider {
  readonly kind: AnalysisProviderKind;
  /**
   * The samples of a range, by time: what is not a finite number is null.
   * @throws AnalysisProviderError, or the reason of the cancellation
   */
  query(query: ProviderQuery, reach: ProviderReach): Promise<readonly SamplePoint[]>;
}

/** Why a provider gave no samples. Its message holds no address and no secret. */
export class AnalysisProviderError extends Error {
  readonly code: AnalysisTroubleCode;

  constructor(code: AnalysisTroubleCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'AnalysisProviderError';
    this.code = code;
  }
}

/** True for an {@link AnalysisProviderError}, recognised by its name. */
export function isAnalysisProviderError(error: unknown): error is AnalysisProviderError {
  return (error as { name?: unknown } | null)?.name === 'AnalysisProviderError';
}

/** A measured number; null for what is none, or not finite. */
export function valueOf(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}

/** The times of a range that every query is asked for, so that asking again gives the same points. Milliseconds since the epoch. */
export function gridOf({
  from,
  to,
  stepSeconds,
}: Pick<ProviderQuery, 'from' | 'to' | 'stepSeconds'>): readonly number[] {
  const times: number[] = [];
  for (let at = from + stepSeconds * 1000; at <= to; at += stepSeconds * 1000) times.push(at);
  return times;
}

/** A point's place in its document: seconds since the range began, to the millisecond. */
export function secondsSince(from: number, at: number): number {
  return Math.round(at - from) / 1000;
}

/** @throws AnalysisProviderError `analysis-points-many` */
export function assertPointCount(count: number, { maxPoints }: ProviderQuery): void {
  if (count <= maxPoints) return;
  throw new AnalysisProviderError(
    'analysis-points-many',
    `It answered with ${count} points; at most ${maxPoints} are taken. Ask for a larger step (stepSeconds).`,
  );
}
