import { afterAll, beforeEach, expect, test } from '@jest/globals';
import { type Pipeline, STANDARD_PIPELINE } from '@sluice/domain';
import { createFolderStore } from '@sluice/evidence-store';
import { createLogger } from '@sluice/observability';
import {
  type CommandRecord,
  findDeployment,
  listCommands,
  listSteps,
  type PromotionRecord,
  withTenant,
} from '@sluice/persistence';
import type { ExecuteStepInput, StepResult } from '@sluice/temporal-contract';
import { createRulesActivities } from '../records/rules.activities.ts';
import { createStateActivities } from '../records/state.activities.ts';
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
import { createDeployStep } from './deploy.step.ts';
import { createRevertActivities } from './revert.activities.ts';
import { settleReportedActivity } from './settle-command.ts';

/** As promotions ran before planning was a step of its own. */
const pipeline: Pipeline = {
  ...STANDARD_PIPELINE,
  version: 1,
  steps: STANDARD_PIPELINE.steps
    .filter(({ id }) => id !== 'plan')
    .map((step) => (step.id === 'deploy' ? { ...step, needs: ['gate'] } : step)),
};
const scene: PromotionScene = await createPromotionScene({
  targets: ['dev-1', 'dev-2'],
  pipeline,
});
const release = await scene.addRelease('1.0.0');
afterAll(() => scene.database.drop());

let promotion: PromotionRecord;
let signer: InMemorySigner;
beforeEach(async () => {
  promotion = await scene.addPromotion(release);
  signer = createInMemorySigner();
  await createRulesActivities(parts()).freezeRules({ promotion: ref() });
});

test('without a plan step deploy stores the plan, dispatches once, and leaves the end to the agent', async () => {
  await expect(deploy('dev-1')).rejects.toMatchObject({ name: 'CompleteAsyncError' });
  await expect(deploy('dev-1')).rejects.toMatchObject({ name: 'CompleteAsyncError' });
  const [command, ...others] = await commands();
  expect(others).toEqual([]);
  expect(signer.commands).toHaveLength(1);
  expect(command).toMatchObject({
    target: 'dev-1',
    kind: 'deploy',
    releaseDigest: release,
    idempotencyKey: `${promotion.promotionId}/deploy/dev-1/deploy`,
  });
  expect(JSON.parse(command?.payload ?? '')).toMatchObject({
    schema: 'sluice.command-payload/v1',
    environment: 'dev',
    desired: { release: { version: '1.0.0' }, settings: { PORT: '8080' } },
    traceparent: SCENE_TRACEPARENT,
  });
  expect(JSON.parse(command?.payload ?? '')).not.toHaveProperty('expects');
  expect(await stateOf('deploy')).toBe('running');
});

