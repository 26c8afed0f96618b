import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { ApprovalRule, Role } from '@sluice/domain';
import type { EngineClient } from '@sluice/graphql';
import { InMemoryEngineClient } from '@sluice/graphql/testing';
import { digestOf } from '@sluice/pure';
import type {
  DecideApprovalInput,
  PromotionRef,
  SteerRolloutInput,
} from '@sluice/temporal-contract';
import { bundleSources } from '../../../../test/src/workflows/bundle-workflows.ts';
import { succeeded } from '../../../../test/src/workflows/fake-activities.ts';
import { composeApprovedRules, REQUESTER } from '../../../../test/src/workflows/fake-rules.ts';
import {
  createPromotionStage,
  type PromotionStage,
  untilAsked,
} from '../../../../test/src/workflows/promotion-stage.ts';
import { until } from '../../../../test/src/workflows/waiting.ts';
import {
  openWorkflowEnvironment,
  TEST_TENANT,
} from '../../../../test/src/workflows/workflow-environment.ts';
import { createTemporalEngine, type TemporalEngine } from './temporal-engine.ts';

/** What a decision must name. */
interface Asked {
  readonly promotion: PromotionRef;
  readonly releaseDigest: string;
  readonly planDigest: string;
}

/** One kind of engine, and how a test brings promotions about in it. */
interface Scene {
  readonly engine: EngineClient;
  /** A promotion that waits for approval. */
  waiting(rule: ApprovalRule): Promise<Asked>;
  /** One that runs and waits for nothing yet. */
  preparing(): Promise<PromotionRef>;
  /** One that has ended. */
  ended(): Promise<PromotionRef>;
  close(): Promise<void>;
}

const RULE: ApprovalRule = { count: 2, roles: ['admin', 'approver'], deadlineSeconds: 600 };
const releaseDigest = digestOf('release');

async function openFake(): Promise<Scene> {
  const engine = new InMemoryEngineClient();
  const planDigest = digestOf('plan');
  const fresh = (): PromotionRef => ({
    tenantId: TEST_TENANT,
    promotionId: `env-${randomUUID().slice(0, 8)}/1`,
  });
  return {
    engine,
    waiting: async (rule) => {
      const promotion = fresh();
      engine.run(promotion, {
        state: 'waiting',
        rule,
        requesterPersonId: REQUESTER.personId,
        releaseDigest,
        planDigest,
        deadline: Date.now() + rule.deadlineSeconds * 1000,
        votes: [],
      });
      return { promotion, releaseDigest, planDigest };
    },
    preparing: async () => {
      const promotion = fresh();
      engine.run(promotion);
      return promotion;
    },
    ended: async () => {
      const promotion = fresh();
      engine.run(promotion);
      engine.close(promotion);
      return promotion;
    },
    close: async () => undefined,
  };
}

async function openReal(): Promise<Scene> {
  const env = await openWorkflowEnvironment(await bundleSources());
  const stage: PromotionStage = createPromotionStage(env);
  const { namespace, codecKeys } = env;
  const address = process.env.SLUICE_TEST_TEMPORAL_ADDRESS ?? '';
  const engine = createTemporalEngine({ address, namespace, codecKeys });
  // A worker does not stop before what it does has come to an end.
  let release = (): void => undefined;
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  return {
    engine,
    waiting: async (rule) => {
      const promotion = await stage.start({ rules: composeApprovedRules(rule) });
      await untilAsked(promotion);
      return {
        promotion: promotion.input.promotion,
        releaseDigest: promotion.input.releaseDigest,
        planDigest: promotion.records.plan(1),
      };
    },
    preparing: async () => {
      const { input, records } = await stage.start({
        rules: composeApprovedRules(RULE),
        steps: { scan: () => held.then(() => succeeded('scan')) },
      });
      await until(() => records.stepStates.get('scan') === 'running');
      return input.promotion;
    },
    ended: async () => {
      const rules = composeApprovedRules({ ...RULE, count: 1 });
      const played = await stage.start({ rules });
      await untilAsked(played);
      await played.handle.signal('cancelPromotion', { requestedBy: 'mia', reason: 'test' });
      await played.result();
      return played.input.promotion;
    },
    close: async () => {
      release();
      await engine.close();
      await stage.close();
    },
  };
}

function ballot(
  { releaseDigest: release, planDigest: plan }: Omit<Asked, 'promotion'>,
  person: string,
  changes: Partial<DecideApprovalInput> & { readonly role?: Role } = {},
): DecideApprovalInput {
  const { role = 'approver', ...rest } = changes;
  return {
    approvalId: `${person}/${randomUUID()}`,
    voter: { principalId: person, personId: person, kind: 'person', role },
    decision: 'approve',
    comment: '',
    releaseDigest: release,
    planDigest: plan,
    ...rest,
  };
}

function steer(role: Role = 'release-manager'): SteerRolloutInput {
  return {
    steerId: `maya/${randomUUID()}`,
    stepId: 'roll',
    action: 'pause',
    principalId: 'maya',
    personId: 'maya',
    role,
    reason: '',
  };
}

