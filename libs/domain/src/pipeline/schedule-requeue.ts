import type { Refusal } from '../domain-error.ts';
import type { ScheduleState } from './schedule-state.ts';
import { classOfOutcome, isSettled, PENDING_STEP } from './step-outcome.ts';

/** A step that goes back to pending: its id, or with it what is known of a step that runs. */
export type RequeuedStep =
  | string
  | {
      readonly id: string;
      /** False when the running step surely changed nothing, and will not: true when absent. Of a settled step its settlement said it. */
      readonly hadEffects?: boolean;
    };

/**
 * Why these steps cannot go back to pending, or null when they can: `requeue-too-late` once the run was stopped or its ordinary phase is
 * over, `requeue-of-ended` for a step that ended badly, `requeue-of-effects` for one whose effects would be put back, or would be if it
 * ended now, `requeue-incomplete` when a step that needs one of them has begun or is settled, and is not among them.
 * @throws DomainError `step-unknown`
 */
export function obstacleToRequeue(
  state: ScheduleState,
  steps: readonly RequeuedStep[],
): Refusal | null {
  const indexes = new Set(steps.map((step) => state.indexOf(idOf(step))));
  const withoutEffects = new Set(
    steps.filter(isWithoutEffects).map((step) => state.indexOf(idOf(step))),
  );
  if (state.phase !== 'ordinary' || state.isStopped) {
    return {
      code: 'requeue-too-late',
      message: `Nothing goes back to pending in phase ${state.phase} with trouble "${state.trouble}": let the promotion end, then promote again.`,
    };
  }
  const withEffects = new Set(state.effects);
  for (const index of indexes) {
    const { id, dependents, compensate } = state.node(index);
    const standing = state.standings[index] ?? PENDING_STEP;
    const isBad = isSettled(standing) && classOfOutcome(standing) === 'bad';
    if (isBad && standing.state !== 'skipped') {
      return {
        code: 'requeue-of-ended',
        message: `Step ${id} is ${standing.state} and stays so: promote again.`,
      };
    }
    if (withEffects.has(index)) {
      return {
        code: 'requeue-of-effects',
        message: `Step ${id} is ${standing.state} and has had effects, which must not be forgotten: promote again.`,
      };
    }
    if (compensate && state.running.has(index) && !withoutEffects.has(index)) {
      return {
        code: 'requeue-of-effects',
        message: `Step ${id} runs, and what it has done by now would be forgotten: send it back with hadEffects: false when it surely did nothing, or let it end.`,
      };
    }
    const left = dependents.find(
      (dependent) => !indexes.has(dependent) && state.standings[dependent]?.state !== 'pending',
    );
    if (left !== undefined) {
      return {
        code: 'requeue-incomplete',
        message: `Step ${state.node(left).id} needs ${id} and is ${state.standings[left]?.state}: send it back too.`,
      };
    }
  }
  return null;
}

/** Begins the next round with these steps pending; nothing may stand in the way. */
export function sendBack(state: ScheduleState, steps: readonly RequeuedStep[]): void {
  state.round += 1;
  for (const step of steps) {
    const index = state.indexOf(idOf(step));
    state.requeued.set(index, state.round);
    state.stand(index, PENDING_STEP);
  }
}

function idOf(step: RequeuedStep): string {
  return typeof step === 'string' ? step : step.id;
}

function isWithoutEffects(step: RequeuedStep): boolean {
  return typeof step !== 'string' && step.hadEffects === false;
}
