import type { RolloutAnswer } from './canary-operations.ts';
import type { ToldRollout, ToldShare, ToldStage } from './canary-told.ts';
import type { WatchedRollout } from './rollout-watch.ts';

/** What of a promotion is told beside its rollout. Milliseconds since the epoch. */
export type PromotionTimes = {
  readonly promotion: string;
  readonly version: string;
  /** What ran there before. */
  readonly before: string;
  /** Lower case. */
  readonly state: string;
  readonly from: number;
  readonly to: number;
  /** When the step of the rollout was seen to be put back; null when it was not. */
  readonly revertedAt: number | null;
};

/**
 * Puts what was seen of a rollout on the clock of the load.
 *
 * @param startedAt of the load, milliseconds since the epoch.
 */
export function toToldRollout(
  { last, begins }: WatchedRollout,
  times: PromotionTimes,
  startedAt: number,
): ToldRollout {
  const seconds = (at: number): number => Math.max(0, (at - startedAt) / 1000);
  const secondsOf = (at: string | null | undefined): number | null =>
    at === null || at === undefined ? null : seconds(Date.parse(at));
  const stages = last?.stages ?? [];
  const changes = (last?.routeChanges ?? []).filter(({ state }) => state === 'CONFIRMED');
  const failed = stages.find(({ analysis }) => analysis?.outcome === 'FAIL')?.analysis ?? null;
  const failedAt = secondsOf(failed?.endedAt);
  const off = changes.find(
    ({ canaryPermille, settledAt }) =>
      failed !== null &&
      canaryPermille === 0 &&
      settledAt !== null &&
      Date.parse(settledAt) >= Date.parse(failed.endedAt),
  );
  const { promotion, version, before, state, from, to, revertedAt } = times;
  return {
    ...{ promotion, version, before, state, from: seconds(from), to: seconds(to) },
    stages: toStages(stages, begins, times, seconds),
    shares: changes.flatMap(({ settledAt, canaryPermille }): ToldShare[] => {
      const at = secondsOf(settledAt);
      return at === null ? [] : [{ at, percent: canaryPermille / 10 }];
    }),
    failedAt,
    offAt: secondsOf(off?.settledAt),
    revertedAt: revertedAt === null ? null : seconds(revertedAt),
  };
}

/** Those that were begun. One ends where it was judged, or where the next one begins. */
function toStages(
  stages: RolloutAnswer['stages'],
  begins: readonly number[],
  { to }: PromotionTimes,
  seconds: (at: number) => number,
): ToldStage[] {
  let targets = 0;
  return stages.flatMap((stage): ToldStage[] => {
    const { index, name, canaryPermille, memberCounts, analysis } = stage;
    targets += memberCounts.total;
    const begun = begins[index];
    if (begun === undefined) return [];
    const judged = analysis === null ? undefined : Date.parse(analysis.endedAt);
    const next = begins.slice(index + 1).find((at) => at !== undefined);
    const share = canaryPermille === null ? null : canaryPermille / 10;
    return [
      {
        ...{ name, targets, share, from: seconds(begun), to: seconds(judged ?? next ?? to) },
        outcome: analysis?.outcome.toLowerCase() ?? null,
        score: analysis?.score ?? null,
        reason: analysis?.reason?.message ?? null,
      },
    ];
  });
}
