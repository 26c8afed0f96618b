import type { CourseStep } from '@sluice/domain';
import { isProcess } from './step-queue.ts';

/** What all steps in flight may weigh together: a step is one, a matrix as many as may run at a time. */
export const MAX_WEIGHT = 500;

/** Members that are child processes at a time: a worker runs a handful of them, and what waits in its queue only grows old. */
const MAX_PROCESSES = 8;

/** How many members of a step may run at a time. */
export function maxParallelOf(step: Pick<CourseStep, 'type' | 'queue' | 'matrix'>): number {
  const most = isProcess(step) ? MAX_PROCESSES : MAX_WEIGHT;
  return Math.min(step.matrix?.maxParallel ?? 1, most);
}
