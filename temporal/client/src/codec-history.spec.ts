import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { PromotionResult } from '@sluice/temporal-contract';
import { TASK_QUEUES, WORKFLOWS } from '@sluice/temporal-contract';
import { CompleteAsyncError, Context } from '@temporalio/activity';
import type { Payload } from '@temporalio/common';
import { ApplicationFailure } from '@temporalio/common';
import proto from '@temporalio/proto';
import { bundleSources } from '../../../test/src/workflows/bundle-workflows.ts';
import {
  createFakeActivities,
  succeeded,
  unsuccessful,
} from '../../../test/src/workflows/fake-activities.ts';
import { composeRules } from '../../../test/src/workflows/fake-rules.ts';
import type { WorkflowEnvironment } from '../../../test/src/workflows/workflow-environment.ts';
import {
  openWorkflowEnvironment,
  startPromotion,
} from '../../../test/src/workflows/workflow-environment.ts';
import { CODEC_ENCODING } from './payload-codec.ts';

/** Stands in everything that a promotion is given, gives, or fails with. */
const MARKER = 'MARKER-9f41c7';
const { History } = proto.temporal.api.history.v1;

let env: WorkflowEnvironment;

beforeAll(async () => {
  env = await openWorkflowEnvironment(await bundleSources());
});
afterAll(() => env.close());

async function storedHistory(workflowId: string): Promise<proto.temporal.api.history.v1.IHistory> {
  const answer = await env.client.workflowService.getWorkflowExecutionHistory({
    namespace: env.namespace,
    execution: { workflowId },
    maximumPageSize: 1000,
  });
  if (answer.history == null) throw new Error(`no history of ${workflowId}`);
  return answer.history;
}

/** Every payload in a message, but for search attributes and headers, which are plain by design. */
function payloadsIn(value: unknown): readonly Payload[] {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return [];
  const { metadata, data } = value as Payload;
  if (metadata != null && data !== undefined) return [value as Payload];
  return Object.entries(value)
    .filter(([name]) => name !== 'searchAttributes' && name !== 'header')
    .flatMap(([, member]) => payloadsIn(member));
}

test('nothing that a promotion is given, gives or fails with stands in its history as plain text', async () => {
  let attempts = 0;
  const rules = composeRules({ policyDigest: MARKER, targets: ['host-1'] });
  const { activities } = createFakeActivities({
    rules,
    steps: {
      // A failure that is retried, one heartbeat with details, then a result.
      scan: async () => {
        Context.current().heartbeat({ found: MARKER });
        attempts += 1;
        if (attempts === 1) throw ApplicationFailure.retryable(MARKER, 'Unavailable');
        return { ...succeeded('scan'), outputs: { report: MARKER } };
      },
      gate: async () => succeeded(MARKER),
      // Completed by its id from outside, as the agent's report does it.
      deploy: async () => {
        const { workflowExecution, activityId } = Context.current().info;
        if (workflowExecution === undefined) throw new Error('no workflow');
        const { workflowId, runId } = workflowExecution;
        setTimeout(() => {
          void env.client.activity.complete(
            { workflowId, runId, activityId },
            { ...succeeded('deploy'), outputs: { plan: MARKER } },
          );
        }, 200);
        throw new CompleteAsyncError();
      },
      verify: async () => {
        throw ApplicationFailure.nonRetryable(MARKER, 'Integrity', { details: MARKER });
      },
    },
    revert: async () => unsuccessful('failed', MARKER),
  });
  const { workflowId, result } = await env.withWorkers(activities, async () => {
    const { handle } = await startPromotion(env.client, rules.releaseDigest);
    await handle.signal('leaseGranted', { resource: MARKER, fencingToken: 1 });
    return { workflowId: handle.workflowId, result: (await handle.result()) as PromotionResult };
  });
  // It was there: the parties understood each other.
  expect(result.reason?.message).toContain(MARKER);

  const history = await storedHistory(workflowId);
  const bytes = Buffer.from(History.encode(history).finish());
  for (const secret of [MARKER, 'traceparent', 'promotion-cancelled', 'at executeStep']) {
    expect({ secret, isStored: bytes.includes(secret) }).toEqual({ secret, isStored: false });
  }
  const payloads = payloadsIn(history);
  expect(payloads.length).toBeGreaterThan(20);
  const encodings = payloads.map(({ metadata }) => Buffer.from(metadata?.encoding ?? []));
  expect(new Set(encodings.map((encoding) => encoding.toString()))).toEqual(
    new Set([CODEC_ENCODING]),
  );
});

test.each([
  ['of a tenant without a key', 'promotion/stranger/dev/1', 'codec-key-missing'],
  ['whose id names no tenant', 'some-workflow', 'codec-tenant-unknown'],
])('a workflow %s is not started', async (_what, workflowId, code) => {
  const started = env.client.workflow.start(WORKFLOWS.promoteRelease, {
    workflowId,
    taskQueue: TASK_QUEUES.control,
    args: [{}],
  });
  await expect(started).rejects.toMatchObject({ code });
  await expect(storedHistory(workflowId)).rejects.toThrow(/not found/i);
});
