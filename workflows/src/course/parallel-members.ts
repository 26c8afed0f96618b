import type { CourseStep } from '@sluice/domain';
import { parseStepType } from '@sluice/domain';
import { PROCESSES } from './course-activities.ts';

/** What all steps in flight may weigh together: a step is one, a matrix as many as may run at a time. */
export const MAX_WEIGHT = 500;

/** Members that are child processes at a time: a worker runs a handful of them, and what waits in its queue only grows old. */
const MAX_PROCESSES = 8;

/** How many members of a step may run at a time. */
export function maxParallelOf({ type, matrix }: Pick<CourseStep, 'type' | 'matrix'>): number {
  const most = PROCESSES.has(parseStepType(type).type) ? MAX_PROCESSES : MAX_WEIGHT;
  return Math.min(matrix?.maxParallel ?? 1, most);
}
