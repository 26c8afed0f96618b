import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import {
  DEFAULT_DEADLINES,
  isCarriedOut,
  ROLLBACK_PIPELINE,
  type RoutePayload,
  type RoutePlace,
} from '@sluice/domain';
import { createLogger } from '@sluice/observability';
import {
  type CommandRecord,
  findCommandOfActivity,
  findRoute,
  getPromotion,
  insertSteps,
  listCommandsTo,
  listRouteChanges,
  type PromotionRecord,
  recordHeartbeat,
  setCurrentReleases,
  setPromotionState,
  setRolloutPosition,
  settleCommand,
  storeRules,
  type Tx,
  withTenant,
} from '@sluice/persistence';
import { digestOf } from '@sluice/pure';
import type { StepResult } from '@sluice/temporal-contract';
import { settleReportedActivity } from '../deploy/settle-command.ts';
import {
  beginRollout,
  createFakeScope,
  createInMemorySigner,
  createPromotionScene,
  type InMemorySigner,
  type PromotionScene,
  ROLLOUT_STEP,
  SCENE_TENANT,
  SCENE_TRACEPARENT,
  type SceneRollout,
} from '../testing/index.ts';
import { readSteadyRoute } from './route-facts.ts';
import { createRouteActivities } from './route-traffic.activities.ts';

const TARGETS = ['web-1', 'web-2', 'web-3'];
const STAGE_0: RoutePlace = { kind: 'stage', stage: 0 };
const STAGE_1: RoutePlace = { kind: 'stage', stage: 1 };
const RESTORE: RoutePlace = { kind: 'restore' };

let scene: PromotionScene;
let signer: InMemorySigner;
let release: string;
let router: string;
let activities = 0;

/** Each test has a router that never had a table. */
const ROUTERS = Array.from({ length: 16 }, (_, index) => `edge-${index}`);
const unused = [...ROUTERS];

beforeAll(async () => {
  scene = await createPromotionScene({ targets: TARGETS, routers: ROUTERS });
  release = await scene.addRelease('1.0.0');
  await fill(TARGETS);
  await withTenant(scene.app, SCENE_TENANT, async (tx) => {
    for (const target of ROUTERS) {
      await recordHeartbeat(tx, { target, version: '0.1.0', activeRelease: null });
    }
  });
});
beforeEach(() => {
  router = unused.pop() ?? 'none';
});
afterAll(() => scene.database.drop());

/** The targets run something already. */
async function fill(targets: readonly string[]): Promise<void> {
  const { promotionId } = await scene.addPromotion(release);
  const side = { release, components: [], settings: {} };
  await asWorker((tx) =>
    setCurrentReleases(
      tx,
      promotionId,
      targets.map((target) => ({ target, side })),
    ),
  );
}

function asWorker<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
  return withTenant(scene.worker, SCENE_TENANT, work);
}

async function begin(more: Partial<SceneRollout> = {}): Promise<PromotionRecord> {
  signer = createInMemorySigner();
  const promotion = await beginRollout(scene, {
    releaseDigest: release,
    members: TARGETS,
    router,
    ...more,
  });
  return promotion;
}

interface Asked {
  readonly place: RoutePlace;
  readonly activityId?: string;
  readonly runId?: string;
  readonly of?: string;
}

/** What the activity answers; `waits` where its report completes it. */
async function ask(
  { promotionId }: PromotionRecord,
  { place, of, activityId = `activity-${++activities}`, runId = 'run-1' }: Asked,
): Promise<StepResult | 'waits'> {
  const { routeTraffic } = createRouteActivities({
    pool: scene.worker,
    signer,
    logger: createLogger({ service: 'test', level: 'silent' }),
    scope: () =>
      createFakeScope({
        workflowId: `promotion/${SCENE_TENANT}/${promotionId}`,
        runId,
        activityId,
      }),
  });
  const promotion = { tenantId: SCENE_TENANT, promotionId };
  try {
    return await routeTraffic({
      promotion,
      stepId: ROLLOUT_STEP,
      round: 1,
      place,
      ...(of === undefined ? {} : { router: of }),
      traceparent: SCENE_TRACEPARENT,
    });
  } catch (error) {
    if ((error as Error).name === 'CompleteAsyncError') return 'waits';
    throw error;
  }
}

