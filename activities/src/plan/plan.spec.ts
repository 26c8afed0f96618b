import { afterAll, beforeEach, expect, test } from '@jest/globals';
import { NOTHING_RELEASE, type PlanSide } from '@sluice/domain';
import { createFolderStore } from '@sluice/evidence-store';
import { createLogger } from '@sluice/observability';
import {
  type CommandRecord,
  findDeployment,
  findPlanSet,
  getPlan,
  insertRelease,
  listCommands,
  listEvents,
  listSteps,
  type PromotionRecord,
  recordHeartbeat,
  setCurrentRelease,
  setPromotionState,
  setStepState,
  withTenant,
} from '@sluice/persistence';
import { digestOf, digestOfBytes, releaseDigest } from '@sluice/pure';
import { SignerRefusedError } from '@sluice/signing';
import type { ExecuteStepInput, StepResult } from '@sluice/temporal-contract';
import { createDeployStep } from '../deploy/deploy.step.ts';
import { createRevertActivities } from '../deploy/revert.activities.ts';
import { settleReportedActivity } from '../deploy/settle-command.ts';
import { createRulesActivities } from '../records/rules.activities.ts';
import { createStepActivities } from '../step/execute-step.ts';
import { createStepRegistry } from '../step/step-registry.ts';
import { createFakeScope } from '../testing/fake-scope.ts';
import { createInMemorySigner, type InMemorySigner } from '../testing/in-memory-signer.ts';
import {
  createPromotionScene,
  SCENE_TENANT,
  SCENE_TRACEPARENT,
} from '../testing/promotion-scene.ts';
import { createPlanStep } from './plan.step.ts';
import { createStalePlanActivities } from './stale-plan.activities.ts';

const scene = await createPromotionScene({ targets: ['dev-1', 'dev-2'] });
const [old, release] = [await scene.addRelease('1.0.0'), await scene.addRelease('1.1.0')];
afterAll(() => scene.database.drop());

let promotion: PromotionRecord;
let signer: InMemorySigner;
beforeEach(async () => {
  await scene.database.query(`
    truncate sluice.current_releases;
    update sluice.agents set active_release = null, active_reported_at = null;
    update sluice.targets set settings = '{"PORT": "8080"}'`);
  signer = createInMemorySigner();
  await begin();
});

test('every target is planned and stored, in one set, with its event', async () => {
  await current('dev-1', old);
  const result = await plan();
  expect(result).toMatchObject({ outcome: 'succeeded', reason: null });
  const set = await inTenant((tx) => findPlanSet(tx, promotion.promotionId));
  expect(set).toMatchObject({ round: 1, digest: result.outputs['plan'] });
  expect(set?.body.plans.map(({ target }) => target)).toEqual(['dev-1', 'dev-2']);
  expect(await planOf('dev-1')).toMatchObject({
    current: { release: old },
    desired: { release, settings: { PORT: '8080' } },
  });
  expect(await planOf('dev-2')).toMatchObject({ current: null });
  expect(await deploymentState('dev-1')).toBe('planned');
  expect(await plan()).toEqual(result);
  expect((await eventTypes()).filter((type) => type === 'plan.made')).toHaveLength(1);
});

test('what the agent says later counts, as the newest plan there knows it', async () => {
  await current('dev-1', release, { PORT: '1' });
  await says('dev-1', digestOfBytes('by hand'));
  expect(await plan()).toMatchObject({
    outcome: 'failed',
    reason: { code: 'target-state-unknown', message: expect.stringContaining('dev-1') },
  });
  await begin();
  await current('dev-1', old, { PORT: '1' });
  await plan();
  // Reported since: it was deployed, whatever became of the promotion.
  await deployed('dev-1');
  await begin();
  await plan();
  expect(await planOf('dev-1')).toMatchObject({
    current: { release, settings: { PORT: '8080' } },
  });
  await says('dev-1', null);
  await begin();
  await plan();
  expect(await planOf('dev-1')).toMatchObject({ current: null });
});

test('a heartbeat from before the last success is no news', async () => {
  await says('dev-1', old);
  await current('dev-1', release);
  await plan();
  expect(await planOf('dev-1')).toMatchObject({ current: { release } });
});

test('deploy takes the stored plan as it is, and tells the agent what it expects', async () => {
  await current('dev-1', old);
  await plan();
  await scene.database.query(`update sluice.targets set settings = '{"PORT": "9"}'`);
  await expect(deploy('dev-1')).rejects.toMatchObject({ name: 'CompleteAsyncError' });
  const [command] = await commands();
  expect(JSON.parse(command?.payload ?? '')).toMatchObject({
    desired: { settings: { PORT: '8080' } },
    expects: { release: old, settingsDigest: digestOf({ PORT: '8080' }) },
  });
  await expect(deploy('dev-2')).rejects.toMatchObject({ name: 'CompleteAsyncError' });
  const other = (await commands()).find(({ target }) => target === 'dev-2');
  expect(JSON.parse(other?.payload ?? '')).toMatchObject({ expects: null });
});

