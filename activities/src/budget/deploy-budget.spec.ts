import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { type Pipeline, STANDARD_PIPELINE } from '@sluice/domain';
import { createFolderStore } from '@sluice/evidence-store';
import { createLogger } from '@sluice/observability';
import {
  findBudgetClaim,
  insertRollout,
  listCommands,
  type PromotionRecord,
  type RolloutPositionRecord,
  type StoredRolloutLayout,
  setRolloutPosition,
  withTenant,
} from '@sluice/persistence';
import type { StepResult } from '@sluice/temporal-contract';
import { createDeployStep } from '../deploy/deploy.step.ts';
import { createRevertActivities } from '../deploy/revert.activities.ts';
import { createRulesActivities } from '../records/rules.activities.ts';
import { createStepActivities } from '../step/execute-step.ts';
import { createStepRegistry } from '../step/step-registry.ts';
import { createFakeScope } from '../testing/fake-scope.ts';
import { createInMemorySigner, type InMemorySigner } from '../testing/in-memory-signer.ts';
import {
  createPromotionScene,
  type PromotionScene,
  SCENE_TENANT,
  SCENE_TRACEPARENT,
} from '../testing/promotion-scene.ts';

const pipeline: Pipeline = {
  ...STANDARD_PIPELINE,
  version: 1,
  steps: STANDARD_PIPELINE.steps
    .filter(({ id }) => id !== 'plan')
    .map((step) => (step.id === 'deploy' ? { ...step, needs: ['gate'] } : step)),
};
const LAYOUT: StoredRolloutLayout = {
  strategy: 'rolling',
  stages: [],
  router: null,
  onFail: 'revert',
  onInconclusive: 'pause',
  pauseSeconds: 600,
  members: ['dev-1', 'dev-2'],
};
let scene: PromotionScene;
let release: string;
let first: PromotionRecord;
let second: PromotionRecord;
let signer: InMemorySigner;
beforeAll(async () => {
  scene = await createPromotionScene({ targets: ['dev-1', 'dev-2'], pipeline });
  release = await scene.addRelease('1.0.0');
  await scene.database.query(
    `insert into sluice.disruption_budgets (tenant_id, budget_id, selector, max_unavailable)
     values ($1, 'all', '{}', 1)`,
    [SCENE_TENANT],
  );
}, 60_000);
afterAll(() => scene?.database.drop());
beforeEach(async () => {
  await scene.database.query('delete from sluice.budget_claims');
  await scene.database.query('update sluice.disruption_budgets set max_unavailable = 1');
  await scene.database.query('update sluice.agents set last_heartbeat_at = now()');
  signer = createInMemorySigner();
  first = await scene.addPromotion(release);
  second = await scene.addPromotion(release);
  for (const one of [first, second]) {
    await createRulesActivities(parts(one)).freezeRules({ promotion: ref(one) });
  }
});

test('a deployment without room is tried again later, has nothing signed, and is told of once', async () => {
  await dispatched(deploy(first, 'dev-1'));
  const signed = signer.commands.length;
  for (const attempt of [1, 2, 3]) {
    await expect(deploy(second, 'dev-2', { attempt })).rejects.toMatchObject({
      type: 'BudgetExhausted',
      nonRetryable: false,
      nextRetryDelay: expect.any(Number),
      message: expect.stringContaining(`dev-1 by ${first.promotionId}`),
    });
  }
  expect(signer.commands).toHaveLength(signed);
  expect(await commandsOf(second)).toEqual([]);
  expect(await eventsOf(second)).toEqual(['target:dev-2']);
  const [command] = await commandsOf(first);
  await scene.report(must(command), 'confirmed', release);
  expect(await deploy(first, 'dev-1')).toMatchObject({ outcome: 'succeeded' });
  await dispatched(deploy(second, 'dev-2', { attempt: 4 }));
  await dispatched(deploy(second, 'dev-2', { attempt: 5 }));
  expect(await holderOf('dev-2')).toBe(second.promotionId);
  expect(await commandsOf(second)).toHaveLength(1);
});

test('with less than half of its time left, or after long, an attempt ends for good, so that the agent has all of it', async () => {
  await dispatched(deploy(first, 'dev-1'));
  for (const [attempt, seconds, isLast] of [
    [1, 100, false],
    [8, 200, false],
    [8, 100, true],
    [29, 10_000, false],
    [30, 10_000, true],
  ] as const) {
    const scope = { attempt, deadline: Date.now() + seconds * 1000 };
    await expect(deploy(second, 'dev-2', scope)).rejects.toMatchObject({
      type: 'BudgetExhausted',
      nonRetryable: isLast,
    });
  }
});

