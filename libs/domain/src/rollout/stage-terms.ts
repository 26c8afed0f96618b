import { DEFAULT_SOAK_SECONDS, type RolloutInputs, type WaveInput } from './rollout-inputs.ts';
import type { RolloutStage } from './rollout-layout.ts';
import type { RolloutProblem } from './rollout-problem.ts';

/** Stages and the order of exposure, or what keeps them from being found. */
export type PlacedStages =
  | { readonly ok: true; readonly order: readonly string[]; readonly stages: RolloutStage[] }
  | { readonly ok: false; readonly problems: readonly RolloutProblem[] };

/** What one stage is of its own. */
export interface StageParts extends Pick<RolloutStage, 'name' | 'from' | 'to' | 'canaryPermille'> {
  readonly index: number;
  /** As the pipeline has it; absent of what has no wave. */
  readonly wave?: WaveInput;
  /** False of what is not watched whatever the inputs say. */
  readonly isWatched?: boolean;
}

/** A stage with all that the whole rollout says of it. @param count of all targets of the step */
export function composeStage(
  inputs: RolloutInputs,
  count: number,
  { index, wave, isWatched = true, ...parts }: StageParts,
): RolloutStage {
  const soak = wave?.soakSeconds ?? inputs.soakSeconds ?? DEFAULT_SOAK_SECONDS;
  const soakSeconds = isWatched ? soak : 0;
  return {
    ...parts,
    maxParallel: maxParallelOf(inputs, count, parts.to - parts.from),
    soakSeconds,
    analyse: soakSeconds > 0 && inputs.analysis !== undefined,
    // Whether the rollout may begin at all was the gate before it.
    gate: index > 0 && inputs.gate !== false,
    pause: wave?.pause === true,
  };
}

/** So many targets may be without a working version at a time, but no more than there are. */
function maxParallelOf(inputs: RolloutInputs, count: number, size: number): number {
  const { strategy, maxUnavailable, maxUnavailablePercent: percent } = inputs;
  const own = maxUnavailable ?? (percent === undefined ? undefined : percentOf(count, percent));
  const most = own ?? (strategy === 'rolling' ? 1 : size);
  return Math.max(1, Math.min(most, size));
}

/** So many percent of a number of targets, rounded up. */
export function percentOf(count: number, percent: number): number {
  return Math.ceil((count * percent) / 100);
}