function commandsOf({ promotionId }: PromotionRecord) {
  return asWorker((tx) => listCommandsTo(tx, { promotionId, target: router }));
}

async function newest(promotion: PromotionRecord): Promise<CommandRecord> {
  const command = (await commandsOf(promotion)).at(-1);
  if (command === undefined) throw new Error('nothing was sent');
  return command;
}

/** The agent reports, and the relay settles it. */
async function report(
  command: CommandRecord,
  stage: 'confirmed' | 'reverted' | 'refused' = 'confirmed',
  code = 'route-unserved',
): Promise<StepResult | undefined> {
  const failure = isCarriedOut(stage) ? null : { code, message: 'It did not.' };
  await scene.report(command, stage, null, failure);
  await withTenant(scene.app, SCENE_TENANT, (tx) => settleCommand(tx, command.commandDigest));
  return settle(command);
}

function settle({ workflowId, runId, activityId }: CommandRecord) {
  return settleReportedActivity(scene.worker, {
    tenantId: SCENE_TENANT,
    workflowId,
    runId,
    activityId,
  });
}

function payloadOf({ payload }: CommandRecord): RoutePayload {
  return JSON.parse(payload) as RoutePayload;
}

describe('a stage', () => {
  test('sends one signed command, whatever is retried, and is completed by the report, once', async () => {
    const promotion = await begin();
    expect(await ask(promotion, { place: STAGE_0, activityId: 'one' })).toBe('waits');
    expect(await ask(promotion, { place: STAGE_0, activityId: 'one' })).toBe('waits');
    const [command, ...more] = await commandsOf(promotion);
    if (command === undefined) throw new Error('nothing was sent');
    expect(more).toEqual([]);
    expect(signer.commands).toHaveLength(1);
    const { table, expects, router: named } = payloadOf(command);
    expect(table).toMatchObject({ backend: 'shop', canaryPermille: 50 });
    expect(table.pools.canary).toEqual([{ name: 'web-1', address: '127.0.0.1', port: 8080 }]);
    expect([expects, named]).toEqual([null, router]);
    expect(signer.commands[0]).toMatchObject({
      kind: 'route',
      target: router,
      planDigest: digestOf(table),
      idempotencyKey: `${promotion.promotionId}/${ROLLOUT_STEP}/1/stage-0/${router}/route`,
    });
    const first = await report(command);
    expect(first).toMatchObject({ outcome: 'succeeded', outputs: { table: digestOf(table) } });
    expect(await settle(command)).toEqual(first);
    expect(await ask(promotion, { place: STAGE_0, activityId: 'one' })).toEqual(first);
    await asWorker(async (tx) => {
      expect(await findRoute(tx, router)).toMatchObject({ tableDigest: digestOf(table) });
      expect(await listRouteChanges(tx, promotion.promotionId)).toMatchObject([
        { stage: 0, canaryPermille: 50, state: 'confirmed', failure: null },
      ]);
    });
    expect(await eventsOf(promotion)).toEqual(['command.dispatched', 'route.changed']);
    // Another activity asks for what is in force.
    expect(await ask(promotion, { place: STAGE_0 })).toMatchObject({ outcome: 'succeeded' });
    expect(await commandsOf(promotion)).toHaveLength(1);
    // The next stage is guarded by what is in force.
    expect(await ask(promotion, { place: STAGE_1 })).toBe('waits');
    expect(payloadOf(await newest(promotion)).expects).toBe(digestOf(table));
    await report(await newest(promotion));
  });

  test('is sent once by two attempts that run at the same time', async () => {
    const promotion = await begin();
    const both = [1, 2].map(() => ask(promotion, { place: STAGE_0, activityId: 'same' }));
    expect(await Promise.all(both)).toEqual(['waits', 'waits']);
    expect(await commandsOf(promotion)).toHaveLength(1);
  });

  test('that the agent did not change says so, and is sent again when somebody asks again', async () => {
    const promotion = await begin();
    await ask(promotion, { place: STAGE_0, activityId: 'first' });
    const refused = await report(await newest(promotion), 'reverted');
    expect(refused).toMatchObject({
      outcome: 'failed',
      reason: { code: 'route-unserved', message: expect.stringContaining(router) },
    });
    expect(await ask(promotion, { place: STAGE_0, activityId: 'first' })).toEqual(refused);
    expect(await ask(promotion, { place: STAGE_0 })).toBe('waits');
    const again = await newest(promotion);
    expect(again.idempotencyKey).toMatch(/\/stage-0~2\/edge-\d+\/route$/);
    expect((await report(again))?.outcome).toBe('succeeded');
    expect(await eventsOf(promotion)).toEqual([
      'command.dispatched',
      'route.kept',
      'command.dispatched',
      'route.changed',
    ]);
  });

  test('of a run that goes on where an earlier one stopped takes its command over', async () => {
    const promotion = await begin();
    await ask(promotion, { place: STAGE_0, activityId: '7', runId: 'run-1' });
    expect(await ask(promotion, { place: STAGE_0, activityId: '9', runId: 'run-2' })).toBe('waits');
    const command = await newest(promotion);
    expect(await commandsOf(promotion)).toHaveLength(1);
    expect(command).toMatchObject({ runId: 'run-2', activityId: '9' });
    await report(command);
    const place = { workflowId: command.workflowId, runId: 'run-2', activityId: '9' };
    await asWorker(async (tx) => {
      expect((await findCommandOfActivity(tx, place))?.sequence).toBe(command.sequence);
    });
  });

  test('that comes to the router’s row after what took requests off is not sent; a later one is', async () => {
    const off: RoutePlace = { kind: 'off', exposed: 1 };
    const promotion = await begin();
    await ask(promotion, { place: STAGE_0, activityId: '7' });
    await report(await newest(promotion));
    // Asked for as the 9th, it gets the row after the 10th.
    expect(await ask(promotion, { place: off, activityId: '10' })).toBe('waits');
    for (const place of [STAGE_1, { kind: 'final' } as const]) {
      const late = ask(promotion, { place, activityId: '9' });
      expect(await codeOf(late)).toBe('route-taken-back');
    }
    expect((await newest(promotion)).idempotencyKey).toContain('/off-1/');
    await report(await newest(promotion));
    const again = ask(promotion, { place: { kind: 'prepare', stage: 1 }, activityId: '9' });
    expect(await codeOf(again)).toBe('route-taken-back');
    expect(await commandsOf(promotion)).toHaveLength(2);
    // Numbers of another run say nothing of this one.
    const resumed = { place: STAGE_1, activityId: '11' };
    expect(await ask(promotion, resumed)).toBe('waits');
    await report(await newest(promotion));
    expect(await ask(promotion, { place: STAGE_0, activityId: '3', runId: 'run-2' })).toBe('waits');
    expect(await commandsOf(promotion)).toHaveLength(4);
  });

  test('that was moved and is to be taken off again is not left to an unanswered command of before', async () => {
    const off: RoutePlace = { kind: 'off', exposed: 1 };
    const promotion = await begin();
    await ask(promotion, { place: STAGE_0, activityId: '1' });
    await ask(promotion, { place: off, activityId: '2' });
    await ask(promotion, { place: STAGE_0, activityId: '3' });
    await ask(promotion, { place: off, activityId: '4' });
    const sent = (await commandsOf(promotion)).map(
      ({ idempotencyKey }) => idempotencyKey.split('/')[4],
    );
    expect(sent).toEqual(['stage-0', 'off-1', 'stage-0~2', 'off-1~2']);
  });

  test('is refused with a reason where there is no such rollout, stage, router or target', async () => {
    const none = await begin({ router: null });
    expect(await codeOf(ask(none, { place: STAGE_0 }))).toBe('router-not-in-rollout');
    const far = await begin();
    expect(await codeOf(ask(far, { place: { kind: 'stage', stage: 9 } }))).toBe('stage-unknown');
    const other = await begin({ router: 'web-1' });
    expect(await codeOf(ask(other, { place: STAGE_0 }))).toBe('router-unknown');
    const gone = await begin();
    await scene.database.query(
      `update sluice.targets set removed_at = now() where target_id = 'web-3'`,
    );
    expect(await codeOf(ask(gone, { place: STAGE_0 }))).toBe('target-unknown');
    await scene.database.query(`update sluice.targets set removed_at = null`);
  });

  test('that the signer refuses is a failed result, and another look where a report came just now', async () => {
    const promotion = await begin();
    let code = 'canary-not-confirmed';
    signer = {
      ...signer,
      signCommand: async () => {
        const error = new Error('The signer refused: no.');
        throw Object.assign(error, { code: 'signer-refused', refusalCode: code });
      },
    };
    expect(await codeOf(ask(promotion, { place: STAGE_0 }))).toBe('canary-not-confirmed');
    code = 'payload-differs';
    await expect(ask(promotion, { place: STAGE_0 })).rejects.toThrow('The signer refused');
  });
});

