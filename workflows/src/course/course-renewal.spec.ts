import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { PromotionStatus } from '@sluice/temporal-contract';
import { bundleSources, editBundle } from '../../../test/src/workflows/bundle-workflows.ts';
import { cancel, fails, hangs, playCourse } from '../../../test/src/workflows/course-stage.ts';
import { matrix, step } from '../../../test/src/workflows/fake-course-rules.ts';
import type {
  PlayedPromotion,
  PromotionStage,
} from '../../../test/src/workflows/promotion-stage.ts';
import {
  answerOf,
  ballotFor,
  createPromotionStage,
  decide,
  untilAsked,
} from '../../../test/src/workflows/promotion-stage.ts';
import { createPoint } from '../../../test/src/workflows/waiting.ts';
import type { WorkflowEnvironment } from '../../../test/src/workflows/workflow-environment.ts';
import { openWorkflowEnvironment } from '../../../test/src/workflows/workflow-environment.ts';

/*
 * The interpreter as it is, but for the length from which on a history is long: so short that a promotion continues as new all the time.
 */
let env: WorkflowEnvironment;
let stage: PromotionStage;

beforeAll(async () => {
  const from = 'const LONG_HISTORY = 8000;';
  const short = editBundle(await bundleSources(), from, 'const LONG_HISTORY = 30;');
  env = await openWorkflowEnvironment(short);
  stage = createPromotionStage(env);
}, 120_000);
afterAll(() => stage.close());

/** How many runs a promotion took. */
async function countRuns({ handle }: PlayedPromotion): Promise<number> {
  let runs = 1;
  let { runId } = await handle.describe();
  for (;;) {
    const history = await env.client.workflow.getHandle(handle.workflowId, runId).fetchHistory();
    const started = history.events?.[0]?.workflowExecutionStartedEventAttributes;
    if (!started?.continuedExecutionRunId) return runs;
    runId = started.continuedExecutionRunId;
    runs += 1;
  }
}

test('nothing is lost on the way: values, plans, rounds, votes, effects and what is left to tell', async () => {
  const chain = (prefix: string, count: number, after: string) =>
    Array.from({ length: count }, (_, index) =>
      step(`${prefix}${index}`, {
        type: 'script@1',
        needs: [index === 0 ? after : `${prefix}${index - 1}`],
      }),
    );
  const seen: { promotion?: PlayedPromotion } = {};
  const { result, records, steps, status } = await playCourse(
    stage,
    [
      step('first', { reads: ['n'] }),
      ...chain('a', 6, 'first'),
      step('plan', { type: 'plan@1', needs: ['a5'] }),
      step('idle', { needs: ['plan'] }),
      step('ask', { type: 'approval@1', needs: ['idle'] }),
      step('deploy', { type: 'deploy@1', needs: ['ask'] }),
      step('pause', { type: 'wait@1', needs: ['deploy'], inputs: { seconds: 1 } }),
      ...chain('b', 6, 'pause'),
      step('fan', { type: 'script@1', needs: ['b5'], matrix: matrix() }),
      step('bad', { needs: ['fan'], if: 'steps.first.outputs.n == 7' }),
      ...Array.from({ length: 8 }, (_, index) =>
        step(`tell${index}`, {
          when: 'always',
          needs: index === 0 ? ['bad'] : [`tell${index - 1}`],
        }),
      ),
    ],
    {
      rules: { approval: { count: 1, roles: ['approver'], deadlineSeconds: 60 } },
      members: { fan: ['x', 'y'] },
      steps: {
        bad: fails,
        first: async () => ({ outcome: 'succeeded', outputs: {}, reason: null, values: { n: 7 } }),
      },
      meanwhile: async (promotion) => {
        seen.promotion = promotion;
        await untilAsked(promotion);
        promotion.records.world = 1;
        await promotion.handle.signal('targetsChanged', { resource: promotion.resource });
        await untilAsked(promotion, 2);
        expect(await answerOf(decide(promotion, ballotFor(promotion)))).toBe('approved');
      },
    },
  );
  expect(result).toMatchObject({ state: 'reverted', reason: { code: 'broken' } });
  expect(records.refusals).toEqual([]);
  const twice = records.begun.filter((one, index) => records.begun.indexOf(one) !== index);
  expect(twice).toEqual([]);
  const undone = records.journal.filter((line) => /^(undo|revert)/.test(line));
  const chainBack = (prefix: string) =>
    Array.from({ length: 6 }, (_, index) => `undo ${prefix}${5 - index} succeeded`);
  expect(undone.filter((line) => /undo [ab]/.test(line))).toEqual([
    ...chainBack('b').map((line) => line.replace(/b\d/, (id) => `${id}~2`)),
    ...chainBack('a'),
  ]);
  expect(undone.length).toBe(16);
  expect(steps).toMatchObject({ deploy: 'reverted broken', tell7: 'succeeded' });
  expect(status.steps.find(({ id }) => id === 'a0')?.state).toBe('reverted');
  // Of the run that asked nobody knows any more but by what it handed on.
  expect(status.approval).toMatchObject({
    state: 'approved',
    round: 2,
    votes: [{ decision: 'approve' }],
  });
  if (seen.promotion === undefined) throw new Error('It was played.');
  expect(await countRuns(seen.promotion)).toBeGreaterThan(6);
});