test('deploy without a plan, or with one of another round, dispatches nothing', async () => {
  await expect(deploy('dev-1')).rejects.toMatchObject({ type: 'Integrity' });
  await plan();
  await expect(deploy('dev-1', 2)).rejects.toMatchObject({ type: 'Integrity' });
  expect(await commands()).toEqual([]);
});

test('settings that change between check and dispatch make the plan stale, and nothing is dispatched', async () => {
  await plan();
  const refusal = new SignerRefusedError('plan-differs', 'The plan puts something else there.');
  signer = { ...signer, signCommand: () => Promise.reject(refusal) };
  // The plan holds: the signer has another reason, and that is final.
  await expect(deploy('dev-1')).rejects.toMatchObject({ type: 'SignerRefused' });
  await scene.database.query(`update sluice.targets set settings = '{"PORT": "9"}'`);
  for (const target of ['dev-1', 'dev-2']) {
    expect(await deploy(target)).toMatchObject({
      outcome: 'failed',
      reason: { code: 'plan-stale', message: expect.stringContaining(target) },
    });
  }
  expect(await commands()).toEqual([]);
  expect(await deploymentState('dev-1')).toBe('planned');
});

test('checkPlans names the targets that changed since, sorted', async () => {
  const { planDigest, check } = await planned();
  expect(await check()).toEqual({ stale: [] });
  await current('dev-2', old);
  expect(await check()).toEqual({ stale: ['dev-2'] });
  await scene.database.query(`update sluice.targets set settings = '{"PORT": "9"}'`);
  expect(await check()).toEqual({ stale: ['dev-1', 'dev-2'] });
  await scene.database.query('truncate sluice.current_releases');
  await scene.database.query(`update sluice.targets set settings = '{"PORT": "8080"}'`);
  await says('dev-1', digestOfBytes('by hand'));
  expect(await check()).toEqual({ stale: ['dev-1'] });
  const { checkPlans } = createStalePlanActivities(parts());
  await expect(
    checkPlans({ promotion: ref(), planDigest: `${planDigest.slice(0, -1)}0` }),
  ).rejects.toMatchObject({ type: 'Integrity' });
});

test('all agents refuse a stale plan: planned again in the next round, under keys of its own', async () => {
  await plan();
  for (const target of ['dev-1', 'dev-2']) {
    await expect(deploy(target)).rejects.toMatchObject({ name: 'CompleteAsyncError' });
  }
  const failure = { code: 'plan-stale', message: 'Something else is active.' };
  await current('dev-1', old);
  await current('dev-2', old);
  for (const command of await commands()) await scene.report(command, 'refused', old, failure);
  for (const target of ['dev-1', 'dev-2']) {
    expect(await deploy(target)).toMatchObject({ reason: { code: 'plan-stale' } });
  }
  const reason = { code: 'plan-stale', message: 'Refused.' };
  const stepIds = ['plan', 'deploy'];
  const { reopenSteps } = createStalePlanActivities(parts({ activityId: 'reopen-1' }));
  await inTenant((tx) =>
    setStepState(tx, { promotionId: promotion.promotionId, stepId: 'plan', state: 'succeeded' }),
  );
  await reopenSteps({ promotion: ref(), stepIds, reason });
  expect(await stepStates()).toMatchObject({ plan: 'pending', deploy: 'pending' });
  expect(await plan(2)).toMatchObject({ outcome: 'succeeded' });
  // A late attempt of the same call sends nothing back that runs again.
  await reopenSteps({ promotion: ref(), stepIds, reason });
  expect(await stepStates()).toMatchObject({ plan: 'succeeded' });
  expect(await deploymentState('dev-1')).toBe('planned');
  for (const target of ['dev-1', 'dev-2']) {
    await expect(deploy(target, 2)).rejects.toMatchObject({ name: 'CompleteAsyncError' });
  }
  const second = (await commands()).filter(({ sequence }) => sequence > 0).slice(-1)[0];
  expect(second?.idempotencyKey).toBe(`${promotion.promotionId}/deploy~2/dev-2/deploy`);
  for (const command of await commands()) {
    if (command.idempotencyKey.includes('~2')) await scene.report(command, 'confirmed', release);
  }
  expect(await deploy('dev-1', 2)).toMatchObject({ outcome: 'succeeded' });
  expect(await stepStates()).toMatchObject({ deploy: 'running' });
  expect(await deploy('dev-2', 2)).toMatchObject({ outcome: 'succeeded' });
  expect(await stepStates()).toMatchObject({ deploy: 'succeeded' });
  expect((await eventTypes()).filter((type) => type === 'plan.stale')).toHaveLength(1);
});

