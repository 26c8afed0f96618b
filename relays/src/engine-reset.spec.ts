import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { DEFAULT_DEADLINES } from '@sluice/domain';
import { CompleteAsyncError, Context } from '@temporalio/activity';
import { bundleSources } from '../../test/src/workflows/bundle-workflows.ts';
import { type FakeStep, succeeded } from '../../test/src/workflows/fake-activities.ts';
import { composeApprovedRules } from '../../test/src/workflows/fake-rules.ts';
import {
  ballotFor,
  createPromotionStage,
  decide,
  type PlayedPromotion,
  type PromotionStage,
  untilAsked,
} from '../../test/src/workflows/promotion-stage.ts';
import { until } from '../../test/src/workflows/waiting.ts';
import { openWorkflowEnvironment } from '../../test/src/workflows/workflow-environment.ts';
import { type ActivityPlace, createTemporalEngine, type Engine } from './engine.ts';

const PATIENCE_SECONDS = 120;
const rules = composeApprovedRules(
  {},
  { targets: ['host-1'], deadlines: { ...DEFAULT_DEADLINES, promotionSeconds: 3600 } },
);
let stage: PromotionStage;
let engine: Engine;

beforeAll(async () => {
  const env = await openWorkflowEnvironment(await bundleSources());
  stage = createPromotionStage(env);
  engine = createTemporalEngine(env.client);
}, 240_000);
afterAll(() => stage?.close());

/** A deployment that an agent's report completes: one command, whose report belongs to the newest activity that asked. */
class Agent {
  readonly commands: string[] = [];
  place: ActivityPlace | undefined = undefined;

  readonly deploy: FakeStep = async ({ target = '' }) => {
    const { workflowExecution, activityId } = Context.current().info;
    if (!this.commands.includes(target)) this.commands.push(target);
    const { workflowId = '', runId = '' } = workflowExecution ?? {};
    this.place = { workflowId, runId, activityId };
    throw new CompleteAsyncError();
  };

  async confirm(runId: string): Promise<void> {
    await until(() => this.place?.runId === runId, PATIENCE_SECONDS);
    // The attempt has said that it will be completed from outside a moment after it was seen here.
    await until(
      async () =>
        (await engine.completeActivity(this.place as ActivityPlace, succeeded('host-1'))) ===
        'completed',
      PATIENCE_SECONDS,
    );
  }
}

/** A promotion that is approved and deploys. */
async function startDeploying(): Promise<{
  readonly agent: Agent;
  readonly promotion: PlayedPromotion;
  readonly counted: Record<string, number>;
}> {
  const agent = new Agent();
  const counted: Record<string, number> = {};
  const count: FakeStep = async ({ type }) => {
    counted[type] = (counted[type] ?? 0) + 1;
    return succeeded(type);
  };
  const promotion = await stage.start({
    rules,
    steps: { scan: count, gate: count, deploy: agent.deploy },
  });
  await untilAsked(promotion);
  await decide(promotion, ballotFor(promotion, { approvalId: 'otto/1' }));
  await until(() => agent.place !== undefined, PATIENCE_SECONDS);
  return { agent, promotion, counted };
}

async function listTaskEnds({ handle }: PlayedPromotion): Promise<readonly number[]> {
  const { events } = await handle.fetchHistory();
  return (events ?? []).flatMap((event) =>
    event.workflowTaskCompletedEventAttributes == null ? [] : [Number(event.eventId)],
  );
}

async function resetAt(promotion: PlayedPromotion, eventId: number, requestId: string) {
  const { workflowId } = promotion.handle;
  const { runId } = await engine.describeWorkflow(workflowId);
  const reset = { workflowId, runId: runId ?? '', eventId, requestId };
  return { reset, answer: await engine.resetWorkflow(reset) };
}

const SUCCEEDED = {
  promotion: 'succeeded',
  approvals: { requests: ['1 approved'], recorded: ['1 otto/1'] },
};

test.each([
  ['its first task: people are not asked again', (ends: readonly number[]) => ends[0] ?? 0],
  ['its newest task', (ends: readonly number[]) => ends.at(-1) ?? 0],
])(
  'an open run begins again from %s, and nothing is done twice',
  async (_what, choose) => {
    const { agent, promotion, counted } = await startDeploying();
    const before = promotion.handle.workflowId;
    const event = choose(await listTaskEnds(promotion));
    const { reset, answer } = await resetAt(promotion, event, `request of ${before}`);
    expect(answer).toEqual({ kind: 'reset', runId: expect.any(String) });
    const runId = answer.kind === 'reset' ? answer.runId : '';
    expect(runId).not.toBe(reset.runId);
    // Told again, as after a crash of the relay.
    expect(await engine.resetWorkflow(reset)).toEqual(answer);
    await agent.confirm(runId);
    await until(
      async () => (await engine.findWorkflowState(before)) === 'closed',
      PATIENCE_SECONDS,
    );
    expect(promotion.records.endState()).toMatchObject(SUCCEEDED);
    expect(counted).toEqual({ scan: 1, gate: 1 });
    expect(agent.commands).toEqual(['host-1']);
    expect(promotion.records.seals.size).toBe(1);
  },
  240_000,
);

test('a terminated run begins again and goes on to its end', async () => {
  const { agent, promotion, counted } = await startDeploying();
  const { workflowId } = promotion.handle;
  const ends = await listTaskEnds(promotion);
  expect(await engine.terminateWorkflow(workflowId, 'by mistake')).toBe('terminated');
  const { answer } = await resetAt(promotion, ends[1] ?? 0, `request of ${workflowId}`);
  await agent.confirm(answer.kind === 'reset' ? answer.runId : '');
  await until(
    async () => (await engine.findWorkflowState(workflowId)) === 'closed',
    PATIENCE_SECONDS,
  );
  expect(promotion.records.endState()).toMatchObject(SUCCEEDED);
  expect(counted).toEqual({ scan: 1, gate: 1 });
}, 240_000);

test('a run that is not the newest, an event that is no end of a task, and an unknown workflow are answers', async () => {
  const { promotion } = await startDeploying();
  const { workflowId } = promotion.handle;
  const [first = 0] = await listTaskEnds(promotion);
  const impossible = await resetAt(promotion, first + 1, 'request 1');
  expect(impossible.answer).toMatchObject({ kind: 'impossible', message: expect.any(String) });
  const { reset, answer } = await resetAt(promotion, first, 'request 2');
  expect(answer.kind).toBe('reset');
  expect(await engine.resetWorkflow({ ...reset, requestId: 'request 3' })).toEqual({
    kind: 'gone',
  });
  const unknown = { ...reset, workflowId: 'promotion/acme/nowhere/1' };
  expect(await engine.resetWorkflow(unknown)).toEqual({ kind: 'gone' });
  await engine.terminateWorkflow(workflowId, 'the test is over');
  expect(await engine.retryActivities(workflowId)).toBe(0);
}, 240_000);
