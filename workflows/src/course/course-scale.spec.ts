import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { MAX_SHARD_MEMBERS, shardWorkflowId } from '@sluice/temporal-contract';
import type { WorkflowHandle } from '@temporalio/client';
import { composeLargeDag } from '../../../test/src/pipelines/large-dag.ts';
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
import { openWorkflowEnvironment } from '../../../test/src/workflows/workflow-environment.ts';
import { ALL_PLACES } from '../../../test/support/fault-sample.ts';

/*
 * Many members and many steps on the real engine: as many as there may be with `npm run test:faults -- --places`. In `npm test`
 * test/src/workflows/large-courses.spec.ts plays those, on an engine that takes no time and counts the events that this one writes at most.
 */
const MEMBERS = ALL_PLACES ? 10_000 : 600;
const STEPS = ALL_PLACES ? 5000 : 300;
const SECONDS = ALL_PLACES ? 900 : 120;

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

test(
  `${MEMBERS} targets in one matrix stay far within the limits of each history`,
  async () => {
    const targets = Array.from({ length: MEMBERS }, (_, index) => `host-${index}`);
    const seen: { promotion?: PlayedPromotion } = {};
    let [inside, together] = [0, 0];
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
    expect(result).toMatchObject({ state: 'succeeded', reason: null });
    expect(records.members.size).toBe(MEMBERS);
    expect(new Set(records.members.values())).toEqual(new Set(['succeeded']));
    expect(records.begun.length).toBe(MEMBERS);
    expect(together).toBeLessThanOrEqual(500);
    const { promotion } = seen;
    if (promotion === undefined) throw new Error('It was played.');
    const root = await eventsOf(promotion.handle);
    const shards = await Promise.all(
      Array.from({ length: MEMBERS / MAX_SHARD_MEMBERS }, (_, index) =>
        eventsOf(shardOf(promotion, 'fan', index * MAX_SHARD_MEMBERS)),
      ),
    );
    console.info(
      `a matrix of ${MEMBERS} targets: ${root} events of the root, ${Math.max(...shards)} of the longest of ${shards.length} shards`,
    );
    // What large-courses.spec.ts counts at most, by shard and by member.
    expect(root).toBeLessThanOrEqual(shards.length * 9 + 40);
    expect(Math.max(...shards)).toBeLessThanOrEqual(MAX_SHARD_MEMBERS * 6 + 20);
  },
  SECONDS * 1000,
);

test(
  `${STEPS} steps in layers run once each, after all that they need`,
  async () => {
    const nodes = composeLargeDag(STEPS, 7);
    const steps = nodes.map(({ id, needs }) => step(id, { needs }));
    const { result, records } = await playCourse(stage, steps);
    expect(result).toMatchObject({ state: 'succeeded', reason: null });
    expect(new Set(records.begun).size).toBe(STEPS);
    expect(records.begun.length).toBe(STEPS);
    const place = new Map(records.changes.map((change, index) => [change, index]));
    for (const { id, needs } of nodes) {
      const began = place.get(`${id} running`) ?? -1;
      expect(needs.filter((need) => (place.get(`${need} succeeded`) ?? began) >= began)).toEqual(
        [],
      );
    }
  },
  SECONDS * 1000,
);

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
