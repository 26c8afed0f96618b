import type { PromotionEndState } from '../promotion-state.ts';
import { classOfOutcome, isSettled, type StepStanding } from './step-outcome.ts';

/** How a pipeline ends; that all of its effects were put back makes `reverted` of it only afterwards. */
export type PipelineEnding = Exclude<PromotionEndState, 'reverted'>;

/** What stopped the whole promotion in its ordinary phase; several may have. */
export interface PipelineStops {
  readonly cancelled: boolean;
  /** By a gate or an approval. */
  readonly denied: boolean;
  readonly outOfTime: boolean;
}

/** How a pipeline ended, and what there is to show for it. Ids are in the pipeline's order. */
export interface PipelineResult {
  readonly ending: PipelineEnding;
  /** Began in the ordinary phase and are bad: what was put back is among them. */
  readonly bad: readonly string[];
  /** Failed or partial, and taken. */
  readonly tolerated: readonly string[];
  /** Skipped because of trouble. */
  readonly leftUndone: readonly string[];
  /** Bad in the finale: shown, and without weight. */
  readonly badInFinale: readonly string[];
}

/**
 * How the pipeline ended: cancelled before denied before failed before succeeded. Total: a step that is unknown or not settled says
 * nothing, so that asked before the end it tells how the pipeline would end if nothing more went wrong.
 */
export function pipelineEnding(
  steps: readonly { readonly id: string }[],
  standings: ReadonlyMap<string, StepStanding>,
  stops: PipelineStops,
): PipelineResult {
  const bad: string[] = [];
  const tolerated: string[] = [];
  const leftUndone: string[] = [];
  const badInFinale: string[] = [];
  let isFailed = stops.outOfTime;
  for (const { id } of steps) {
    const standing = standings.get(id);
    if (standing === undefined || !isSettled(standing)) continue;
    const isBad = classOfOutcome(standing) === 'bad';
    if (isBad && standing.inFinale !== true) isFailed = true;
    if (isBad && standing.state === 'skipped') leftUndone.push(id);
    else if (isBad) (standing.inFinale === true ? badInFinale : bad).push(id);
    else if (standing.state === 'failed' || standing.state === 'partial') tolerated.push(id);
  }
  return { ending: endingOf(stops, isFailed), bad, tolerated, leftUndone, badInFinale };
}

function endingOf(stops: PipelineStops, isFailed: boolean): PipelineEnding {
  if (stops.cancelled) return 'cancelled';
  if (stops.denied) return 'denied';
  return isFailed ? 'failed' : 'succeeded';
}