test('a late attempt sends no step of a promotion back that has ended', async () => {
  await plan();
  await end('succeeded');
  const { reopenSteps } = createStalePlanActivities(parts({ activityId: 'reopen-late' }));
  const reason = { code: 'plan-stale', message: 'Changed.' };
  await expect(reopenSteps({ promotion: ref(), stepIds: ['plan'], reason })).rejects.toMatchObject({
    type: 'IllegalTransition',
  });
  expect(await stepStates()).toMatchObject({ plan: 'succeeded' });
});

test('a target that refused is not reverted to what its plan found: something else is there', async () => {
  await plan();
  await expect(deploy('dev-1')).rejects.toMatchObject({ name: 'CompleteAsyncError' });
  const [command] = await commands();
  const failure = { code: 'plan-stale', message: 'Something else is active.' };
  await scene.report(must(command), 'refused', old, failure);
  const { revertTarget } = createRevertActivities(parts());
  const traceparent = SCENE_TRACEPARENT;
  expect(await revertTarget({ promotion: ref(), target: 'dev-1', traceparent })).toMatchObject({
    outcome: 'succeeded',
  });
  expect(await commands()).toHaveLength(1);
});

test('a revert that another workflow dispatched is waited for, not dispatched again', async () => {
  await plan();
  await expect(deploy('dev-1')).rejects.toMatchObject({ name: 'CompleteAsyncError' });
  await scene.report(must((await commands())[0]), 'confirmed', release);
  await deploy('dev-1');
  const input = { promotion: ref(), target: 'dev-1', traceparent: SCENE_TRACEPARENT };
  const own = createRevertActivities(parts());
  await expect(own.revertTarget(input)).rejects.toMatchObject({ name: 'CompleteAsyncError' });
  const workflowId = `settlement/acme/${promotion.promotionId}`;
  const other = createRevertActivities(parts({ workflowId, runId: 'run-2' }));
  await expect(other.revertTarget(input)).rejects.toMatchObject({
    type: 'ReportAwaited',
    nonRetryable: false,
  });
  await scene.report(must((await commands())[1]), 'confirmed', null);
  expect(await other.revertTarget(input)).toMatchObject({ outcome: 'succeeded' });
  expect(await commands()).toHaveLength(2);
});

test('the relay settles a revert that a settlement dispatched', async () => {
  await plan();
  await expect(deploy('dev-1')).rejects.toMatchObject({ name: 'CompleteAsyncError' });
  await scene.report(must((await commands())[0]), 'confirmed', release);
  await deploy('dev-1');
  const place = {
    workflowId: `settlement/acme/${promotion.promotionId}`,
    runId: 'run-2',
    activityId: 'revert-1',
  };
  const { revertTarget } = createRevertActivities(parts(place));
  await expect(
    revertTarget({ promotion: ref(), target: 'dev-1', traceparent: SCENE_TRACEPARENT }),
  ).rejects.toMatchObject({ name: 'CompleteAsyncError' });
  await scene.report(must((await commands())[1]), 'confirmed', null);
  const activity = { tenantId: SCENE_TENANT, ...place };
  expect(await settleReportedActivity(scene.worker, activity)).toMatchObject({
    outcome: 'succeeded',
  });
  const foreign = { ...activity, workflowId: `promotion/acme/${promotion.promotionId}` };
  expect(await settleReportedActivity(scene.worker, foreign)).toBeUndefined();
});

test('a rollback brings back what was verified there, settings included, and expects nothing', async () => {
  await plan();
  await deployed('dev-1');
  await deployed('dev-2');
  await end('succeeded');
  await scene.database.query(`update sluice.targets set settings = '{"PORT": "9"}'`);
  await begin('rollback');
  await says('dev-1', digestOfBytes('by hand'));
  expect(await plan()).toMatchObject({ outcome: 'succeeded' });
  expect(await planOf('dev-1')).toMatchObject({ desired: { release, settings: { PORT: '8080' } } });
  await expect(deploy('dev-1')).rejects.toMatchObject({ name: 'CompleteAsyncError' });
  expect(JSON.parse((await commands())[0]?.payload ?? '')).not.toHaveProperty('expects');
});

