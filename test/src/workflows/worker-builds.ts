import { createDataConverter, versionWorker } from '@sluice/temporal-client';
import { TASK_QUEUES, type TaskQueue } from '@sluice/temporal-contract';
import type { WorkflowHandle } from '@temporalio/client';
import { NativeConnection, Worker } from '@temporalio/worker';
import type { WorkflowVariant } from './variants.ts';
import type { WorkflowEnvironment } from './workflow-environment.ts';

/** The workers of one build, as one worker process has them. */
export interface RunningBuild {
  readonly buildId: string;
  /** Lets running tasks end, then stops. */
  stop(): Promise<void>;
}

/**
 * Starts workers of a build.
 * @param deployment the worker deployment that the build is a version of; without it runs are not versioned
 * @param queues all task queues when absent
 */
export async function startBuild(
  { address, namespace, codecKeys }: WorkflowEnvironment,
  { code, buildId }: WorkflowVariant,
  activities: object,
  deployment: string | null = null,
  queues: readonly TaskQueue[] = Object.values(TASK_QUEUES),
): Promise<RunningBuild> {
  const connection = await NativeConnection.connect({ address });
  const workers = await Promise.all(
    queues.map((taskQueue) =>
      Worker.create({
        connection,
        namespace,
        taskQueue,
        activities,
        ...(taskQueue === TASK_QUEUES.control ? { workflowBundle: { code } } : {}),
        ...versionWorker({ buildId, deployment }),
        dataConverter: createDataConverter(codecKeys),
        shutdownGraceTime: '1s',
        shutdownForceTime: '10s',
        workflowThreadPoolSize: 1,
      }),
    ),
  );
  const running = Promise.all(workers.map((worker) => worker.run()));
  return {
    buildId,
    stop: async () => {
      for (const worker of workers) {
        if (worker.getState() === 'RUNNING') worker.shutdown();
      }
      await running;
      await connection.close();
    },
  };
}

/** The builds that carried a run's tasks, each once, in the order in which they came. */
export async function listBuilds(handle: WorkflowHandle): Promise<readonly string[]> {
  const { events } = await handle.fetchHistory();
  const builds = (events ?? []).flatMap(({ workflowTaskCompletedEventAttributes: completed }) => {
    const build = completed?.deploymentVersion?.buildId || completed?.workerVersion?.buildId;
    return build ? [build] : [];
  });
  return [...new Set(builds)];
}
