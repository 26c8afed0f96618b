import type { CourseStep } from '@sluice/domain';

/** What a course without cancellation must come to. */
export interface SimulatedCourse {
  readonly states: Readonly<Record<string, string>>;
  readonly state: string;
}

/**
 * A model of courses that is nothing but loops over plain states: no table, no increments. Steps take no time in it, so it is one of
 * courses without `failFast`: of those nothing depends on time.
 */
export function simulateCourse({
  steps,
  broken,
}: {
  readonly steps: readonly CourseStep[];
  readonly broken: ReadonlySet<string>;
}): SimulatedCourse {
  const states = new Map(steps.map(({ id }) => [id, 'pending']));
  const byId = new Map(steps.map((step) => [step.id, step]));
  const byOwnWill = new Set<string>();
  const stateOf = (id: string): string => states.get(id) ?? 'pending';
  const isOpen = (id: string): boolean => stateOf(id) === 'pending';
  const hasFailed = (id: string): boolean => stateOf(id) === 'failed';
  const isTaken = (id: string): boolean => byId.get(id)?.continueOnFailure === true;
  const isBad = (id: string): boolean => {
    const state = stateOf(id);
    if (state === 'failed') return !isTaken(id);
    return state === 'reverted' || (state === 'skipped' && !byOwnWill.has(id));
  };
  const skip = (id: string, isOwnWill: boolean): void => {
    states.set(id, 'skipped');
    if (isOwnWill) byOwnWill.add(id);
  };
  const run = (step: CourseStep): void => {
    const match = /^steps\.(\w+)\.outcome == '(\w+)'$/.exec(step.if ?? '');
    if (match !== null && stateOf(match[1] ?? '') !== match[2]) return skip(step.id, true);
    states.set(step.id, broken.has(step.id) ? 'failed' : 'succeeded');
  };
  const repeat = (look: (step: CourseStep) => void): void => {
    for (let before = ''; before !== String([...states]); ) {
      before = String([...states]);
      for (const step of steps) if (isOpen(step.id)) look(step);
    }
  };

  // The ordinary phase.
  repeat((step) => {
    const { id, needs, when = 'success' } = step;
    if (when === 'onCancel' || (when === 'onFailure' && needs.length === 0)) return;
    // Also where one of them is bad already: what waits for the finale is decided there, with all that needs it.
    if (needs.some(isOpen)) return;
    if (when === 'success' && needs.some(isBad)) return skip(id, false);
    if (when === 'onFailure' && !needs.some((need) => isBad(need) || hasFailed(need))) {
      return skip(id, true);
    }
    run(step);
  });
  const isUnhappy = steps.some(({ id }) => isBad(id));

  // What had effects is put back.
  const undone = isUnhappy
    ? steps.filter(({ id, compensate }) => compensate === true && /succ|fail/.test(stateOf(id)))
    : [];
  const inFinale = new Set(steps.map(({ id }) => id).filter(isOpen));
  for (const { id } of undone) states.set(id, 'reverted');

  // What was to run however it ended.
  repeat((step) => {
    const { id, needs, when = 'success' } = step;
    if (when === 'success' && (isUnhappy || needs.some(isBad))) return skip(id, false);
    if (needs.some(isOpen)) return;
    if (when === 'onCancel') return skip(id, true);
    if (when === 'onFailure') {
      const isSetOff =
        needs.length === 0 ? isUnhappy : needs.some((need) => isBad(need) || hasFailed(need));
      if (!isSetOff) return skip(id, true);
    }
    run(step);
  });

  const isFailed = steps.some(({ id }) => !inFinale.has(id) && isBad(id));
  const unhappy = undone.length > 0 ? 'reverted' : 'failed';
  return { states: Object.fromEntries(states), state: isFailed ? unhappy : 'succeeded' };
}