test('a rollback to nothing empties the targets', async () => {
  await current('dev-1', old);
  await inTenant(
    (tx) => insertRelease(tx, { release: NOTHING_RELEASE, createdBy: 'sluice' }),
    scene.app,
  );
  await begin('rollback', releaseDigest(NOTHING_RELEASE));
  expect(await plan()).toMatchObject({ outcome: 'succeeded' });
  expect(await planOf('dev-1')).toMatchObject({ current: { release: old }, desired: null });
  await expect(deploy('dev-1')).rejects.toMatchObject({ name: 'CompleteAsyncError' });
  expect(await commands()).toMatchObject([{ kind: 'deploy', releaseDigest: null }]);
});

async function begin(kind: 'promote' | 'rollback' = 'promote', digest = release): Promise<void> {
  promotion = await scene.addPromotion(digest, { kind });
  await createRulesActivities(parts()).freezeRules({ promotion: ref() });
}

async function planned() {
  const planDigest = must((await plan()).outputs['plan']);
  const { checkPlans } = createStalePlanActivities(parts());
  return { planDigest, check: () => checkPlans({ promotion: ref(), planDigest }) };
}

function ref() {
  return { tenantId: SCENE_TENANT, promotionId: promotion.promotionId };
}

function parts(scope: object = {}) {
  const workflowId = `promotion/acme/${promotion.promotionId}`;
  return {
    pool: scene.worker,
    evidence: createFolderStore('/nowhere'),
    signer,
    logger: createLogger({ service: 'test', level: 'silent' }),
    scope: () => createFakeScope({ workflowId, ...scope }),
  };
}

function plan(round?: number): Promise<StepResult> {
  return execute('plan', undefined, round);
}

function deploy(target: string, round?: number): Promise<StepResult> {
  return execute('deploy', target, round);
}

function execute(type: string, target?: string, round?: number): Promise<StepResult> {
  const dependencies = parts();
  const registry = createStepRegistry([
    createPlanStep(dependencies),
    createDeployStep(dependencies),
  ]);
  const input: ExecuteStepInput = {
    type,
    version: 1,
    promotion: ref(),
    stepId: type,
    ...(round === undefined ? {} : { round }),
    ...(target === undefined ? {} : { target }),
    inputDigests: { release: promotion.releaseDigest },
    scheduledAt: '2026-11-21T12:00:00Z',
    traceparent: SCENE_TRACEPARENT,
  };
  return createStepActivities(dependencies, registry).executeStep(input);
}

async function deployed(target: string): Promise<void> {
  await expect(deploy(target)).rejects.toMatchObject({ name: 'CompleteAsyncError' });
  const command = (await commands()).find((candidate) => candidate.target === target);
  await scene.report(must(command), 'confirmed', release);
  await deploy(target);
}

async function end(state: 'succeeded'): Promise<void> {
  const { promotionId } = promotion;
  await inTenant(async (tx) => {
    await setPromotionState(tx, { promotionId, state: 'running' });
    await setPromotionState(tx, { promotionId, state });
  });
}

function inTenant<T>(work: Parameters<typeof withTenant<T>>[2], pool = scene.worker): Promise<T> {
  return withTenant(pool, SCENE_TENANT, work);
}

/** Says what was verified on a target by an earlier promotion. */
async function current(
  target: string,
  digest: string,
  settings: Record<string, string> = { PORT: '8080' },
): Promise<void> {
  const { promotionId } = await scene.addPromotion(digest);
  const side: PlanSide = { release: digest, components: [], settings };
  await inTenant((tx) => setCurrentRelease(tx, { target, promotionId, side }));
}

function says(target: string, activeRelease: string | null): Promise<void> {
  return inTenant(
    (tx) => recordHeartbeat(tx, { target, version: '0.1.0', activeRelease }),
    scene.app,
  );
}

async function planOf(target: string) {
  return inTenant(async (tx) => {
    const deployment = must(await findDeployment(tx, promotion.promotionId, target));
    return getPlan(tx, deployment.planDigest);
  });
}

function commands(): Promise<readonly CommandRecord[]> {
  return inTenant((tx) => listCommands(tx, promotion.promotionId));
}

async function stepStates(): Promise<Record<string, string>> {
  const steps = await inTenant((tx) => listSteps(tx, promotion.promotionId));
  return Object.fromEntries(steps.map(({ stepId, state }) => [stepId, state]));
}

async function deploymentState(target: string): Promise<string | undefined> {
  return (await inTenant((tx) => findDeployment(tx, promotion.promotionId, target)))?.state;
}

async function eventTypes(): Promise<readonly string[]> {
  const { promotionId } = promotion;
  const { edges } = await inTenant((tx) => listEvents(tx, { first: 100, promotionId }));
  return edges.map(({ node }) => node.type);
}

function must<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('nothing there');
  return value;
}