test('two attempts at once dispatch one command', async () => {
  const ends = await Promise.allSettled([deploy('dev-1'), deploy('dev-1'), deploy('dev-1')]);
  expect(ends.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
  expect(await commands()).toHaveLength(1);
});

test('a retried attempt reads the stored report first, and the step succeeds with the last target', async () => {
  await expect(deploy('dev-1')).rejects.toMatchObject({ name: 'CompleteAsyncError' });
  await expect(deploy('dev-2')).rejects.toMatchObject({ name: 'CompleteAsyncError' });
  for (const command of await commands()) await scene.report(command, 'confirmed', release);
  expect(await deploy('dev-1')).toMatchObject({ outcome: 'succeeded', reason: null });
  expect(await stateOf('deploy')).toBe('running');
  expect(await deploy('dev-2')).toMatchObject({ outcome: 'succeeded' });
  expect(await stateOf('deploy')).toBe('succeeded');
  expect(await deploy('dev-2')).toMatchObject({ outcome: 'succeeded' });
  expect(await deploymentState('dev-2')).toBe('confirmed');
});

test('the relay settles the activity by the report, and an agent’s own revert is a failure with its reason', async () => {
  const scope = { activityId: 'deploy-9', runId: 'run-9' };
  await expect(deploy('dev-1', scope)).rejects.toMatchObject({ name: 'CompleteAsyncError' });
  const workflowId = `promotion/acme/${promotion.promotionId}`;
  const place = { tenantId: SCENE_TENANT, workflowId, ...scope };
  expect(await settleReportedActivity(scene.worker, place)).toBeUndefined();
  const [command] = await commands();
  const failure = { code: 'health-failed', message: 'HTTP 500.' };
  await scene.report(must(command), 'reverted', null, failure);
  const settled = await settleReportedActivity(scene.worker, place);
  expect(settled).toMatchObject({ outcome: 'failed', reason: { code: 'health-failed' } });
  expect(await settleReportedActivity(scene.worker, place)).toEqual(settled);
  expect(await deploy('dev-1')).toEqual(settled);
  expect(await deploymentState('dev-1')).toBe('reverted');
  expect(await settleReportedActivity(scene.worker, { ...place, runId: 'other' })).toBeUndefined();
});

test('after a reset the report completes the activity of the new run, and nothing is dispatched again', async () => {
  const before = { activityId: 'deploy-1', runId: 'run-1' };
  const after = { activityId: 'deploy-2', runId: 'run-2' };
  await expect(deploy('dev-1', before)).rejects.toMatchObject({ name: 'CompleteAsyncError' });
  await expect(deploy('dev-1', after)).rejects.toMatchObject({ name: 'CompleteAsyncError' });
  const [command, ...others] = await commands();
  expect(others).toEqual([]);
  expect(signer.commands).toHaveLength(1);
  expect(command).toMatchObject(after);
  await scene.report(must(command), 'confirmed', release);
  const workflowId = `promotion/acme/${promotion.promotionId}`;
  const settled = (run: typeof after) =>
    settleReportedActivity(scene.worker, { tenantId: SCENE_TENANT, workflowId, ...run });
  expect(await settled(before)).toBeUndefined();
  expect(await settled(after)).toMatchObject({ outcome: 'succeeded' });
});

test('a step that the interpreter has ended dispatches nothing', async () => {
  const { recordStep, listDeployments } = createStateActivities(parts());
  await expect(deploy('dev-1')).rejects.toMatchObject({ name: 'CompleteAsyncError' });
  await recordStep({ promotion: ref(), stepId: 'deploy', state: 'cancelled', reason: null });
  await expect(deploy('dev-2')).rejects.toMatchObject({ type: 'IllegalTransition' });
  expect(await listDeployments({ promotion: ref() })).toEqual(['dev-1']);
});

test('revert sends one signed command with the plan’s current side and takes the agent’s word', async () => {
  await expect(deploy('dev-1')).rejects.toMatchObject({ name: 'CompleteAsyncError' });
  await scene.report(must((await commands())[0]), 'confirmed', release);
  await deploy('dev-1');
  await expect(revert('dev-1')).rejects.toMatchObject({ name: 'CompleteAsyncError' });
  await expect(revert('dev-1')).rejects.toMatchObject({ name: 'CompleteAsyncError' });
  const [, command, ...others] = await commands();
  expect(others).toEqual([]);
  expect(command).toMatchObject({ kind: 'revert', releaseDigest: null });
  expect(JSON.parse(command?.payload ?? '')).toMatchObject({ desired: null });
  await scene.report(must(command), 'confirmed', null);
  expect(await revert('dev-1')).toMatchObject({ outcome: 'succeeded' });
  expect(await deploymentState('dev-1')).toBe('reverted');
});

test('a revert that the agent had to take back fails: what was to go is still there', async () => {
  await expect(deploy('dev-1')).rejects.toMatchObject({ name: 'CompleteAsyncError' });
  await scene.report(must((await commands())[0]), 'confirmed', release);
  await deploy('dev-1');
  await expect(revert('dev-1')).rejects.toMatchObject({ name: 'CompleteAsyncError' });
  await scene.report(must((await commands())[1]), 'reverted', release);
  expect(await revert('dev-1')).toMatchObject({ outcome: 'failed' });
  expect(await deploymentState('dev-1')).toBe('confirmed');
});

test('a target that put itself back, or was never reached, needs no revert command', async () => {
  await expect(deploy('dev-1')).rejects.toMatchObject({ name: 'CompleteAsyncError' });
  const failure = { code: 'command-expired', message: 'Too late.' };
  await scene.report(must((await commands())[0]), 'refused', null, failure);
  expect(await revert('dev-1')).toMatchObject({ outcome: 'succeeded' });
  expect(await revert('dev-2')).toMatchObject({ outcome: 'succeeded' });
  expect(await commands()).toHaveLength(1);
});

test('a refused revert needs a person', async () => {
  await expect(deploy('dev-1')).rejects.toMatchObject({ name: 'CompleteAsyncError' });
  await expect(revert('dev-1')).rejects.toMatchObject({ name: 'CompleteAsyncError' });
  const failure = { code: 'command-fenced-off', message: 'A newer holder acts.' };
  await scene.report(must((await commands())[1]), 'refused', release, failure);
  expect(await revert('dev-1')).toMatchObject({
    outcome: 'failed',
    reason: { code: 'command-fenced-off', message: expect.stringContaining('needs a person') },
  });
});

function ref() {
  return { tenantId: SCENE_TENANT, promotionId: promotion.promotionId };
}

function parts(scope: object = {}) {
  return {
    pool: scene.worker,
    evidence: createFolderStore('/nowhere'),
    signer,
    logger: createLogger({ service: 'test', level: 'silent' }),
    scope: () =>
      createFakeScope({ workflowId: `promotion/acme/${promotion.promotionId}`, ...scope }),
  };
}

function deploy(target: string, scope: object = {}): Promise<StepResult> {
  const dependencies = parts(scope);
  const registry = createStepRegistry([createDeployStep(dependencies)]);
  const input: ExecuteStepInput = {
    type: 'deploy',
    version: 1,
    promotion: ref(),
    stepId: 'deploy',
    target,
    inputDigests: { release },
    scheduledAt: '2026-11-21T12:00:00Z',
    traceparent: SCENE_TRACEPARENT,
  };
  return createStepActivities(dependencies, registry).executeStep(input);
}

function revert(target: string): Promise<StepResult> {
  return createRevertActivities(parts()).revertTarget({
    promotion: ref(),
    target,
    traceparent: SCENE_TRACEPARENT,
  });
}

function inTenant<T>(work: Parameters<typeof withTenant<T>>[2]): Promise<T> {
  return withTenant(scene.worker, SCENE_TENANT, work);
}

/** In the order in which they were dispatched to each target. */
function commands(): Promise<readonly CommandRecord[]> {
  return inTenant((tx) => listCommands(tx, promotion.promotionId));
}

async function stateOf(stepId: string): Promise<string | undefined> {
  const steps = await inTenant((tx) => listSteps(tx, promotion.promotionId));
  return steps.find((step) => step.stepId === stepId)?.state;
}

async function deploymentState(target: string): Promise<string | undefined> {
  return (await inTenant((tx) => findDeployment(tx, promotion.promotionId, target)))?.state;
}

function must<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('nothing there');
  return value;
}
