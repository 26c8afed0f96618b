import type { TaskQueue } from '@sluice/temporal-contract';
import type { QueueCheck } from './queue-watch.ts';
import type { StepSettings } from './worker-settings-steps.ts';

/** A capability of this machine, or what is missing for it. */
export interface Found<T> {
  readonly part: T | undefined;
  readonly missing?: string | undefined;
  /** Looks whether it is still there. */
  readonly check?: QueueCheck;
  /** Ends what was begun for it. */
  readonly close?: () => Promise<void>;
}

/** What nobody is to serve here is not looked for. */
export function isServed({ queues }: Pick<StepSettings, 'queues'>, queue: TaskQueue): boolean {
  return queues === null || queues.includes(queue);
}