describe('putting back', () => {
  test('sends nothing where nothing was moved', async () => {
    const promotion = await begin();
    expect(await ask(promotion, { place: RESTORE })).toMatchObject({ outcome: 'succeeded' });
    expect(await commandsOf(promotion)).toEqual([]);
  });

  test('replaces whatever is in force, also where nobody knows what that is', async () => {
    const before = await asWorker((tx) => readSteadyRoute(tx, router));
    const promotion = await begin({ routeBefore: before });
    await ask(promotion, { place: STAGE_0 });
    const unknown = await newest(promotion);
    expect(await ask(promotion, { place: RESTORE })).toBe('waits');
    const back = await newest(promotion);
    expect(payloadOf(back)).not.toHaveProperty('expects');
    expect(payloadOf(back).table.canaryPermille).toBe(0);
    await report(back);
    // The report of the change that it replaced comes late: what is in force stays what it is.
    await report(unknown);
    await asWorker(async (tx) => {
      expect((await findRoute(tx, router))?.commandDigest).toBe(back.commandDigest);
    });
    expect(await ask(promotion, { place: RESTORE })).toMatchObject({ outcome: 'succeeded' });
    expect(await commandsOf(promotion)).toHaveLength(2);
  });

  test('does not wait for an agent that is offline, and leaves it the command', async () => {
    const promotion = await begin();
    await ask(promotion, { place: STAGE_0 });
    await report(await newest(promotion));
    await scene.database.query(
      `update sluice.agents set last_heartbeat_at = now() - interval '61 seconds' where target_id = $1`,
      [router],
    );
    const off: RoutePlace = { kind: 'off', exposed: 1 };
    expect(await codeOf(ask(promotion, { place: off }))).toBe('router-offline');
    const command = await newest(promotion);
    expect(payloadOf(command).table.canaryPermille).toBe(0);
    // It comes back: what it says is recorded, and answers whoever asks again.
    expect((await report(command))?.outcome).toBe('succeeded');
    expect(await ask(promotion, { place: off })).toMatchObject({ outcome: 'succeeded' });
    expect(await commandsOf(promotion)).toHaveLength(2);
  });

  test('is sent again where the agent found another table than the records have', async () => {
    const promotion = await begin();
    await ask(promotion, { place: STAGE_0 });
    await report(await newest(promotion));
    await ask(promotion, { place: STAGE_1 });
    await report(await newest(promotion), 'refused', 'route-stale');
    // Nobody knows what is in force: the next change replaces it.
    await ask(promotion, { place: STAGE_1 });
    expect(payloadOf(await newest(promotion))).not.toHaveProperty('expects');
    await report(await newest(promotion));
  });

  test('of a rollback undoes the newest rollout that did not complete, and no other', async () => {
    const stable = await begin();
    await ask(stable, { place: { kind: 'final' } });
    await report(await newest(stable));
    const completed = { state: 'completed', stage: 2, phase: 'held', reason: null } as const;
    const key = { promotionId: stable.promotionId, stepId: ROLLOUT_STEP, round: 1 };
    await asWorker((tx) => setRolloutPosition(tx, key, completed));
    const before = await asWorker((tx) => readSteadyRoute(tx, router));
    expect(before?.pools.stable.map(({ name }) => name)).toEqual(TARGETS);
    const off: RoutePlace = { kind: 'off', exposed: 0 };
    const first = await beginRollback();
    expect(await ask(first, { place: off, of: router })).toMatchObject({ outcome: 'succeeded' });
    expect(await ask(first, { place: RESTORE, of: router })).toMatchObject({
      outcome: 'succeeded',
    });
    expect(await commandsOf(first)).toEqual([]);

    const left = await begin({ routeBefore: before });
    await ask(left, { place: STAGE_1 });
    await report(await newest(left));
    // What an unfinished rollout left is nothing to go back to.
    expect(await asWorker((tx) => readSteadyRoute(tx, router))).toEqual(before);
    const second = await beginRollback();
    expect(await ask(second, { place: off, of: router })).toBe('waits');
    const { table } = payloadOf(await newest(second));
    expect(table).toMatchObject({ canaryPermille: 0, match: [] });
    expect(table.pools.canary.map(({ name }) => name)).toEqual(['web-1', 'web-2']);
    await report(await newest(second));
    expect(await ask(second, { place: RESTORE, of: router })).toBe('waits');
    expect(payloadOf(await newest(second)).table).toEqual(before);
    await report(await newest(second));
    expect(await ask(second, { place: RESTORE, of: router })).toMatchObject({
      outcome: 'succeeded',
    });
    expect(await codeOf(ask(second, { place: STAGE_0, of: router }))).toBe('router-not-in-rollout');
  });
});

