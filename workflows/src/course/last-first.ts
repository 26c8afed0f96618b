import type { Course, CourseStep } from '@sluice/domain';

/** The steps of a course, each after all that need it. */
export function lastFirst({ steps }: Pick<Course, 'steps'>): readonly CourseStep[] {
  const byId = new Map(steps.map((step) => [step.id, step]));
  const order = new Map<string, CourseStep>();
  const open = new Map(steps.map(({ id, needs }) => [id, needs.length]));
  const dependents = new Map<string, string[]>();
  for (const { id, needs } of steps) {
    for (const need of needs) {
      const known = dependents.get(need);
      if (known === undefined) dependents.set(need, [id]);
      else known.push(id);
    }
  }
  const free = steps.filter(({ needs }) => needs.length === 0).map(({ id }) => id);
  for (const id of free) {
    const step = byId.get(id);
    if (step !== undefined) order.set(id, step);
    for (const dependent of dependents.get(id) ?? []) {
      const left = (open.get(dependent) ?? 0) - 1;
      open.set(dependent, left);
      if (left === 0) free.push(dependent);
    }
  }
  return [...order.values()].reverse();
}
