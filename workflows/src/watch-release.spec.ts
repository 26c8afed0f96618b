import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createDataConverter } from '@sluice/temporal-client';
import type {
  WatchActivities,
  WatchEnd,
  WatchReleaseInput,
  WatchResult,
} from '@sluice/temporal-contract';
import { FAILURES, TASK_QUEUES, WORKFLOWS, watchWorkflowId } from '@sluice/temporal-contract';
import { Context } from '@temporalio/activity';
import type { WorkflowHandle } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { Worker, type WorkflowBundle } from '@temporalio/worker';
import { bundleSources } from '../../test/src/workflows/bundle-workflows.ts';
import { type ActivityFault, injectFault } from '../../test/src/workflows/fault-injection.ts';
import type {
  StartedWorkers,
  WorkflowEnvironment,
} from '../../test/src/workflows/workflow-environment.ts';
import {
  openWorkflowEnvironment,
  TEST_TENANT,
} from '../../test/src/workflows/workflow-environment.ts';

let bundle: WorkflowBundle;
let env: WorkflowEnvironment;
let workers: StartedWorkers;
/** By promotion. */
const watched = new Map<string, WatchActivities>();
const routed: WatchActivities = {
  lookAtRelease: async (input) => of(input).lookAtRelease(input),
  closeWatch: async (input) => of(input).closeWatch(input),
};

beforeAll(async () => {
  bundle = await bundleSources();
  env = await openWorkflowEnvironment(bundle);
  workers = await env.startWorkers(routed);
}, 120_000);
afterAll(async () => {
  await workers?.end();
  await env?.close();
});

test('it looks shift after shift and ends once; its history replays', async () => {
  const { activities, ends } = fakes(['again', 'again', 'over']);
  const handle = await start(activities);
  expect(await handle.result()).toEqual({ state: 'held', reason: null, rollbackId: null });
  expect(ends).toEqual(['over']);
  const history = await handle.fetchHistory();
  await Worker.runReplayHistory(
    { workflowBundle: bundle, dataConverter: createDataConverter(env.codecKeys) },
    history,
    handle.workflowId,
  );
});

test('an alarm that cannot be raised now is looked for again', async () => {
  const { activities, ends } = fakes(['alarm', 'alarm'], 1);
  expect(await (await start(activities)).result()).toMatchObject({ state: 'alarmed' });
  expect(ends).toEqual(['not now', 'alarm']);
});

const FAULTS: readonly ActivityFault[] = [
  ...(['lookAtRelease 1', 'lookAtRelease 2', 'closeWatch 1'] as const).flatMap((call) => [
    { kind: 'fail' as const, call, when: 'before' as const },
    { kind: 'fail' as const, call, when: 'after' as const },
  ]),
  { kind: 'twice' },
];

test('each call may fail once, before or after its effect, or be made twice', async () => {
  const results = await Promise.all(
    FAULTS.map(async (fault) => {
      const { activities, ends } = fakes(['again', 'alarm']);
      const handle = await start(injectFault(activities, fault).activities);
      return [await handle.result(), ends] as const;
    }),
  );
  for (const [result, ends] of results) {
    expect(result).toMatchObject({ state: 'alarmed', rollbackId: 'dev/9' });
    expect(ends).toEqual(['alarm']);
  }
});

test('a failure that no retry mends, and a cancellation, end it as failed', async () => {
  const broken = fakes([]);
  const lost = { ...broken.activities, lookAtRelease: () => Promise.reject(gone()) };
  expect(await (await start(lost)).result()).toMatchObject({
    state: 'failed',
    reason: { code: 'not-found' },
  });
  const slow = fakes([]);
  const handle = await start({
    ...slow.activities,
    lookAtRelease: () => Context.current().cancelled,
  });
  await untilLooking(handle);
  await handle.cancel();
  expect(await handle.result()).toMatchObject({
    state: 'failed',
    reason: { code: 'watch-cancelled' },
  });
});

