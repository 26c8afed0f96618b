import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import type { WorkflowProblemCode } from '@sluice/domain';
import { createLogger } from '@sluice/observability';
import {
  enqueueOutbox,
  listProblemsOf,
  type Pool,
  type WorkflowProblemRecord,
  withTenant,
} from '@sluice/persistence';
import { createScene, createTestDatabase, type TestDatabase } from '@sluice/persistence/testing';
import { FAILURES, promotionWorkflowId, TASK_QUEUES, WORKFLOWS } from '@sluice/temporal-contract';
import { ApplicationFailure } from '@temporalio/common';
import { bundleSources, editBundle } from '../../../test/src/workflows/bundle-workflows.ts';
import type { StuckMode } from '../../../test/src/workflows/stuck-first.ts';
import type { WorkflowVariant } from '../../../test/src/workflows/variants.ts';
import { startBuild } from '../../../test/src/workflows/worker-builds.ts';
import {
  openWorkflowEnvironment,
  type WorkflowEnvironment,
} from '../../../test/src/workflows/workflow-environment.ts';
import { createTemporalEngine, type Engine } from '../engine.ts';
import type { Relay } from '../outbox-relay.ts';
import { startProblemWatch } from './problem-watch.ts';

const tenant = 'acme';
const promotionId = 'dev/1';
const quick = { executeStep: async () => 'done' };
const logger = createLogger({ service: 'test', level: 'silent' });
let database: TestDatabase;
let worker: Pool;
let env: WorkflowEnvironment;
let builds: Readonly<Record<'first' | 'second', WorkflowVariant>>;
let engine: Engine;
let watch: Relay | undefined;

beforeAll(async () => {
  const entry = new URL('../../../test/src/workflows/stuck-builds.ts', import.meta.url);
  const first = await bundleSources(fileURLToPath(entry));
  const second = editBundle(first, "const BUILD = 'first';", "const BUILD = 'second';");
  builds = {
    first: { code: first.code, buildId: 'first-build', digest: '' },
    second: { code: second.code, buildId: 'second-build', digest: '' },
  };
  env = await openWorkflowEnvironment(first);
  engine = createTemporalEngine(env.client);
  database = await createTestDatabase();
  await database.addTenant(tenant);
  await createScene(database, tenant);
  worker = database.poolOf('sluice_worker');
}, 240_000);
afterEach(async () => {
  await watch?.stop();
  await engine?.terminateWorkflow(workflowId(), 'the test is over');
  await database.query('delete from sluice.workflow_problems');
  await database.query('delete from sluice.workflow_executions');
  await database.query(`delete from sluice.events where type like 'promotion.%stuck'`);
});
afterAll(async () => {
  await env?.close();
  await database?.drop();
});

test('a build that does not do what the history says is named with its event; the build before mends it', async () => {
  await withBuild('first', quick, async () => {
    await start('sleep');
    await until(async () => (await engine.describeWorkflow(workflowId())).historyLength >= 8);
  });
  await withBuild('second', quick, async () => {
    startWatch();
    await poke();
    const problem = await untilProblem('nondeterminism');
    expect(problem).toMatchObject({
      workflowId: workflowId(),
      promotionId,
      message: expect.stringContaining('is not what its history says'),
      cause: expect.stringMatching(/TMPRL1100|[Nn]ondeterminism/),
      event: expect.any(Number),
      activity: null,
    });
    expect(problem.buildId).toBe('second-build');
  });
  await withBuild('first', quick, () => untilClear());
  // While builds are exchanged on a busy machine, a task may fail for another cause: that one then stands in its place.
  const stuck = ['promotion.stuck nondeterminism', 'promotion.stuck workflow-task-failing'];
  expect([
    [...stuck.slice(0, 1), 'promotion.unstuck nondeterminism'],
    [...stuck, 'promotion.unstuck workflow-task-failing'],
  ]).toContainEqual(await told());
}, 240_000);

test('code that throws each time is named with what it throws; a build that does not throw mends it', async () => {
  await withBuild('first', quick, async () => {
    await start('throw');
    startWatch();
    expect(await untilProblem('workflow-task-failing')).toMatchObject({
      cause: expect.stringContaining('BOOM in the first build'),
      event: expect.any(Number),
      attempt: expect.any(Number),
    });
  });
  await withBuild('second', quick, () => untilClear());
  expect(await told()).toEqual([
    'promotion.stuck workflow-task-failing',
    'promotion.unstuck workflow-task-failing',
  ]);
}, 240_000);

