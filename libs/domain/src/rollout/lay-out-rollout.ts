import { findRolloutProblems } from './find-rollout-problems.ts';
import { layOutBlueGreen } from './lay-out-blue-green.ts';
import { layOutWaves } from './lay-out-waves.ts';
import { DEFAULT_PAUSE_SECONDS, type RolloutInputs } from './rollout-inputs.ts';
import type { RolloutLayout } from './rollout-layout.ts';
import type { RolloutProblem } from './rollout-problem.ts';
import type { PlacedStages } from './stage-terms.ts';

/** A target of the step, as the rules froze it. */
export interface RolloutTarget {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** What a rollout was laid out as, or all that keeps it from that. */
export type LaidOut =
  | {
      readonly ok: true;
      /** Names of the targets that get the release, in the order of exposure. */
      readonly order: readonly string[];
      readonly layout: RolloutLayout;
    }
  | { readonly ok: false; readonly problems: readonly RolloutProblem[] };

/**
 * Decides in which order and in which stages targets get a release. Pure and total: the same inputs and targets give the same answer.
 * @param targets of the step, in the order in which they are to be exposed; of `blue-green` within their group
 * @param isFirst nothing runs on any of the targets: there is nothing to compare a canary with, nor anybody who would take the other requests, and
 *   all of it is one stage
 * @param serving names of targets that the router sends requests to; null where that is not known, or where there is no router
 */
export function layOutRollout(
  inputs: RolloutInputs,
  targets: readonly RolloutTarget[],
  serving: readonly string[] | null,
  isFirst = false,
): LaidOut {
  const problems = findRolloutProblems(inputs);
  if (problems.length > 0) return { ok: false, problems };
  if (targets.length === 0) {
    return { ok: false, problems: [{ path: ['strategy'], message: 'There is no target.' }] };
  }
  const placed: PlacedStages =
    inputs.strategy === 'blue-green'
      ? layOutBlueGreen(inputs, targets, serving)
      : layOutWaves(inputs, targets, isFirst);
  if (!placed.ok) return placed;
  const { strategy, router = null, onFail = 'revert', onInconclusive = 'pause' } = inputs;
  const { pauseSeconds = DEFAULT_PAUSE_SECONDS } = inputs;
  const { order, stages } = placed;
  return {
    ok: true,
    order,
    layout: { strategy, stages, router, onFail, onInconclusive, pauseSeconds },
  };
}
