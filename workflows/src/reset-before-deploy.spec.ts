import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type {
  CancelPromotionSignal,
  FrozenRules,
  PromotionResult,
} from '@sluice/temporal-contract';
import { FAILURES } from '@sluice/temporal-contract';
import { Context } from '@temporalio/activity';
import type { WorkflowHandle } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { bundleSources } from '../../test/src/workflows/bundle-workflows.ts';
import { createFakeActivities, unsuccessful } from '../../test/src/workflows/fake-activities.ts';
import type { FakeRecords } from '../../test/src/workflows/fake-records.ts';
import { composeRules } from '../../test/src/workflows/fake-rules.ts';
import { createPoint } from '../../test/src/workflows/waiting.ts';
import type { WorkflowEnvironment } from '../../test/src/workflows/workflow-environment.ts';
import {
  openWorkflowEnvironment,
  startPromotion,
} from '../../test/src/workflows/workflow-environment.ts';

let env: WorkflowEnvironment;

beforeAll(async () => {
  env = await openWorkflowEnvironment(await bundleSources());
}, 120_000);
afterAll(() => env?.close());

type SecondFreeze = (handle: WorkflowHandle, rules: FrozenRules) => Promise<FrozenRules>;

const cancel: SecondFreeze = async (handle, rules) => {
  const fact: CancelPromotionSignal = { requestedBy: 'principal:mia', reason: 'wrong release' };
  await handle.signal('cancelPromotion', fact);
  return rules;
};

const loseRules: SecondFreeze = async () => {
  throw ApplicationFailure.nonRetryable('the rules are gone', FAILURES.notFound);
};

/** Deploys everywhere, waits in verify, is reset to its first task, and ends before it deploys again. */
async function resetAfterDeploy(
  second: SecondFreeze,
  revert: 'succeeded' | 'failed' = 'succeeded',
): Promise<{ readonly result: PromotionResult; readonly records: FakeRecords }> {
  const rules = composeRules({ form: 2, kind: 'promote' });
  const { reached, reach } = createPoint();
  let handle: WorkflowHandle | undefined;
  let freezes = 0;
  const { activities, records } = createFakeActivities({
    rules,
    steps: {
      verify: async () => {
        reach();
        const beat = setInterval(() => Context.current().heartbeat(), 100);
        return Context.current().cancelled.finally(() => clearInterval(beat));
      },
    },
    ...(revert === 'failed' ? { revert: async () => unsuccessful('failed', 'agent-silent') } : {}),
  });
  const freezeRules = async (input: Parameters<typeof activities.freezeRules>[0]) => {
    freezes += 1;
    const frozen = await activities.freezeRules(input);
    return freezes === 1 || handle === undefined ? frozen : second(handle, frozen);
  };
  return env.withWorkers({ ...activities, freezeRules }, async () => {
    const started = await startPromotion(env.client, rules.releaseDigest);
    await reached;
    handle = env.client.workflow.getHandle(started.handle.workflowId);
    await resetToFirstTask(handle);
    const result = (await handle.result()) as PromotionResult;
    return { result, records };
  });
}

async function resetToFirstTask(handle: WorkflowHandle): Promise<void> {
  const { events } = await handle.fetchHistory();
  const task = events?.find((event) => event.workflowTaskCompletedEventAttributes != null);
  await env.client.workflowService.resetWorkflowExecution({
    namespace: env.namespace,
    workflowExecution: { workflowId: handle.workflowId, runId: (await handle.describe()).runId },
    reason: 'a test',
    workflowTaskFinishEventId: task?.eventId ?? null,
    requestId: randomUUID(),
  });
}

function reverted(): readonly string[] {
  return composeRules()
    .targets.map((target) => `revert ${target} succeeded`)
    .sort();
}

test('a cancellation that stands after a reset puts back what the run before it has deployed', async () => {
  const { result, records } = await resetAfterDeploy(cancel);
  expect(result).toMatchObject({
    state: 'cancelled',
    reason: { code: 'promotion-cancelled' },
    packetDigest: expect.stringMatching(/^sha256:/),
  });
  expect(records.journal.filter((line) => line.startsWith('revert')).sort()).toEqual(reverted());
  expect([...records.seals]).toEqual(['cancelled promotion-cancelled']);
  expect(records.endState()).toMatchObject({
    promotion: 'cancelled',
    steps: { deploy: 'reverted' },
    leaseHolder: undefined,
  });
}, 60_000);

test('so does a failure before its rules are there: it ends as reverted', async () => {
  const { result, records } = await resetAfterDeploy(loseRules);
  expect(result).toMatchObject({ state: 'reverted', reason: { code: 'not-found' } });
  expect(records.journal.filter((line) => line.startsWith('revert')).sort()).toEqual(reverted());
  expect(records.sealed?.state).toBe('reverted');
  expect(records.lease.holder).toBeUndefined();
}, 60_000);

test('a target that cannot be put back makes the promotion failed', async () => {
  const { result, records } = await resetAfterDeploy(cancel, 'failed');
  expect(result).toMatchObject({ state: 'failed', reason: { code: 'revert-failed' } });
  expect(records.sealed).toEqual({ state: 'failed', code: 'revert-failed' });
}, 60_000);
