import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { getTool } from '@sluice/infra';
import { TASK_QUEUES } from '@sluice/temporal-contract';
import type { WorkflowHandleWithFirstExecutionRunId } from '@temporalio/client';
import { bundleSources } from '../../../../test/src/workflows/bundle-workflows.ts';
import type { chain } from '../../../../test/src/workflows/chain.workflow.ts';
import {
  openWorkflowEnvironment,
  type WorkflowEnvironment,
} from '../../../../test/src/workflows/workflow-environment.ts';
import { fetchHistory } from './fetch-history.ts';
import { buildIdsOf, headOf } from './history-head.ts';
import { encodeHistory } from './history-message.ts';
import { listRuns, type WorkflowRun } from './list-runs.ts';
import { readHistoryFile } from './read-history-file.ts';

jest.setTimeout(180_000);

const CHAIN = fileURLToPath(
  new URL('../../../../test/src/workflows/chain.workflow.ts', import.meta.url),
);

let env: WorkflowEnvironment;

beforeAll(async () => {
  env = await openWorkflowEnvironment(await bundleSources(CHAIN));
});
afterAll(() => env?.close());

const newId = (): string => `promotion/acme/dev/${Date.now()}${Math.floor(Math.random() * 1e6)}`;

async function start(
  workflowId: string,
  left: number,
): Promise<WorkflowHandleWithFirstExecutionRunId<typeof chain>> {
  return env.client.workflow.start<typeof chain>('chain', {
    workflowId,
    taskQueue: TASK_QUEUES.control,
    args: [left],
    workflowIdReusePolicy: 'ALLOW_DUPLICATE',
  });
}

/** Runs work while a worker carries the workflow's tasks. */
function working<T>(work: () => Promise<T>): Promise<T> {
  return env.withWorkers({ nothing: async () => undefined }, work);
}

async function reset(workflowId: string, runId: string): Promise<string> {
  const completed = async () => {
    const { events } = await fetchHistory(env.client, { workflowId, runId });
    return events?.find((event) => event.workflowTaskCompletedEventAttributes != null);
  };
  await until(async () => (await completed()) !== undefined);
  const task = await completed();
  const answer = await env.client.workflowService.resetWorkflowExecution({
    namespace: env.namespace,
    workflowExecution: { workflowId, runId },
    reason: 'a test',
    workflowTaskFinishEventId: task?.eventId ?? null,
    requestId: randomUUID(),
  });
  return answer.runId ?? '';
}

const statusesOf = (runs: readonly WorkflowRun[]) => runs.map(({ status }) => status);

test('there are none of a workflow that the engine does not know', async () => {
  expect(await listRuns(env.client, newId())).toEqual([]);
});

test('runs that continue one another are found, oldest first', async () => {
  const workflowId = newId();
  await working(async () => {
    const handle = await start(workflowId, 2);
    // A run that continues does not hand a signal on.
    await until(async () => (await listRuns(env.client, workflowId)).length === 3);
    await env.client.workflow.getHandle(workflowId).signal('end');
    expect(await handle.result()).toBe('ended');
  });
  const runs = await listRuns(env.client, workflowId);
  expect(statusesOf(runs)).toEqual(['continued-as-new', 'continued-as-new', 'completed']);
  for (const [index, { runId, status, eventCount, startedAt, closedAt }] of runs.entries()) {
    const history = await fetchHistory(env.client, { workflowId, runId });
    const bundleDigestOf = (): undefined => undefined;
    const head = headOf({ tenantId: 'acme', workflowId, runId, history, bundleDigestOf });
    expect(head).toMatchObject({ status, eventCount, startedAt, closedAt, workflowType: 'chain' });
    const before = history.events?.[0]?.workflowExecutionStartedEventAttributes;
    expect(before?.continuedExecutionRunId || undefined).toBe(runs[index - 1]?.runId);
    expect(buildIdsOf(history)).toEqual([expect.stringMatching(/^@temporalio\/worker@/)]);
  }
});

test('a run that was reset, and the ones that came of it, are found; each has a time of its own', async () => {
  const workflowId = newId();
  const made = await working(async () => {
    const handle = await start(workflowId, 0);
    const second = await reset(workflowId, handle.firstExecutionRunId);
    const third = await reset(workflowId, second);
    const last = env.client.workflow.getHandle(workflowId, third);
    await last.signal('end');
    await last.result();
    return [handle.firstExecutionRunId, second, third];
  });
  const runs = await listRuns(env.client, workflowId);
  expect(runs.map(({ runId }) => runId)).toEqual(made);
  expect(statusesOf(runs)).toEqual(['terminated', 'terminated', 'completed']);
  const heads = await Promise.all(
    runs.map(async ({ runId }) => {
      const history = await fetchHistory(env.client, { workflowId, runId });
      const bundleDigestOf = (): undefined => undefined;
      return headOf({ tenantId: 'acme', workflowId, runId, history, bundleDigestOf });
    }),
  );
  const begun = heads.map(({ startedAt }) => startedAt);
  expect([...begun].sort()).toEqual(begun);
  expect(new Set(begun).size).toBe(3);
  expect(new Set(heads.map(({ historyDigest }) => historyDigest)).size).toBe(3);
});

test('runs that only share the id are found', async () => {
  const workflowId = newId();
  const first = await start(workflowId, 0);
  await first.terminate('a test');
  const second = await start(workflowId, 0);
  const wanted = [first.firstExecutionRunId, second.firstExecutionRunId];
  // The engine's list may be late.
  await until(async () => (await listRuns(env.client, workflowId)).length === wanted.length);
  const runs = await listRuns(env.client, workflowId);
  expect(runs.map(({ runId }) => runId)).toEqual(wanted);
  expect(statusesOf(runs)).toEqual(['terminated', 'running']);
  expect(runs[1]).toMatchObject({ closedAt: null });
  await second.terminate('a test');
});

test('a history is the same bytes however often it is fetched', async () => {
  const workflowId = newId();
  const handle = await start(workflowId, 0);
  await handle.terminate('a test');
  const run = { workflowId, runId: handle.firstExecutionRunId };
  const fetched = await Promise.all([1, 2, 3].map(() => fetchHistory(env.client, run)));
  const texts = fetched.map((history) => Buffer.from(encodeHistory(history)).toString('base64'));
  expect(new Set(texts).size).toBe(1);
});

test('a run that the engine does not know is its own refusal', async () => {
  const run = { workflowId: newId(), runId: randomUUID() };
  await expect(fetchHistory(env.client, run)).rejects.toMatchObject({ code: 5 });
});

test('what the Temporal CLI shows as JSON is read', async () => {
  const workflowId = newId();
  await working(async () => {
    const handle = await start(workflowId, 0);
    await handle.signal('end');
    await handle.result();
  });
  const { path } = await getTool('temporal');
  const where = ['--address', process.env.SLUICE_TEST_TEMPORAL_ADDRESS ?? ''];
  const { stdout } = await promisify(execFile)(path, [
    ...['workflow', 'show', '--workflow-id', workflowId, '--output', 'json'],
    ...where,
    ...['--namespace', env.namespace],
  ]);
  const { head, history } = await readHistoryFile(Buffer.from(stdout), { keys: env.codecKeys });
  expect(head).toMatchObject({ workflowId, workflowType: 'chain', status: 'completed' });
  const started = history.events?.[0]?.workflowExecutionStartedEventAttributes;
  expect(Buffer.from(started?.input?.payloads?.[0]?.data ?? []).toString()).toBe('0');
});

async function until(isThere: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 60_000;
  while (!(await isThere())) {
    if (Date.now() > deadline) throw new Error('it did not come');
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
