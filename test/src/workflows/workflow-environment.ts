import { randomBytes, randomUUID } from 'node:crypto';
import type { PromotionKind } from '@sluice/domain';
import type { CodecKeys } from '@sluice/temporal-client';
import { createDataConverter, createTemporalClient, parseCodecKeys } from '@sluice/temporal-client';
import type { PromoteReleaseInput } from '@sluice/temporal-contract';
import { promotionWorkflowId, TASK_QUEUES, WORKFLOWS } from '@sluice/temporal-contract';
import { applyServerSettings } from '@sluice/temporal-server';
import type { Client, WorkflowHandle } from '@temporalio/client';
import type { Duration } from '@temporalio/common';
import type { WorkerOptions, WorkflowBundle } from '@temporalio/worker';
import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';

/** The tenant of every workflow that a test starts. */
export const TEST_TENANT = 'acme';

/** A namespace of its own on the real dev server, so that suites share the fixed queue names without meeting. */
export interface WorkflowEnvironment {
  readonly client: Client;
  readonly address: string;
  readonly namespace: string;
  readonly codecKeys: CodecKeys;
  /** Runs work with workers for all task queues over these activities, and stops them after it. */
  withWorkers<T>(activities: object, work: () => Promise<T>): Promise<T>;
  /** Starts workers that serve until they are ended. */
  startWorkers(activities: object, options?: WorkerChanges): Promise<StartedWorkers>;
  close(): Promise<void>;
}

/** What a test changes about its workers. */
export type WorkerChanges = Pick<WorkerOptions, 'maxCachedWorkflows' | 'shutdownForceTime'>;

/** Workers for all task queues that serve until they are ended. */
export interface StartedWorkers {
  end(): Promise<void>;
}

/**
 * Connects to the dev server that the test run started.
 * @param address of another server
 * @throws Error when there is none
 */
export async function openWorkflowEnvironment(
  bundle: WorkflowBundle,
  address = process.env.SLUICE_TEST_TEMPORAL_ADDRESS,
): Promise<WorkflowEnvironment> {
  if (address === undefined) {
    throw new Error(
      'There is no Temporal dev server: run through `npm test`, or set SLUICE_TEST_TEMPORAL_ADDRESS.',
    );
  }
  quietRuntime();
  const namespace = `test-${randomBytes(6).toString('hex')}`;
  await applyServerSettings(address, { namespace });
  const codecKeys = parseCodecKeys({
    tenants: { [TEST_TENANT]: { keyId: 'test', key: randomBytes(32).toString('base64') } },
  });
  const client = await createTemporalClient({ address, namespace, codecKeys });
  const connection = await NativeConnection.connect({ address });
  const createWorkers = (activities: object, changes: WorkerChanges = {}): Promise<Worker[]> =>
    Promise.all(
      Object.values(TASK_QUEUES).map((taskQueue) =>
        Worker.create({
          connection,
          namespace,
          taskQueue,
          activities,
          ...(taskQueue === TASK_QUEUES.control ? { workflowBundle: bundle } : {}),
          dataConverter: createDataConverter(codecKeys),
          shutdownGraceTime: '1s',
          shutdownForceTime: '10s',
          maxHeartbeatThrottleInterval: '500ms',
          ...changes,
        }),
      ),
    );
  return {
    client,
    address,
    namespace,
    codecKeys,
    withWorkers: async (activities, work) => {
      const workers = await createWorkers(activities);
      const running = Promise.all(workers.map((worker) => worker.run()));
      try {
        return await Promise.race([work(), running.then(() => never())]);
      } finally {
        for (const worker of workers) {
          if (worker.getState() === 'RUNNING') worker.shutdown();
        }
        await running;
      }
    },
    startWorkers: async (activities, changes) => {
      const workers = await createWorkers(activities, changes);
      const running = Promise.all(workers.map((worker) => worker.run()));
      // A failure is told when they are ended.
      running.catch(() => undefined);
      return {
        end: async () => {
          for (const worker of workers) {
            if (worker.getState() === 'RUNNING') worker.shutdown();
          }
          await running;
        },
      };
    },
    close: async () => {
      await client.connection.close();
      await connection.close();
    },
  };
}

let nextNumber = 0;

/** Starts a promotion of its own; the workflow's types are known by name only. */
export async function startPromotion(
  client: Client,
  releaseDigest: string,
  environment = `env-${randomUUID().slice(0, 8)}`,
  kind: PromotionKind = 'promote',
  options: { readonly workflowTaskTimeout?: Duration } = {},
): Promise<{ readonly handle: WorkflowHandle; readonly input: PromoteReleaseInput }> {
  nextNumber += 1;
  const input: PromoteReleaseInput = {
    promotion: { tenantId: TEST_TENANT, promotionId: `${environment}/${nextNumber}` },
    environment,
    releaseDigest,
    kind,
    traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  };
  const { tenantId, promotionId } = input.promotion;
  const handle = await client.workflow.start(WORKFLOWS.promoteRelease, {
    ...options,
    workflowId: promotionWorkflowId(tenantId, promotionId),
    taskQueue: TASK_QUEUES.control,
    args: [input],
  });
  return { handle, input };
}

/** The runtime is one per process; its logs are shown from warnings up when SLUICE_TEST_LOG asks for them. */
function quietRuntime(): void {
  try {
    const level = process.env.SLUICE_TEST_LOG === undefined ? 'ERROR' : 'WARN';
    Runtime.install({ logger: new DefaultLogger(level) });
  } catch (error) {
    // It was installed by an earlier suite of this process.
    if ((error as Error).name !== 'IllegalStateError') throw error;
  }
}

function never(): never {
  throw new Error('the workers ended before the work did');
}