test('a look that nobody answers ends with its time', async () => {
  const { activities } = fakes([]);
  const unanswered = () => Promise.reject(ApplicationFailure.retryable('down', 'Unavailable'));
  const until = new Date(Date.now() - 3_597_000).toISOString();
  const handle = await start({ ...activities, lookAtRelease: unanswered }, until);
  expect(await handle.result()).toMatchObject({
    state: 'failed',
    reason: { code: 'watch-deadline-exceeded' },
  });
});

test('it goes on with another worker when its worker is gone', async () => {
  const { activities, ends } = fakes(['over']);
  let looks = 0;
  const handle = await start({
    ...activities,
    lookAtRelease: async (input) => {
      looks += 1;
      if (looks > 1) return activities.lookAtRelease(input);
      return Context.current().cancelled.catch(() => {
        throw ApplicationFailure.retryable('the worker stops', 'Unavailable');
      });
    },
  });
  await untilLooking(handle);
  await workers.end();
  workers = await env.startWorkers(routed);
  expect(await handle.result()).toMatchObject({ state: 'held' });
  expect([looks, ends]).toEqual([2, ['over']]);
});

/** Looks that come to these; an end is recorded once, after so many times that it cannot be now. */
function fakes(
  looks: readonly ('again' | 'over' | 'alarm')[],
  refusals = 0,
): { readonly activities: WatchActivities; readonly ends: string[] } {
  const ends: string[] = [];
  const waiting = [...looks];
  let result: WatchResult | undefined;
  let refused = 0;
  return {
    ends,
    activities: {
      lookAtRelease: async () => {
        const kind = waiting.length > 1 ? waiting.shift() : waiting[0];
        const reason = { code: 'watch-probe-failing', message: 'Sick.' };
        return (kind === 'alarm' ? { kind, reason } : { kind }) as WatchEnd;
      },
      closeWatch: async ({ end }) => {
        if (result !== undefined) return result;
        if (end.kind === 'alarm' && refused < refusals) {
          refused += 1;
          ends.push('not now');
          return { state: 'watching', reason: null, rollbackId: null };
        }
        ends.push(end.kind);
        result = resultOf(end);
        return result;
      },
    },
  };
}

function resultOf(end: WatchEnd): WatchResult {
  if (end.kind === 'alarm') return { state: 'alarmed', reason: end.reason, rollbackId: 'dev/9' };
  if (end.kind === 'failed') return { state: 'failed', reason: end.reason, rollbackId: null };
  return { state: 'held', reason: null, rollbackId: null };
}

function of({ promotion }: WatchReleaseInput): WatchActivities {
  const found = watched.get(promotion.promotionId);
  if (found === undefined) throw new Error(`Nobody watches ${promotion.promotionId}.`);
  return found;
}

async function start(
  activities: WatchActivities,
  until = new Date(Date.now() + 60_000).toISOString(),
): Promise<WorkflowHandle> {
  const promotionId = `env-${randomUUID().slice(0, 8)}/1`;
  watched.set(promotionId, activities);
  const input: WatchReleaseInput = {
    promotion: { tenantId: TEST_TENANT, promotionId },
    environment: promotionId.split('/')[0] ?? '',
    until,
    traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  };
  return env.client.workflow.start(WORKFLOWS.watchRelease, {
    workflowId: watchWorkflowId(TEST_TENANT, promotionId),
    taskQueue: TASK_QUEUES.control,
    args: [input],
  });
}

async function untilLooking(handle: WorkflowHandle): Promise<void> {
  for (;;) {
    const { raw } = await handle.describe();
    if (raw.pendingActivities?.some(({ lastStartedTime }) => lastStartedTime) === true) return;
    await new Promise((done) => setTimeout(done, 50));
  }
}

function gone(): ApplicationFailure {
  return ApplicationFailure.nonRetryable('no such watch', FAILURES.notFound);
}
