import type { Logger } from '@sluice/observability';
import type { TaskQueue } from '@sluice/temporal-contract';
import { pause } from './keep-trying.ts';

/** Looks whether a queue can be served: what is missing, or undefined. The signal says that nobody wants to know any more. */
export type QueueCheck = (signal: AbortSignal) => Promise<string | undefined>;

/** A watch over what queues need of this machine. */
export interface QueueWatch {
  /**
   * Looks at a queue at once: something of it failed for want of what it needs.
   * @returns what it lacks now; undefined where it lacks nothing, is not watched, or the watch has stopped
   */
  look(queue: TaskQueue): Promise<string | undefined>;
  /** Ends the looks that run, and waits for them, but not long. */
  stop(): Promise<void>;
}

/** How queues are watched. */
export interface QueueWatchOptions {
  /** Those that are served now, and how each is looked at. */
  readonly checks: ReadonlyMap<TaskQueue, QueueCheck>;
  readonly logger: Logger;
  /** Told when it changes what a queue lacks: what it is now, or undefined when it has all again. */
  readonly onChange: (queue: TaskQueue, missing: string | undefined) => void;
  /** Milliseconds between looks; a minute when absent. */
  readonly periodMs?: number;
  /** Milliseconds for a look that runs to end when all is to stop; 5,000 when absent. */
  readonly endMs?: number;
}

const PERIOD_MS = 60_000;
const END_MS = 5000;

/**
 * Looks now and then, and when something failed, whether this machine still has what its queues need: bubblewrap is removed, a setting of the kernel
 * changes, a store's disk is full. A look that fails itself is a queue that lacks something.
 */
export function watchQueues(options: QueueWatchOptions): QueueWatch {
  const { checks, logger, onChange, periodMs = PERIOD_MS, endMs = END_MS } = options;
  const missing = new Map<TaskQueue, string>();
  const looks = new Map<TaskQueue, Promise<string | undefined>>();
  const stopping = new AbortController();
  const { signal } = stopping;
  const examine = async (queue: TaskQueue, check: QueueCheck): Promise<string | undefined> => {
    const found = await check(signal).catch((error: unknown) => (error as Error).message);
    if (signal.aborted) return undefined;
    if (found === missing.get(queue)) return found;
    if (found === undefined) {
      missing.delete(queue);
      logger.info({ queue }, 'this machine has what the queue needs again');
    } else {
      missing.set(queue, found);
      logger.error({ queue }, `the queue cannot be served here any more: ${found}`);
    }
    onChange(queue, found);
    return found;
  };
  const begin = async (queue: TaskQueue): Promise<string | undefined> => {
    const check = checks.get(queue);
    if (signal.aborted || check === undefined) return undefined;
    const running = looks.get(queue) ?? examine(queue, check).finally(() => looks.delete(queue));
    looks.set(queue, running);
    return running;
  };
  // One that runs already may have looked before what failed has failed.
  const look = async (queue: TaskQueue): Promise<string | undefined> => {
    const running = looks.get(queue);
    return running === undefined ? begin(queue) : running.then(() => begin(queue));
  };
  const timer = setInterval(() => {
    for (const queue of checks.keys()) void begin(queue);
  }, periodMs);
  return {
    look,
    stop: async () => {
      stopping.abort(new Error('The worker stops.'));
      clearInterval(timer);
      const ended = new AbortController();
      const all = Promise.all(looks.values()).then(() => ended.abort());
      await Promise.race([all, pause(endMs, ended.signal)]);
    },
  };
}
