import { expect, test } from '@jest/globals';
import type { CourseStep } from '@sluice/domain';
import type { PromotionResult } from '@sluice/temporal-contract';
import { MAX_SHARD_MEMBERS, promotionWorkflowId, WORKFLOWS } from '@sluice/temporal-contract';
import { composeLargeDag } from '../pipelines/large-dag.ts';
import { bundleSources } from './bundle-workflows.ts';
import { type CourseSettings, fails } from './course-stage.ts';
import { createFakeActivities } from './fake-activities.ts';
import { composeCourseRules, matrix, step } from './fake-course-rules.ts';
import type { FakeRecords } from './fake-records.ts';
import { openInMemoryEngine } from './in-memory-engine.ts';
import type { Activities, EndedRun } from './in-memory-types.ts';
import { pause } from './waiting.ts';
import { TEST_TENANT } from './workflow-environment.ts';

/*
 * How large a promotion may become, at its dearest: each answer in a workflow task of its own. What it costs in events, memory and work is
 * counted, and told. The same on the real engine: workflows/src/course/course-scale.spec.ts.
 */

/** From here on the real engine warns; it ends a run at 51,200 events, or 50 MB. */
const MOST_EVENTS = 10_240;

interface Played {
  readonly result: PromotionResult;
  readonly records: FakeRecords;
  readonly promotions: readonly EndedRun[];
  readonly shards: readonly EndedRun[];
  /** Seconds of the processor. */
  readonly seconds: number;
  /** Most bytes in use beyond what was there before. */
  readonly memory: number;
}

async function play(
  steps: readonly CourseStep[],
  settings: Omit<CourseSettings, 'rules' | 'meanwhile'> = {},
): Promise<Played> {
  const rules = composeCourseRules(steps);
  const { activities, records } = createFakeActivities({ rules, ...settings });
  const engine = await openInMemoryEngine(
    await bundleSources(),
    activities as unknown as Activities,
  );
  const before = process.memoryUsage().rss;
  let most = before;
  const watch = setInterval(() => {
    most = Math.max(most, process.memoryUsage().rss);
  }, 50);
  const begun = process.cpuUsage();
  const promotion = { tenantId: TEST_TENANT, promotionId: 'dev/1' };
  try {
    const { result, runs } = await engine.execute(
      WORKFLOWS.promoteRelease,
      promotionWorkflowId(promotion.tenantId, promotion.promotionId),
      {
        promotion,
        environment: 'dev',
        releaseDigest: rules.releaseDigest,
        kind: 'promote',
        traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
      },
    );
    const { user, system } = process.cpuUsage(begun);
    return {
      result: result as PromotionResult,
      records,
      promotions: runs.filter(({ type }) => type === WORKFLOWS.promoteRelease),
      shards: runs.filter(({ type }) => type === WORKFLOWS.runShard),
      seconds: (user + system) / 1_000_000,
      memory: most - before,
    };
  } finally {
    clearInterval(watch);
    await engine.close();
  }
}

/** All bounds of one played course; told, so that growth is seen before a bound is met. */
function tell(what: string, { promotions, shards, seconds, memory }: Played): void {
  const most = (runs: readonly EndedRun[], of: (run: EndedRun) => number): number =>
    Math.max(0, ...runs.map(of));
  const all = [...promotions, ...shards];
  console.info(
    `${what}: runs of ${promotions.map(({ events }) => events).join(', ')} events; ${shards.length} shards, ` +
      `the longest of ${most(shards, ({ events }) => events)}; at most ${Math.round(most(all, ({ bytes }) => bytes) / 1024)} KiB in one; ` +
      `${seconds.toFixed(1)} s of the processor, ${Math.round(memory / 1_048_576)} MB more memory at most`,
  );
  expect(most(all, ({ events }) => events)).toBeLessThan(MOST_EVENTS);
  expect(most(all, ({ bytes }) => bytes)).toBeLessThan(10_000_000);
  expect(memory).toBeLessThan(1024 * 1_048_576);
}

