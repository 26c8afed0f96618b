import type { ActivitiesByQueue } from '@sluice/activities';
import type { Logger } from '@sluice/observability';
import {
  type CodecKeys,
  createDataConverter,
  type SpanSink,
  traceWorker,
  versionWorker,
  type WorkerVersion,
} from '@sluice/temporal-client';
import { TASK_QUEUES, type TaskQueue } from '@sluice/temporal-contract';
import {
  NativeConnection,
  Worker,
  type WorkerOptions,
  type WorkflowBundleOption,
} from '@temporalio/worker';
import { keepTrying, pause } from './keep-trying.ts';
import { runQueueWorkers } from './queue-workers.ts';

/** What the workers are made of. */
export interface EngineWorkersOptions {
  readonly address: string;
  readonly namespace: string;
  readonly codecKeys: CodecKeys;
  readonly activities: ActivitiesByQueue;
  /** Served here, the others are left to other workers; all when absent. */
  readonly queues?: readonly TaskQueue[];
  /** How many activities of a queue run here at a time, where it is not the usual number. */
  readonly atOnce?: Readonly<Partial<Record<TaskQueue, number>>>;
  readonly workflowBundle: WorkflowBundleOption;
  /** Which build this is, and whether runs are pinned to it. */
  readonly version: WorkerVersion;
  /** Where spans of workflows go; without it neither workflows nor activities are traced. */
  readonly tracing?: SpanSink | undefined;
  readonly logger: Logger;
  /** Told when all workers poll, and when they stopped doing so. */
  readonly onState: (state: 'running' | 'connecting') => void;
}

/** Running workers. */
export interface EngineWorkers {
  /** Resolves when all workers poll for the first time. */
  readonly started: Promise<void>;
  /** Serves these queues from now on. One that is left out is given up when nothing of it runs here. */
  serve(queues: readonly TaskQueue[]): void;
  /** Lets running tasks end, then stops. */
  stop(): Promise<void>;
}

/**
 * Activities at once on this worker, whatever promotion, tenant, matrix or compensation they belong to: no pipeline can have more of a queue. A
 * scan costs a process and its memory.
 */
export const CONCURRENT_ACTIVITIES: Readonly<Record<TaskQueue, number>> = {
  [TASK_QUEUES.control]: 50,
  [TASK_QUEUES.scan]: 2,
  [TASK_QUEUES.gate]: 10,
  [TASK_QUEUES.deploy]: 50,
  [TASK_QUEUES.verify]: 50,
  [TASK_QUEUES.build]: 2,
  [TASK_QUEUES.script]: 4,
  // A soak holds its place as long as it lasts, and costs next to nothing meanwhile.
  [TASK_QUEUES.outbound]: 200,
};

/** Each poller holds a call open; five keep up with the engine here. */
const ACTIVITY_POLLERS = 5;

/** Activities may send heartbeats this often, not more. */
const HEARTBEAT_THROTTLE = '2s';

const RESTART_PAUSE_MS = 1000;

/**
 * Runs one worker per task queue. An engine that is away for a moment is waited for by the workers themselves;
 * when they give up, they are made again, for as long as the process lives.
 */
export function runEngineWorkers(options: EngineWorkersOptions): EngineWorkers {
  const { logger } = options;
  const stopping = new AbortController();
  let announce: () => void = () => undefined;
  const started = new Promise<void>((resolve) => {
    announce = resolve;
  });
  let queues: ReadonlySet<TaskQueue> = new Set(options.queues ?? Object.values(TASK_QUEUES));
  const running = (async () => {
    while (!stopping.signal.aborted) {
      const made = await keepTrying(
        `connect to Temporal at ${options.address}`,
        () => makeWorkers(options, queues),
        logger,
        stopping.signal,
      );
      if (made === undefined) return;
      // Stopped while they were made: nobody would shut them down any more.
      if (stopping.signal.aborted) return;
      options.onState('running');
      announce();
      const { connection, workers } = made;
      await runQueueWorkers({
        made: workers,
        wanted: () => queues,
        create: (queue) => Worker.create(workerOptions(options, connection, queue)),
        logger,
        stopping: stopping.signal,
      });
      await connection.close().catch((error: unknown) => {
        logger.warn({ err: error }, 'the connection to Temporal did not close well');
      });
      options.onState('connecting');
      await pause(RESTART_PAUSE_MS, stopping.signal);
    }
  })();
  return {
    started,
    serve: (wanted) => {
      queues = new Set(wanted);
    },
    stop: async () => {
      stopping.abort();
      await running;
    },
  };
}

interface MadeWorkers {
  readonly connection: NativeConnection;
  readonly workers: ReadonlyMap<TaskQueue, Worker>;
}

async function makeWorkers(
  options: EngineWorkersOptions,
  queues: ReadonlySet<TaskQueue>,
): Promise<MadeWorkers> {
  const connection = await NativeConnection.connect({ address: options.address });
  try {
    const workers = new Map<TaskQueue, Worker>();
    for (const queue of queues) {
      workers.set(queue, await Worker.create(workerOptions(options, connection, queue)));
    }
    return { connection, workers };
  } catch (error) {
    await connection.close();
    throw error;
  }
}

/** How the engine's worker of one queue is made. */
export function workerOptions(
  options: EngineWorkersOptions,
  connection: NativeConnection,
  taskQueue: TaskQueue,
): WorkerOptions {
  const isControl = taskQueue === TASK_QUEUES.control;
  const atOnce = options.atOnce?.[taskQueue] ?? CONCURRENT_ACTIVITIES[taskQueue];
  return {
    connection,
    namespace: options.namespace,
    taskQueue,
    dataConverter: createDataConverter(options.codecKeys),
    // The same for every queue: a pinned run's activities go to its own version only where their queue belongs to it.
    ...versionWorker(options.version),
    activities: options.activities[taskQueue],
    ...traceWorker(options.tracing),
    maxConcurrentActivityTaskExecutions: atOnce,
    maxConcurrentActivityTaskPolls: Math.min(ACTIVITY_POLLERS, atOnce),
    // A cancellation comes back with a heartbeat: by default they are sent so seldom that a scan runs on for 16 s.
    maxHeartbeatThrottleInterval: HEARTBEAT_THROTTLE,
    defaultHeartbeatThrottleInterval: HEARTBEAT_THROTTLE,
    shutdownGraceTime: '5s',
    shutdownForceTime: '15s',
    ...(isControl ? { workflowBundle: options.workflowBundle } : {}),
  };
}
