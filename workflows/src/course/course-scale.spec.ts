import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { MAX_SHARD_MEMBERS, shardWorkflowId } from '@sluice/temporal-contract';
import type { WorkflowHandle } from '@temporalio/client';
import { bundleSources } from '../../../test/src/workflows/bundle-workflows.ts';
import { cancel, fails, hangs, playCourse } from '../../../test/src/workflows/course-stage.ts';
import { matrix, step } from '../../../test/src/workflows/fake-course-rules.ts';
import type {
  PlayedPromotion,
  PromotionStage,
} from '../../../test/src/workflows/promotion-stage.ts';
import { createPromotionStage } from '../../../test/src/workflows/promotion-stage.ts';
import { until } from '../../../test/src/workflows/waiting.ts';
import type { WorkflowEnvironment } from '../../../test/src/workflows/workflow-environment.ts';
import {
  openWorkflowEnvironment,
  TEST_TENANT,
} from '../../../test/src/workflows/workflow-environment.ts';

/*
 * How large a promotion may become: what it costs in events is counted, and told.
 */
let env: WorkflowEnvironment;
let stage: PromotionStage;

beforeAll(async () => {
  env = await openWorkflowEnvironment(await bundleSources());
  stage = createPromotionStage(env);
});
afterAll(() => stage.close());

async function eventsOf(handle: WorkflowHandle): Promise<number> {
  const { historyLength } = await handle.describe();
  return historyLength;
}

function keep(into: {
  promotion?: PlayedPromotion;
}): (promotion: PlayedPromotion) => Promise<void> {
  return async (promotion) => {
    into.promotion = promotion;
  };
}

const shardOf = ({ input }: PlayedPromotion, stepId: string, from: number): WorkflowHandle =>
  env.client.workflow.getHandle(shardWorkflowId(input.promotion, stepId, 1, from));

test('a chain of 1,000 steps continues as new, and runs each step once', async () => {
  const count = 1000;
  const steps = Array.from({ length: count }, (_, index) =>
    step(`s${index}`, {
      needs: index === 0 ? [] : [`s${index - 1}`],
      ...(index === 0 ? { reads: ['n'] } : {}),
      // What the first run has read is known to the last.
      ...(index === count - 1 ? { if: 'steps.s0.outputs.n == 7' } : {}),
      ...(index === 0 ? { type: 'script@1' as const } : {}),
    }),
  );
  const seen: { promotion?: PlayedPromotion } = {};
  const { result, records } = await playCourse(
    stage,
    [...steps, step('bad', { needs: ['s999'] })],
    {
      meanwhile: keep(seen),
      steps: {
        bad: fails,
        s0: async () => ({ outcome: 'succeeded', outputs: {}, reason: null, values: { n: 7 } }),
      },
    },
  );
  // The effect of the first run's first step is put back by the last run.
  expect(result).toMatchObject({ state: 'reverted', reason: { code: 'broken' } });
  expect(records.journal).toEqual(['undo s0 succeeded']);
  expect(records.begun.length).toBe(count + 1);
  expect(new Set(records.begun).size).toBe(count + 1);
  const { promotion } = seen;
  if (promotion === undefined) throw new Error('It was played.');
  const last = await promotion.handle.describe();
  const first = env.client.workflow.getHandle(
    promotion.handle.workflowId,
    (promotion.handle as WorkflowHandle & { readonly firstExecutionRunId?: string })
      .firstExecutionRunId,
  );
  const events = [await eventsOf(first), last.historyLength];
  console.info(`a chain of ${count}: events of the first and the last run ${events.join(', ')}`);
  expect((await first.describe()).status.name).toBe('CONTINUED_AS_NEW');
  expect(Math.max(...events)).toBeLessThan(10_000);
}, 180_000);