test('cancelled after it has continued, it puts back what the runs before have done', async () => {
  const { reached, reach } = createPoint();
  const seen: { promotion?: PlayedPromotion } = {};
  const { result, records } = await playCourse(
    stage,
    [
      step('one', { type: 'script@1' }),
      ...Array.from({ length: 10 }, (_, index) =>
        step(`s${index}`, { needs: [index === 0 ? 'one' : `s${index - 1}`] }),
      ),
      step('runs', { needs: ['s9'] }),
      step('told', { when: 'onCancel' }),
    ],
    {
      steps: { runs: hangs(reach) },
      meanwhile: async (promotion) => {
        seen.promotion = promotion;
        await reached;
        const status = await promotion.handle.query<PromotionStatus>('promotionStatus');
        expect(status.steps.find(({ id }) => id === 'runs')?.state).toBe('running');
        await cancel(promotion);
      },
    },
  );
  expect(result).toMatchObject({ state: 'cancelled', reason: { code: 'promotion-cancelled' } });
  expect(records.journal).toEqual(['undo one succeeded']);
  expect(records.begun).toContain('told');
  if (seen.promotion === undefined) throw new Error('It was played.');
  expect(await countRuns(seen.promotion)).toBeGreaterThan(1);
});

test('what was done in the finale stays, however often that continues', async () => {
  const seen: { promotion?: PlayedPromotion } = {};
  const { result, records, steps } = await playCourse(
    stage,
    [
      step('bad'),
      step('clean', { type: 'script@1', when: 'always', needs: ['bad'] }),
      ...Array.from({ length: 8 }, (_, index) =>
        step(`tell${index}`, {
          when: 'always',
          needs: [index === 0 ? 'clean' : `tell${index - 1}`],
        }),
      ),
    ],
    {
      steps: { bad: fails },
      meanwhile: async (promotion) => {
        seen.promotion = promotion;
      },
    },
  );
  expect(result).toMatchObject({ state: 'failed', reason: { code: 'broken' } });
  expect(records.journal).toEqual([]);
  expect(steps).toMatchObject({ clean: 'succeeded', tell7: 'succeeded' });
  if (seen.promotion === undefined) throw new Error('It was played.');
  expect(await countRuns(seen.promotion)).toBeGreaterThan(1);
});

test('a decision that comes again after it has continued is answered as it was', async () => {
  const [held, done] = [createPoint(), createPoint()];
  const seen: { promotion?: PlayedPromotion } = {};
  const { result } = await playCourse(
    stage,
    [
      step('plan', { type: 'plan@1' }),
      step('ask', { type: 'approval@1', needs: ['plan'] }),
      ...Array.from({ length: 6 }, (_, index) =>
        step(`s${index}`, { needs: [index === 0 ? 'ask' : `s${index - 1}`] }),
      ),
      step('hold', { needs: ['s5'] }),
    ],
    {
      rules: { approval: { count: 1, roles: ['approver'], deadlineSeconds: 60 } },
      steps: {
        hold: async () => {
          held.reach();
          await done.reached;
          return { outcome: 'succeeded', outputs: {}, reason: null };
        },
      },
      meanwhile: async (promotion) => {
        seen.promotion = promotion;
        await untilAsked(promotion);
        const ballot = ballotFor(promotion);
        expect(await answerOf(decide(promotion, ballot))).toBe('approved');
        await held.reached;
        expect(await countRuns(promotion)).toBeGreaterThan(1);
        expect(await answerOf(decide(promotion, ballot))).toBe('approved');
        const other = ballotFor(promotion, { person: 'ada' });
        expect(await answerOf(decide(promotion, other))).toMatch(/^approval-/);
        expect(promotion.records.approvals.votesOf(1)).toHaveLength(1);
        done.reach();
      },
    },
  );
  expect(result.state).toBe('succeeded');
});