describe.each([
  ['the fake', openFake],
  ['Temporal', openReal],
])('%s', (_kind, open) => {
  let scene: Scene;

  beforeAll(async () => {
    scene = await open();
  }, 120_000);

  afterAll(() => scene?.close());

  test('takes decisions until there are enough, each id once', async () => {
    const { engine } = scene;
    const asked = await scene.waiting(RULE);
    const first = ballot(asked, 'otto');
    const waiting = {
      kind: 'decided',
      result: { approvalId: first.approvalId, state: 'waiting' },
    };
    expect(await engine.decideApproval(asked.promotion, first)).toEqual(waiting);
    expect(await engine.decideApproval(asked.promotion, first)).toEqual(waiting);
    expect(await engine.decideApproval(asked.promotion, ballot(asked, 'otto'))).toMatchObject({
      kind: 'refused',
      code: 'approval-duplicate',
      message: expect.stringContaining('otto'),
    });
    expect(await engine.decideApproval(asked.promotion, ballot(asked, 'anna'))).toMatchObject({
      kind: 'decided',
      result: { state: 'approved' },
    });
  });

  test('one id at the same instant counts once', async () => {
    const asked = await scene.waiting(RULE);
    const same = ballot(asked, 'otto');
    const answers = await Promise.all(
      Array.from({ length: 4 }, () => scene.engine.decideApproval(asked.promotion, same)),
    );
    expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
    expect(answers[0]).toMatchObject({ kind: 'decided', result: { state: 'waiting' } });
  });

  test('says which rule a decision breaks', async () => {
    const asked = await scene.waiting(RULE);
    const other = digestOf('something else');
    const service = { principalId: 'robot', personId: 'otto', kind: 'service', role: 'approver' };
    const cases: readonly (readonly [string, DecideApprovalInput])[] = [
      ['approver-is-requester', ballot(asked, REQUESTER.personId)],
      ['approver-not-eligible', ballot(asked, 'otto', { role: 'viewer' })],
      ['approver-not-a-person', ballot(asked, 'robot', { voter: service as never })],
      ['approval-wrong-release', ballot(asked, 'otto', { releaseDigest: other })],
      ['approval-wrong-plan', ballot(asked, 'otto', { planDigest: other })],
    ];
    for (const [code, input] of cases) {
      expect(await scene.engine.decideApproval(asked.promotion, input)).toEqual({
        kind: 'refused',
        code,
        message: expect.any(String),
      });
    }
    const preparing = await scene.preparing();
    expect(await scene.engine.decideApproval(preparing, ballot(asked, 'otto'))).toMatchObject({
      kind: 'refused',
      code: 'approval-not-open',
    });
  });

  test('tells a run that has ended from one that has not begun', async () => {
    const input = ballot({ releaseDigest, planDigest: digestOf('plan') }, 'otto');
    const ended = await scene.ended();
    expect(await scene.engine.decideApproval(ended, input)).toEqual({ kind: 'ended' });
    const absent = { tenantId: TEST_TENANT, promotionId: 'nowhere/1' };
    expect(await scene.engine.decideApproval(absent, input)).toEqual({ kind: 'not-started' });
  });

  test('says why a rollout is not steered', async () => {
    const { engine } = scene;
    const { promotion } = await scene.waiting(RULE);
    for (const [role, code] of [
      ['viewer', 'role-not-permitted'],
      ['release-manager', 'rollout-unknown'],
    ] as const) {
      expect(await engine.steerRollout(promotion, steer(role))).toEqual({
        kind: 'refused',
        code,
        message: expect.any(String),
      });
    }
    expect(await engine.steerRollout(await scene.ended(), steer())).toEqual({ kind: 'ended' });
    const absent = { tenantId: TEST_TENANT, promotionId: 'nowhere/1' };
    expect(await engine.steerRollout(absent, steer())).toEqual({ kind: 'not-started' });
  });

  test('says what a reset would do, of runs that go on and of closed ones', async () => {
    const { engine } = scene;
    const { promotion } = await scene.waiting(RULE);
    for (const one of [promotion, await scene.ended()]) {
      const whole = await engine.previewReset(one, undefined);
      if (whole.kind !== 'preview') throw new Error(whole.kind);
      const { event, lastEvent, possibleEvents } = whole.preview;
      expect(possibleEvents.at(-1)).toBe(event);
      expect(lastEvent).toBeGreaterThanOrEqual(event);
      expect(await engine.previewReset(one, possibleEvents[0])).toMatchObject({
        kind: 'preview',
        runId: whole.runId,
        preview: { event: possibleEvents[0] },
      });
      expect(await engine.previewReset(one, 1)).toMatchObject({ kind: 'impossible' });
    }
    const absent = { tenantId: TEST_TENANT, promotionId: 'nowhere/1' };
    expect(await engine.previewReset(absent, undefined)).toEqual({ kind: 'unknown' });
  });

  test('tells the histories of runs that go on and of closed ones, but for those that are known', async () => {
    const { engine } = scene;
    const { promotion } = await scene.waiting(RULE);
    for (const one of [promotion, await scene.ended()]) {
      const answer = await engine.readHistories(one, []);
      if (answer.kind !== 'histories') throw new Error(answer.kind);
      const [run, ...others] = answer.runs;
      expect(others).toEqual([]);
      expect(run?.workflowId).toBe(`promotion/${one.tenantId}/${one.promotionId}`);
      expect(Number(run?.history.events?.[0]?.eventId)).toBe(1);
      const rest = await engine.readHistories(one, [run?.runId ?? '']);
      expect(rest).toEqual({ kind: 'histories', runs: [] });
    }
    const absent = { tenantId: TEST_TENANT, promotionId: 'nowhere/1' };
    expect(await engine.readHistories(absent, [])).toEqual({ kind: 'histories', runs: [] });
  });
});