test('a matrix of 10,000 targets stays far within the limits of each history', async () => {
  const count = 10_000;
  const targets = Array.from({ length: count }, (_, index) => `host-${index}`);
  const seen: { promotion?: PlayedPromotion } = {};
  const before = process.memoryUsage().rss;
  let most = before;
  const watch = setInterval(() => {
    most = Math.max(most, process.memoryUsage().rss);
  }, 200);
  let inside = 0;
  let together = 0;
  const begun = Date.now();
  const own = matrix({ over: { targets: {} }, maxParallel: 500 });
  const { result, records } = await playCourse(stage, [step('fan', { matrix: own })], {
    members: { fan: targets },
    meanwhile: keep(seen),
    steps: {
      fan: async () => {
        inside += 1;
        together = Math.max(together, inside);
        await new Promise((resolve) => setImmediate(resolve));
        inside -= 1;
        return { outcome: 'succeeded', outputs: {}, reason: null };
      },
    },
  });
  clearInterval(watch);
  expect(result).toMatchObject({ state: 'succeeded', reason: null });
  expect(records.members.size).toBe(count);
  expect(new Set(records.members.values())).toEqual(new Set(['succeeded']));
  expect(records.begun.length).toBe(count);
  expect(together).toBeLessThanOrEqual(500);
  const { promotion } = seen;
  if (promotion === undefined) throw new Error('It was played.');
  const root = await eventsOf(promotion.handle);
  const shards = await Promise.all(
    Array.from({ length: count / MAX_SHARD_MEMBERS }, (_, index) =>
      eventsOf(shardOf(promotion, 'fan', index * MAX_SHARD_MEMBERS)),
    ),
  );
  const grown = Math.round((most - before) / 1_048_576);
  console.info(
    `a matrix of ${count} targets: ${root} events of the root, ${Math.max(...shards)} of the longest of ${shards.length} shards, ` +
      `${shards.reduce((sum, one) => sum + one, root)} in all; ${Date.now() - begun} ms; ${grown} MB more memory at most`,
  );
  expect(root).toBeLessThan(10_000);
  expect(Math.max(...shards)).toBeLessThan(10_000);
  expect(grown).toBeLessThan(1024);
  expect(promotion.input.promotion.tenantId).toBe(TEST_TENANT);
}, 300_000);

test('a failure in one shard stops the others, and what was done is put back in shards', async () => {
  const count = 600;
  const targets = Array.from({ length: count }, (_, index) => `host-${index}`);
  const { result, records } = await playCourse(
    stage,
    [
      step('plan', { type: 'plan@1' }),
      step('deploy', {
        type: 'deploy@1',
        needs: ['plan'],
        matrix: matrix({ over: { targets: {} }, maxParallel: 100, failFast: true }),
      }),
    ],
    {
      members: { deploy: targets },
      steps: { deploy: async ({ target }) => (target === 'host-30' ? fails() : good()) },
    },
  );
  expect(result).toMatchObject({ state: 'reverted', reason: { code: 'broken' } });
  const deployed = records.journal.filter((line) => line.startsWith('deploy '));
  const reverted = records.journal.filter((line) => line.startsWith('revert '));
  expect(deployed.length).toBeLessThan(count);
  expect(reverted.length).toBe(deployed.length);
  // Each that never began is known as that.
  expect(records.members.size).toBe(count);
  const skipped = [...records.members.values()].filter((outcome) => outcome === 'skipped');
  expect(skipped.length).toBe(count - deployed.length);
});

test('cancelled while shards run, they end with it, and every member is recorded', async () => {
  const count = 410;
  const seen: { promotion?: PlayedPromotion } = {};
  let begun = 0;
  const { result, records, steps } = await playCourse(
    stage,
    [step('fan', { matrix: matrix({ maxParallel: 60 }) })],
    {
      members: { fan: Array.from({ length: count }, (_, index) => `m${index}`) },
      steps: {
        fan: hangs(() => {
          begun += 1;
        }),
      },
      meanwhile: async (promotion) => {
        seen.promotion = promotion;
        await until(() => begun >= 50);
        await cancel(promotion);
      },
    },
  );
  expect(result.state).toBe('cancelled');
  expect(steps.fan).toBe('cancelled promotion-cancelled');
  expect(records.members.size).toBe(count);
  expect(new Set(records.members.values())).toEqual(new Set(['cancelled', 'skipped']));
  if (seen.promotion === undefined) throw new Error('It was played.');
  const { status } = await shardOf(seen.promotion, 'fan', 0).describe();
  expect(status.name).toBe('COMPLETED');
});

const good = async () => {
  await new Promise((resolve) => setTimeout(resolve, 20));
  return { outcome: 'succeeded' as const, outputs: {}, reason: null };
};