test('while a rollout does not go on nothing is sent to a target that has waited, though there is room', async () => {
  const key = { promotionId: first.promotionId, stepId: 'deploy', round: 1 };
  const pause = { code: 'rollout-paused', message: 'Wait.' };
  const stand = (at: Pick<RolloutPositionRecord, 'state' | 'reason'>): Promise<boolean> =>
    withTenant(scene.worker, SCENE_TENANT, (tx) =>
      setRolloutPosition(tx, key, { stage: 0, phase: 'deploy', ...at }),
    );
  await withTenant(scene.worker, SCENE_TENANT, (tx) =>
    insertRollout(tx, {
      ...key,
      strategy: 'rolling',
      layout: LAYOUT,
      inputs: {},
      routeBefore: null,
    }),
  );
  await stand({ state: 'paused', reason: pause });
  await expect(deploy(first, 'dev-1', { attempt: 2 })).rejects.toMatchObject({
    type: 'BudgetExhausted',
    nonRetryable: true,
    message: expect.stringContaining('does not go on'),
  });
  expect(await commandsOf(first)).toEqual([]);
  await stand({ state: 'running', reason: null });
  await dispatched(deploy(first, 'dev-1', { attempt: 2 }));
  // What was sent is waited for, whatever follows.
  await stand({ state: 'paused', reason: pause });
  await dispatched(deploy(first, 'dev-1', { attempt: 3 }));
});

test('a budget of none fails at once and says what to do', async () => {
  await scene.database.query('update sluice.disruption_budgets set max_unavailable = 0');
  await expect(deploy(first, 'dev-1')).rejects.toMatchObject({
    type: 'BudgetZero',
    nonRetryable: true,
    message: expect.stringContaining('Raise it in the configuration'),
  });
  expect(await eventsOf(first)).toEqual([]);
});

test('a target is claimed again by its revert, which waits for nobody, until the agent’s last word', async () => {
  await dispatched(deploy(first, 'dev-1'));
  const [deployed] = await commandsOf(first);
  await dispatched(revert(first, 'dev-1'));
  // The deployment's own report comes while the revert is open: the target is still at work.
  await scene.report(must(deployed), 'confirmed', release);
  await deploy(first, 'dev-1');
  expect(await holderOf('dev-1')).toBe(first.promotionId);
  await scene.report(must((await commandsOf(first))[1]), 'confirmed', null);
  expect(await revert(first, 'dev-1')).toMatchObject({ outcome: 'succeeded' });
  expect(await holderOf('dev-1')).toBeUndefined();
});

test('a target that refuses is available again', async () => {
  await dispatched(deploy(first, 'dev-1'));
  const failure = { code: 'disk-full', message: 'There is no room.' };
  await scene.report(must((await commandsOf(first))[0]), 'refused', null, failure);
  expect(await deploy(first, 'dev-1')).toMatchObject({ outcome: 'failed' });
  expect(await holderOf('dev-1')).toBeUndefined();
});

async function dispatched(activity: Promise<StepResult>): Promise<void> {
  await expect(activity).rejects.toMatchObject({ name: 'CompleteAsyncError' });
}

function deploy(
  promotion: PromotionRecord,
  target: string,
  scope: object = {},
): Promise<StepResult> {
  const dependencies = parts(promotion, scope);
  const registry = createStepRegistry([createDeployStep(dependencies)]);
  return createStepActivities(dependencies, registry).executeStep({
    type: 'deploy',
    version: 1,
    promotion: ref(promotion),
    stepId: 'deploy',
    target,
    inputDigests: { release },
    scheduledAt: '2026-11-21T12:00:00Z',
    traceparent: SCENE_TRACEPARENT,
  });
}

function revert(promotion: PromotionRecord, target: string): Promise<StepResult> {
  const input = { promotion: ref(promotion), target, traceparent: SCENE_TRACEPARENT };
  return createRevertActivities(parts(promotion)).revertTarget(input);
}

function ref({ promotionId }: PromotionRecord) {
  return { tenantId: SCENE_TENANT, promotionId };
}

function parts({ promotionId }: PromotionRecord, scope: object = {}) {
  return {
    pool: scene.worker,
    evidence: createFolderStore('/nowhere'),
    signer,
    logger: createLogger({ service: 'test', level: 'silent' }),
    scope: () => createFakeScope({ workflowId: `promotion/acme/${promotionId}`, ...scope }),
  };
}

function commandsOf({ promotionId }: PromotionRecord) {
  return withTenant(scene.worker, SCENE_TENANT, (tx) => listCommands(tx, promotionId));
}

function holderOf(target: string): Promise<string | undefined> {
  return withTenant(scene.worker, SCENE_TENANT, (tx) =>
    findBudgetClaim(tx, { budget: 'all', target }),
  );
}

async function eventsOf({ promotionId }: PromotionRecord): Promise<readonly string[]> {
  const rows = await scene.database.query<{ subject: string }>(
    `select subject from sluice.events where promotion_id = $1 and type = 'budget.awaited'`,
    [promotionId],
  );
  return rows.map(({ subject }) => subject);
}

function must<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('There is none.');
  return value;
}
