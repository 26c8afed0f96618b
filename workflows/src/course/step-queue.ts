import type { CourseStep } from '@sluice/domain';
import { parseStepType } from '@sluice/domain';
import {
  LEGACY_STEP_QUEUES,
  TASK_QUEUES,
  type TaskQueue,
  taskQueueOf,
} from '@sluice/temporal-contract';

/** What says where a step is executed. */
export type QueuedStep = Pick<CourseStep, 'type' | 'queue'>;

/** Queues whose steps are child processes: such a step has ended when its process group has. */
const PROCESS_QUEUES: ReadonlySet<TaskQueue | undefined> = new Set([
  TASK_QUEUES.scan,
  TASK_QUEUES.build,
  TASK_QUEUES.script,
]);

/**
 * The queue that the course froze for a step, whatever its type: this code knows no list of types. A course from before queues were frozen
 * has the one that its type had then.
 * @returns undefined for a type of such a course that had none: nothing could ever run it
 */
export function findQueue({ type, queue }: QueuedStep): TaskQueue | undefined {
  return queue === undefined ? LEGACY_STEP_QUEUES[parseStepType(type).type] : taskQueueOf(queue);
}

/** {@link findQueue} of a step that has one: those without were refused before anything began. */
export function queueOf(step: QueuedStep): TaskQueue {
  return findQueue(step) ?? TASK_QUEUES.control;
}

/** True for a step that is a child process. */
export function isProcess(step: QueuedStep): boolean {
  return PROCESS_QUEUES.has(findQueue(step));
}
