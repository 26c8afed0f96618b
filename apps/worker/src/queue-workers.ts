import type { Logger } from '@sluice/observability';
import type { TaskQueue } from '@sluice/temporal-contract';
import { pause } from './keep-trying.ts';

/** What is needed of the engine's worker of one queue. */
export interface QueueWorker {
  /** Resolves when it was shut down, and rejects when it ended otherwise. */
  run(): Promise<void>;
  shutdown(): void;
  getState(): string;
  getStatus(): { readonly numInFlightActivities: number };
}

/** The workers of a connection. */
export interface QueueWorkersOptions {
  /** Those that were made already, by queue. */
  readonly made: ReadonlyMap<TaskQueue, QueueWorker>;
  /** The queues to serve now; looked at again and again. */
  readonly wanted: () => ReadonlySet<TaskQueue>;
  readonly create: (queue: TaskQueue) => Promise<QueueWorker>;
  readonly logger: Logger;
  readonly stopping: AbortSignal;
  /** Milliseconds between looks; 1,000 when absent. */
  readonly lookMs?: number;
}

const LOOK_MS = 1000;

/**
 * Runs a worker for each wanted queue until all is to stop, or one of them ends by itself. A queue that is wanted no more is given up as
 * soon as nothing of it runs here, so that no running activity is cut off; one that is wanted again gets a new worker.
 */
export async function runQueueWorkers(options: QueueWorkersOptions): Promise<void> {
  const { made, wanted, create, logger, stopping, lookMs = LOOK_MS } = options;
  const running = new Map<TaskQueue, QueueWorker>();
  const ends = new Set<Promise<void>>();
  const over = new AbortController();
  const shutDown = (): void => {
    over.abort();
    for (const worker of running.values()) endWorker(worker);
  };
  const begin = (queue: TaskQueue, worker: QueueWorker): void => {
    running.set(queue, worker);
    const ended = worker
      .run()
      .catch((error: unknown) => {
        logger.error({ err: error, queue }, 'a worker ended');
        // One capability missing would leave promotions waiting for it: all are made again.
        if (running.get(queue) === worker) shutDown();
      })
      .finally(() => {
        if (running.get(queue) === worker) running.delete(queue);
        ends.delete(ended);
      });
    ends.add(ended);
  };
  stopping.addEventListener('abort', shutDown);
  for (const [queue, worker] of made) begin(queue, worker);
  if (stopping.aborted) shutDown();
  while (!over.signal.aborted) {
    for (const [queue, worker] of running) {
      if (wanted().has(queue) || worker.getStatus().numInFlightActivities > 0) continue;
      running.delete(queue);
      endWorker(worker);
      logger.warn({ queue }, 'the queue is given up; other workers may serve it');
    }
    for (const queue of wanted()) {
      if (running.has(queue) || over.signal.aborted) continue;
      try {
        const worker = await create(queue);
        begin(queue, worker);
        // Stopped while it was made: nobody else would shut it down any more.
        if (over.signal.aborted) endWorker(worker);
        else logger.info({ queue }, 'the queue is served again');
      } catch (error) {
        logger.warn({ err: error, queue }, 'the queue cannot be served yet; it is tried again');
      }
    }
    await pause(lookMs, over.signal);
  }
  stopping.removeEventListener('abort', shutDown);
  while (ends.size > 0) await Promise.all(ends);
}

function endWorker(worker: QueueWorker): void {
  if (worker.getState() === 'RUNNING') worker.shutdown();
}
