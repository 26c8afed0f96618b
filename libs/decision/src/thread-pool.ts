import { Worker } from 'node:worker_threads';
import { DecisionError } from './decision-error.ts';

/** How long a thread may take to load the policy. */
const START_MS = 15_000;

/** More evaluations than this waiting for a thread are refused. */
const MAX_QUEUE = 1000;

/** Threads that evaluate; one evaluation a thread at a time. */
export interface ThreadPool {
  /**
   * Evaluates in a free thread. The deadline counts from the thread's start on this evaluation; a thread that
   * runs past it is ended and replaced.
   * @param input JSON text
   * @throws DecisionError `decision-deadline`, `policy-failed`, `decision-engine-busy`, `decision-engine-closed`
   */
  run(input: string, deadlineMs: number): Promise<unknown>;
  /** Ends all threads; what runs or waits fails with `decision-engine-closed`. */
  close(): Promise<void>;
}

interface Job {
  readonly input: string;
  readonly deadlineMs: number;
  settle(outcome: { readonly result: unknown } | { readonly error: DecisionError }): void;
}

interface Thread {
  readonly worker: Worker;
  isReady: boolean;
  job: Job | undefined;
  timer: NodeJS.Timeout | undefined;
}

/** A pool whose threads start when they are first needed. */
export function createThreadPool(options: {
  readonly script: URL;
  readonly size: number;
  readonly data: Readonly<Record<string, unknown>>;
}): ThreadPool {
  const threads = new Set<Thread>();
  const queue: Job[] = [];
  let isClosed = false;
  let sequence = 0;

  function next(): void {
    if (isClosed || queue.length === 0) return;
    const idle = [...threads].find((thread) => thread.isReady && thread.job === undefined);
    if (idle !== undefined) return assign(idle, queue.shift() as Job);
    const starting = [...threads].filter(({ isReady }) => !isReady).length;
    if (threads.size < options.size && starting < queue.length) start();
  }

  function assign(thread: Thread, job: Job): void {
    sequence += 1;
    thread.job = job;
    thread.worker.ref();
    thread.timer = setTimeout(() => {
      const what = `The policy did not answer within ${job.deadlineMs} ms; its thread was ended.`;
      discard(thread, new DecisionError('decision-deadline', what));
    }, job.deadlineMs);
    thread.worker.postMessage({ id: sequence, input: job.input });
    next();
  }

  function start(): void {
    const worker = new Worker(options.script, {
      workerData: options.data,
      env: {},
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: 256 },
    });
    const thread: Thread = { worker, isReady: false, job: undefined, timer: undefined };
    threads.add(thread);
    const fail = (cause: unknown): void => {
      const what =
        cause instanceof Object && 'message' in cause ? String(cause.message) : 'it ended';
      const error = new DecisionError(
        'policy-failed',
        `The policy's thread failed: ${what}.`,
        cause,
      );
      // A thread that cannot even start would be started for ever: whoever waits is told.
      if (!thread.isReady) for (const job of queue.splice(0)) job.settle({ error });
      discard(thread, error);
    };
    thread.timer = setTimeout(() => fail(new Error(`not started in ${START_MS} ms`)), START_MS);
    worker.on('error', fail);
    worker.on('exit', (code) => fail(new Error(`it ended with status ${code}`)));
    worker.on('message', (message: { ready?: true; result?: unknown; error?: string }) => {
      clearTimeout(thread.timer);
      const { job } = thread;
      thread.isReady = true;
      thread.job = undefined;
      worker.unref();
      if (job !== undefined && message.error !== undefined) {
        const what = `The policy could not be evaluated: ${message.error}.`;
        job.settle({ error: new DecisionError('policy-failed', what) });
      } else {
        job?.settle({ result: message.result });
      }
      next();
    });
    next();
  }

  function discard(thread: Thread, error: DecisionError): void {
    if (!threads.delete(thread)) return;
    clearTimeout(thread.timer);
    thread.job?.settle({ error });
    void thread.worker.terminate();
    next();
  }

  return {
    run(input, deadlineMs) {
      return new Promise((resolve, reject) => {
        if (isClosed) return reject(closed());
        if (queue.length >= MAX_QUEUE) {
          const what = `${MAX_QUEUE} evaluations are waiting already; try again later.`;
          return reject(new DecisionError('decision-engine-busy', what));
        }
        const settle: Job['settle'] = (outcome) => {
          if ('error' in outcome) reject(outcome.error);
          else resolve(outcome.result);
        };
        queue.push({ input, deadlineMs, settle });
        next();
      });
    },
    async close() {
      isClosed = true;
      for (const job of queue.splice(0)) job.settle({ error: closed() });
      const ending = [...threads].map(({ worker }) => worker);
      for (const thread of [...threads]) discard(thread, closed());
      await Promise.all(ending.map((worker) => worker.terminate()));
    },
  };
}

function closed(): DecisionError {
  return new DecisionError('decision-engine-closed', 'The decision engine was closed.');
}
