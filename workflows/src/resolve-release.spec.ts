import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Component } from '@sluice/domain';
import { digestOf } from '@sluice/pure';
import type {
  ComponentRequest,
  ReleaseActivities,
  ResolveReleaseInput,
  ResolveReleaseResult,
} from '@sluice/temporal-contract';
import {
  FAILURES,
  releaseRequestWorkflowId,
  TASK_QUEUES,
  WORKFLOWS,
} from '@sluice/temporal-contract';
import { Context } from '@temporalio/activity';
import type { WorkflowHandle } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { bundleSources } from '../../test/src/workflows/bundle-workflows.ts';
import type {
  StartedWorkers,
  WorkflowEnvironment,
} from '../../test/src/workflows/workflow-environment.ts';
import {
  openWorkflowEnvironment,
  TEST_TENANT,
} from '../../test/src/workflows/workflow-environment.ts';

let env: WorkflowEnvironment;
let workers: StartedWorkers;
/** Of the request that is being resolved: one after the other, by the same workers. */
let current: ReleaseActivities;

beforeAll(async () => {
  env = await openWorkflowEnvironment(await bundleSources());
  const routed: ReleaseActivities = {
    resolveComponent: async (input) => current.resolveComponent(input),
    recordRelease: async (input) => current.recordRelease(input),
    refuseRelease: async (input) => current.refuseRelease(input),
  };
  workers = await env.startWorkers(routed);
});
afterAll(async () => {
  await workers?.end();
  await env?.close();
});

/** What the records know of a request: settled once, and never otherwise. */
interface Settled {
  readonly settlements: string[];
  readonly resolved: string[];
}

function createFakes(override: Partial<ReleaseActivities> = {}): Settled & {
  readonly activities: ReleaseActivities;
} {
  const settlements: string[] = [];
  const resolved: string[] = [];
  const settle = (how: string): void => {
    if (settlements.includes(how)) return;
    if (settlements.length > 0) {
      throw ApplicationFailure.nonRetryable(`settled as ${settlements[0]}`, 'IllegalTransition');
    }
    settlements.push(how);
  };
  const activities: ReleaseActivities = {
    resolveComponent: async ({ component }) => {
      resolved.push(component.name);
      return { ok: true, component: toComponent(component) };
    },
    recordRelease: async ({ components }) => {
      const releaseDigest = digestOf(components);
      settle(`created ${releaseDigest}`);
      return { ok: true, releaseDigest };
    },
    refuseRelease: async ({ code }) => settle(`refused ${code}`),
    ...override,
  };
  return { activities, settlements, resolved };
}

function toComponent({ name, reference }: ComponentRequest): Component {
  return { name, kind: 'oci', digest: digestOf(name), version: reference };
}

function requestOf(names: readonly string[]): ResolveReleaseInput {
  return {
    tenantId: TEST_TENANT,
    requestId: randomUUID(),
    name: 'shop',
    version: '1.0.0',
    components: names.map((name) => ({ name, source: 'samples', reference: '1.0.0' })),
    requestedBy: 'principal:mia',
    traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  };
}

async function start(
  activities: ReleaseActivities,
  input: ResolveReleaseInput,
): Promise<WorkflowHandle> {
  current = activities;
  return env.client.workflow.start(WORKFLOWS.resolveRelease, {
    workflowId: releaseRequestWorkflowId(input.tenantId, input.requestId),
    taskQueue: TASK_QUEUES.control,
    args: [input],
  });
}

async function resolve(
  activities: ReleaseActivities,
  names: readonly string[] = ['web', 'worker'],
): Promise<ResolveReleaseResult> {
  const handle = await start(activities, requestOf(names));
  return (await handle.result()) as ResolveReleaseResult;
}

test('components are resolved in their order and the release is recorded', async () => {
  const { activities, settlements } = createFakes({
    resolveComponent: async ({ component }) => {
      // The first answers last.
      await new Promise((done) => setTimeout(done, component.name === 'web' ? 300 : 0));
      return { ok: true, component: toComponent(component) };
    },
  });
  const result = await resolve(activities);
  const components = requestOf(['web', 'worker']).components.map(toComponent);
  expect(result).toEqual({ state: 'created', releaseDigest: digestOf(components) });
  expect(settlements).toHaveLength(1);
});

test('at most five components are brought in at once, and all of them are', async () => {
  let active = 0;
  let most = 0;
  const { activities } = createFakes({
    resolveComponent: async ({ component }) => {
      active += 1;
      most = Math.max(most, active);
      await new Promise((done) => setTimeout(done, 30));
      active -= 1;
      return { ok: true, component: toComponent(component) };
    },
  });
  const names = Array.from({ length: 23 }, (_, index) => `part-${index}`);
  const result = await resolve(activities, names);
  const components = requestOf(names).components.map(toComponent);
  expect(result).toEqual({ state: 'created', releaseDigest: digestOf(components) });
  expect(most).toBeLessThanOrEqual(5);
  expect(most).toBeGreaterThan(1);
});

describe('refusals', () => {
  const refusing: ReleaseActivities['resolveComponent'] = async ({ component }) =>
    component.name === 'worker'
      ? { ok: false, code: 'tag-unknown', message: 'no tag 1.0.0 in samples' }
      : { ok: true, component: toComponent(component) };

  test('a tag that does not exist refuses the request', async () => {
    const { activities, settlements } = createFakes({ resolveComponent: refusing });
    expect(await resolve(activities)).toEqual({
      state: 'refused',
      code: 'tag-unknown',
      message: 'no tag 1.0.0 in samples',
    });
    expect(settlements).toEqual(['refused tag-unknown']);
  });

  test('a failure that no retry mends refuses it by its type', async () => {
    const { activities } = createFakes({
      resolveComponent: () =>
        Promise.reject(ApplicationFailure.nonRetryable('digest differs', FAILURES.integrity)),
    });
    expect(await resolve(activities)).toMatchObject({
      state: 'refused',
      code: 'integrity',
      message: 'Component web (samples:1.0.0): digest differs',
    });
  });

  test('a release that exists otherwise is refused by the record', async () => {
    const { activities, settlements } = createFakes({
      recordRelease: async () => ({ ok: false, code: 'release-exists', message: 'shop 1.0.0' }),
    });
    expect(await resolve(activities)).toMatchObject({ state: 'refused', code: 'release-exists' });
    expect(settlements).toEqual(['refused release-exists']);
  });

  test.each([
    ['release-without-components', 0],
    ['release-too-many-components', 201],
  ])('%s: nothing is fetched', async (code, count) => {
    const { activities, resolved } = createFakes();
    const names = Array.from({ length: count }, (_, index) => `part-${index}`);
    expect(await resolve(activities, names)).toMatchObject({ state: 'refused', code });
    expect(resolved).toEqual([]);
  });

  test('a cancelled request is refused', async () => {
    const { activities, settlements } = createFakes({
      resolveComponent: async () => {
        const context = Context.current();
        const timer = setInterval(() => context.heartbeat(), 100);
        return context.cancelled.finally(() => clearInterval(timer));
      },
    });
    const handle = await start(activities, requestOf(['web']));
    await new Promise((done) => setTimeout(done, 300));
    await handle.cancel();
    const result = (await handle.result()) as ResolveReleaseResult;
    expect(result).toMatchObject({ state: 'refused', code: 'release-request-cancelled' });
    expect(settlements).toEqual(['refused release-request-cancelled']);
  });
});
