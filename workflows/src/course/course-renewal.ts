import { isRollout } from '@sluice/domain';
import type { CourseState, PromoteReleaseInput, PromotionResult } from '@sluice/temporal-contract';
import { MAX_DECIDED } from '@sluice/temporal-contract';
import {
  allHandlersFinished,
  condition,
  continueAsNew,
  sleep,
  workflowInfo,
} from '@temporalio/workflow';
import type { CourseRun } from './course-run.ts';

/** Events from which on a run begins nothing new, unless the engine has asked for it before. */
const LONG_HISTORY = 8000;

/**
 * Events from which on it doesn't even while somebody waits. What waits for days holds the barrier up, and nothing would begin meanwhile:
 * so a wait, an approval or a rollout is let be until the history is as long as this, far below the engine's limit.
 */
const TOO_LONG_HISTORY = 20_000;
const TOO_LARGE_HISTORY_BYTES = 20_000_000;

/** True when nothing more is to begin in this run, so that the next one can take over. */
export function wantsRenewal({ begunHere, begun, inFlight, steps }: CourseRun): boolean {
  const { continueAsNewSuggested, historyLength, historySize } = workflowInfo();
  // A run that has begun nothing would hand over the same as it was given.
  if (begunHere === 0) return false;
  if (historyLength > TOO_LONG_HISTORY || historySize > TOO_LARGE_HISTORY_BYTES) return true;
  if (!continueAsNewSuggested && historyLength <= LONG_HISTORY) return false;
  if (inFlight.size === 0) return true;
  return ![...begun.keys()].some((id) => {
    const step = steps.get(id);
    return step?.control === true || (step !== undefined && isRollout(step.type));
  });
}

/**
 * Continues as new. Returns when that cannot be now: somebody has stopped the promotion meanwhile, and that is looked at first. All that
 * was sent is handled by then, for a task that brings more is done again; an Update that is being answered is waited for, and
 * so is the task after it, for the answer of an Update goes with the task that it came to.
 * @throws ContinueAsNew
 */
export async function renewWhenDrained(course: CourseRun): Promise<void> {
  const { run } = course;
  await condition(allHandlersFinished);
  if (run.updatedAt === workflowInfo().historyLength) await sleep(1);
  if (course.isStopped() || !allHandlersFinished()) return;
  if (run.updatedAt === workflowInfo().historyLength) return;
  const { resume: _before, ...input } = run.input;
  await continueAsNew<(input: PromoteReleaseInput) => Promise<PromotionResult>>({
    ...input,
    resume: stateOf(course),
  });
}

function stateOf(course: CourseRun): CourseState {
  const { run } = course;
  const release = course.rules.facts?.release;
  const { approval: asked } = run.status();
  return {
    ...course.state(),
    ...(release !== undefined && course.hasMadeRelease ? { release } : {}),
    fencingToken: run.fencingToken,
    leaseSought: run.leaseSought,
    effectsBegun: run.effectsBegun,
    targetsChanged: run.targetChanges > run.changesAtPlanning,
    leftMs: run.clock?.leftMs() ?? 1,
    runs: (run.input.resume?.runs ?? 0) + 1,
    ...(run.denial === undefined ? {} : { denial: run.denial }),
    ...(run.supersededBy === undefined ? {} : { supersededBy: run.supersededBy }),
    ...(asked === undefined ? {} : { asked: { ...asked, votes: asked.votes.slice(-MAX_DECIDED) } }),
    ...(run.decided.size === 0 ? {} : { decided: [...run.decided.values()].slice(-MAX_DECIDED) }),
    ...(run.steered.size === 0 ? {} : { steered: [...run.steered.values()].slice(-MAX_DECIDED) }),
  };
}