test('what a preview says is what Temporal does', async () => {
  const env = await openWorkflowEnvironment(await bundleSources());
  const stage = createPromotionStage(env);
  const { namespace, codecKeys, client } = env;
  const address = process.env.SLUICE_TEST_TEMPORAL_ADDRESS ?? '';
  const engine = createTemporalEngine({ address, namespace, codecKeys });
  try {
    const played = await stage.start({ rules: composeApprovedRules(RULE) });
    await untilAsked(played);
    const { promotion } = played.input;
    const first = await engine.previewReset(promotion, undefined);
    if (first.kind !== 'preview') throw new Error(first.kind);
    // After the rules were frozen, before the first step.
    const middle = await engine.previewReset(promotion, first.preview.possibleEvents[1]);
    if (middle.kind !== 'preview') throw new Error(middle.kind);
    const { runId, preview } = middle;
    expect(preview.runsAgain.map(({ step }) => step)).toContain('gate');
    const workflowId = played.handle.workflowId;
    const { runId: newRun } = await client.workflowService.resetWorkflowExecution({
      namespace,
      workflowExecution: { workflowId, runId },
      workflowTaskFinishEventId: preview.event as never,
      reason: 'test',
      requestId: randomUUID(),
    });
    const again = preview.runsAgain.map(({ activity }) => activity);
    await until(async () => {
      const { history } = await client.workflowService.getWorkflowExecutionHistory({
        namespace,
        execution: { workflowId, runId: newRun },
      });
      const scheduled = (history?.events ?? [])
        .filter(({ eventId }) => Number(eventId) > preview.event)
        .map((event) => event.activityTaskScheduledEventAttributes?.activityType?.name)
        .filter((name) => name !== undefined);
      return JSON.stringify(scheduled) === JSON.stringify(again);
    });
    await client.workflow.getHandle(workflowId).terminate();
  } finally {
    await engine.close();
    await stage.close();
  }
}, 60_000);

describe('an engine that does not answer', () => {
  const input = ballot({ releaseDigest, planDigest: digestOf('plan') }, 'otto');
  const engines: TemporalEngine[] = [];

  afterAll(() => Promise.all(engines.map((engine) => engine.close())));

  test('is told from workers that do not; the same id counts when they are back', async () => {
    const env = await openWorkflowEnvironment(await bundleSources());
    const { namespace, codecKeys } = env;
    const away = createTemporalEngine({ address: '127.0.0.1:1', namespace, codecKeys });
    const address = process.env.SLUICE_TEST_TEMPORAL_ADDRESS ?? '';
    const engine = createTemporalEngine({
      address,
      namespace,
      codecKeys,
      updateDeadlineMs: 1500,
    });
    engines.push(away, engine);
    const promotion = { tenantId: TEST_TENANT, promotionId: 'lonely/1' };
    expect(await away.decideApproval(promotion, input)).toEqual({
      kind: 'unavailable',
      code: 'engine-unreachable',
    });
    expect(await away.previewReset(promotion, undefined)).toEqual({
      kind: 'unavailable',
      code: 'engine-unreachable',
    });
    expect(await away.readHistories(promotion, [])).toEqual({
      kind: 'unavailable',
      code: 'engine-unreachable',
    });
    await expect(away.check()).rejects.toThrow('127.0.0.1:1');
    await env.client.workflow.start('promoteRelease', {
      workflowId: `promotion/${TEST_TENANT}/lonely/1`,
      taskQueue: 'sluice-control',
      args: [{ promotion, environment: 'lonely', releaseDigest, kind: 'promote', traceparent: '' }],
    });
    const started = performance.now();
    const answers = await Promise.all([
      engine.decideApproval(promotion, input),
      engine.steerRollout(promotion, steer()),
    ]);
    expect(answers).toEqual([
      { kind: 'unavailable', code: 'approval-unanswered' },
      { kind: 'unavailable', code: 'steer-unanswered' },
    ]);
    expect(performance.now() - started).toBeLessThan(5000);
    await engine.check();
    await env.close();
  }, 60_000);
});