test('a chain of 1,000 steps continues as new, and the last run knows and puts back what the first did', async () => {
  const count = 1000;
  const steps = Array.from({ length: count }, (_, index) =>
    step(`s${index}`, {
      needs: index === 0 ? [] : [`s${index - 1}`],
      ...(index === 0 ? { reads: ['n'], type: 'script@1' as const } : {}),
      // What the first run has read is known to the last.
      ...(index === count - 1 ? { if: 'steps.s0.outputs.n == 7' } : {}),
    }),
  );
  const played = await play([...steps, step('bad', { needs: ['s999'] })], {
    steps: {
      bad: fails,
      s0: async () => ({ outcome: 'succeeded', outputs: {}, reason: null, values: { n: 7 } }),
    },
  });
  tell('a chain of 1,000', played);
  const { result, records, promotions } = played;
  expect(result).toMatchObject({ state: 'reverted', reason: { code: 'broken' } });
  expect(records.journal).toEqual(['undo s0 succeeded']);
  expect(records.begun.length).toBe(count + 1);
  expect(new Set(records.begun).size).toBe(count + 1);
  expect(promotions.map(({ status }) => status)).toEqual(['continued-as-new', 'completed']);
}, 120_000);

test('a matrix of 10,000 targets', async () => {
  const count = 10_000;
  let [inside, together] = [0, 0];
  let waiting: (() => void)[] = [];
  // They end only together: were fewer in flight than may be, it would wait for ever.
  const untilAllAreIn = (): Promise<void> =>
    new Promise((resolve) => {
      if (waiting.push(resolve) < 500) return;
      const all = waiting;
      waiting = [];
      setTimeout(() => {
        for (const end of all) end();
      }, 20);
    });
  const own = matrix({ over: { targets: {} }, maxParallel: 500 });
  const played = await play([step('fan', { matrix: own })], {
    members: { fan: Array.from({ length: count }, (_, index) => `host-${index}`) },
    steps: {
      fan: async () => {
        inside += 1;
        together = Math.max(together, inside);
        await untilAllAreIn();
        inside -= 1;
        return { outcome: 'succeeded', outputs: {}, reason: null };
      },
    },
  });
  tell('a matrix of 10,000', played);
  const { result, records, promotions, shards } = played;
  expect(result).toMatchObject({ state: 'succeeded', reason: null });
  expect(records.begun.length).toBe(count);
  expect(records.members.size).toBe(count);
  expect(new Set(records.members.values())).toEqual(new Set(['succeeded']));
  expect(together).toBe(500);
  expect(shards).toHaveLength(count / MAX_SHARD_MEMBERS);
  expect(promotions).toHaveLength(1);
  // As many as the spec of the real engine takes for granted.
  expect(promotions[0]?.events).toBeLessThanOrEqual(shards.length * 9 + 40);
  for (const { events } of shards) {
    expect(events).toBeLessThanOrEqual(MAX_SHARD_MEMBERS * 6 + 20);
  }
}, 120_000);

test('a DAG of 5,000 steps: each once, after all that it needs, through many runs', async () => {
  const nodes = composeLargeDag(5000, 20_261_122);
  const played = await play(nodes.map(({ id, needs }) => step(id, { needs })));
  tell('a DAG of 5,000', played);
  const { result, records, promotions } = played;
  expect(result).toMatchObject({ state: 'succeeded', reason: null });
  expect(records.begun.length).toBe(nodes.length);
  expect(new Set(records.begun).size).toBe(nodes.length);
  const place = new Map(records.changes.map((change, index) => [change, index]));
  const early = nodes.flatMap(({ id, needs }) => {
    const began = place.get(`${id} running`) ?? -1;
    return needs.filter((need) => (place.get(`${need} succeeded`) ?? began) >= began);
  });
  expect(early).toEqual([]);
  expect(promotions.length).toBeGreaterThan(3);
}, 120_000);

test('5,000 steps that are all due at once: no more than 500 in flight, and a failure ends them', async () => {
  const count = 5000;
  let [inside, together] = [0, 0];
  const steps = Array.from({ length: count }, (_, index) => step(`s${index}`));
  const played = await play(steps, {
    steps: {
      noop: async () => {
        inside += 1;
        together = Math.max(together, inside);
        await pause(20);
        inside -= 1;
        return { outcome: 'succeeded', outputs: {}, reason: null };
      },
      s700: fails,
    },
  });
  tell('5,000 at once', played);
  const { result, records } = played;
  expect(result).toMatchObject({ state: 'failed', reason: { code: 'broken' } });
  expect(together).toBeLessThanOrEqual(500);
  expect(records.begun.length).toBeLessThan(2000);
  const states = [...records.stepStates.values()];
  expect(states.filter((state) => state === 'skipped').length).toBe(count - records.begun.length);
}, 120_000);