test('an activity that fails again and again is named with its error; trying it now mends it when it works', async () => {
  let works = false;
  const executeStep = async (): Promise<string> => {
    if (!works) throw new Error('the registry says no');
    return 'done';
  };
  await withBuild('first', { executeStep }, async () => {
    await start('activity');
    startWatch();
    expect(await untilProblem('activity-failing')).toMatchObject({
      cause: expect.stringContaining('the registry says no'),
      activity: 'executeStep',
      event: null,
      message: expect.stringContaining('executeStep'),
    });
    works = true;
    await engine.retryActivities(workflowId());
    await untilClear();
  });
  expect(await told()).toEqual([
    'promotion.stuck activity-failing',
    'promotion.unstuck activity-failing',
  ]);
}, 240_000);

test('an activity that asks again and again for a report of an agent is no problem', async () => {
  let attempts = 0;
  const executeStep = async (): Promise<string> => {
    attempts += 1;
    throw ApplicationFailure.create({
      type: FAILURES.reportAwaited,
      message: 'not there yet',
      nextRetryDelay: '50ms',
    });
  };
  await withBuild('first', { executeStep }, async () => {
    await start('activity');
    startWatch();
    await until(async () => attempts > 7);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    expect(await problems()).toEqual([]);
    await engine.terminateWorkflow(workflowId(), 'the test is over');
  });
  expect(await told()).toEqual([]);
}, 240_000);

test('tasks that nobody takes are told after half a minute; a worker mends it', async () => {
  await start('sleep');
  startWatch();
  const begun = Date.now();
  expect(await untilProblem('no-worker')).toMatchObject({
    cause: null,
    message: expect.stringContaining('No worker takes the tasks'),
  });
  expect(Date.now() - begun).toBeGreaterThan(20_000);
  await withBuild('first', quick, () => untilClear());
}, 240_000);

test('a problem goes with its workflow, also when that was archived meanwhile', async () => {
  await start('sleep');
  await withTenant(worker, tenant, (tx) =>
    tx.query(
      `insert into sluice.workflow_problems (tenant_id, workflow_id, code, message, attempt)
       values ($1, $2, 'no-worker', 'nobody', 1)`,
      [tenant, workflowId()],
    ),
  );
  await database.query('update sluice.workflow_executions set archived_at = now()');
  startWatch();
  await untilClear();
}, 240_000);

/** Runs work while workers of a build serve. */
async function withBuild(
  name: 'first' | 'second',
  activities: object,
  work: () => Promise<unknown>,
): Promise<void> {
  // All that these workflows do goes over one queue.
  const running = await startBuild(env, builds[name], activities, null, [TASK_QUEUES.control]);
  try {
    await work();
  } finally {
    await running.stop();
  }
}

function workflowId(): string {
  return promotionWorkflowId(tenant, promotionId);
}

function startWatch(): void {
  watch = startProblemWatch({
    pool: database.poolOf('sluice_watchdog'),
    workerPool: worker,
    engine,
    logger,
    periodSeconds: 0.2,
  });
}

async function start(mode: StuckMode): Promise<void> {
  const body = {
    workflowId: workflowId(),
    workflowType: WORKFLOWS.promoteRelease,
    taskQueue: TASK_QUEUES.control,
    input: { mode },
    searchAttributes: { tenant },
    restart: 'after-failure' as const,
  };
  await withTenant(worker, tenant, (tx) => enqueueOutbox(tx, { kind: 'start-workflow', body }));
  expect(await engine.startWorkflow(body)).toBe('started');
}

/** Makes a task without an effect. */
async function poke(): Promise<void> {
  expect(await engine.signalWorkflow(workflowId(), 'nobody-listens', {})).toBe('sent');
}

function problems(): Promise<readonly WorkflowProblemRecord[]> {
  return withTenant(worker, tenant, (tx) => listProblemsOf(tx, [promotionId]));
}

async function untilProblem(code: WorkflowProblemCode): Promise<WorkflowProblemRecord> {
  let found: WorkflowProblemRecord | undefined;
  await until(async () => {
    found = (await problems()).find((problem) => problem.code === code);
    return found !== undefined;
  });
  return found as WorkflowProblemRecord;
}

function untilClear(): Promise<void> {
  return until(async () => (await problems()).length === 0);
}

async function told(): Promise<readonly string[]> {
  const rows = await database.query<{ told: string }>(
    `select type || ' ' || (data ->> 'code') as told from sluice.events
      where promotion_id = $1 and type like 'promotion.%stuck' order by arrival`,
    [promotionId],
  );
  return rows.map((row) => row.told);
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 110_000;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error('It did not become true within 110 s.');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
