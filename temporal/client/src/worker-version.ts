import type { WorkerOptions } from '@temporalio/worker';

/** What the engine knows a worker's code by. */
export interface WorkerVersion {
  readonly buildId: string;
  /** The worker deployment of which the build is a version; null leaves runs unversioned. */
  readonly deployment: string | null;
}

/** The deployment that histories of the embedded mode name beside the build; nothing is routed by it. */
const EMBEDDED = 'sluice-embedded';

/**
 * The options of one worker for its version.
 *
 * Without a deployment every worker takes every run, so that the newest code goes on with what older code began: a change that a
 * recorded history would notice stands behind `patched`. With one, runs are pinned to the version that began them.
 * Workflows say nothing themselves, for what they say goes before what the worker says here.
 */
export function versionWorker({
  buildId,
  deployment,
}: WorkerVersion): Pick<WorkerOptions, 'workerDeploymentOptions'> {
  if (deployment === null) {
    return {
      workerDeploymentOptions: {
        version: { deploymentName: EMBEDDED, buildId },
        useWorkerVersioning: false,
      },
    };
  }
  return {
    workerDeploymentOptions: {
      version: { deploymentName: deployment, buildId },
      useWorkerVersioning: true,
      defaultVersioningBehavior: 'PINNED',
    },
  };
}