describe('a router that never had a table', () => {
  test('sends nobody to targets that run nothing, and all where something is', async () => {
    await scene.database.query(`delete from sluice.current_releases where target_id <> 'web-2'`);
    const promotion = await begin();
    await ask(promotion, { place: STAGE_0 });
    expect(payloadOf(await newest(promotion)).table.pools).toMatchObject({
      canary: [{ name: 'web-1' }],
      stable: [{ name: 'web-2' }],
    });
    await scene.database.query(`delete from sluice.current_releases`);
    const other = await begin();
    await ask(other, { place: STAGE_0 });
    expect(payloadOf(await newest(other)).table).toMatchObject({
      canaryPermille: 0,
      pools: { canary: [], stable: [{ name: 'web-1' }] },
    });
    await fill(TARGETS);
  });
});

/** A rollback that holds the environment and is about to deploy. */
async function beginRollback(): Promise<PromotionRecord> {
  const { promotionId } = await scene.addPromotion(release, { kind: 'rollback' });
  return asWorker(async (tx) => {
    await storeRules(tx, promotionId, {
      releaseDigest: release,
      pipeline: ROLLBACK_PIPELINE,
      targets: TARGETS,
      deadlines: DEFAULT_DEADLINES,
      form: 2,
      kind: 'rollback',
    });
    await insertSteps(tx, promotionId, [{ id: ROLLOUT_STEP, type: 'deploy@1' }]);
    await setPromotionState(tx, { promotionId, state: 'running' });
    return getPromotion(tx, promotionId);
  });
}

async function codeOf(answer: Promise<StepResult | 'waits'>): Promise<string | undefined> {
  const result = await answer;
  return result === 'waits' ? 'waits' : result.reason?.code;
}

async function eventsOf({ promotionId }: PromotionRecord): Promise<readonly string[]> {
  const rows = await scene.database.query<{ type: string }>(
    `select type from sluice.events where promotion_id = $1 and (type like 'route.%' or type = 'command.dispatched')
      order by arrival`,
    [promotionId],
  );
  return rows.map(({ type }) => type);
}
