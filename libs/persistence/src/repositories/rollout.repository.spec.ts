import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Pool } from '../pool.ts';
import { createScene, createTestDatabase, type TestDatabase } from '../testing/index.ts';
import { type Tx, withTenant } from '../transaction.ts';
import { insertPromotion, setPromotionState } from './promotion.repository.ts';
import {
  findRollout,
  insertRollout,
  listOpenRollouts,
  listRolloutsOf,
  type RolloutKey,
  type RolloutPositionRecord,
  type StoredRolloutLayout,
  setRolloutPosition,
} from './rollout.repository.ts';
import {
  findSteer,
  insertSteer,
  listRolloutSteersOf,
  MAX_STEERS_A_PROMOTION,
  type NewRolloutSteer,
  reaskSteer,
  recordSteer,
  refuseSteer,
} from './rollout-steer.repository.ts';

let database: TestDatabase;
let app: Pool;
let worker: Pool;
let releaseDigest: string;
const inApp = <T>(work: (tx: Tx) => Promise<T>) => withTenant(app, 'acme', work);
const inWorker = <T>(work: (tx: Tx) => Promise<T>) => withTenant(worker, 'acme', work);

const layout: StoredRolloutLayout = {
  strategy: 'canary',
  stages: ['few', 'all'].map((name, at) => ({
    name,
    from: at,
    to: at + 1,
    maxParallel: 1,
    canaryPermille: at === 0 ? 100 : 1000,
    soakSeconds: 60,
    analyse: true,
    gate: at > 0,
    pause: false,
  })),
  router: 'proxy',
  onFail: 'revert',
  onInconclusive: 'pause',
  pauseSeconds: 3600,
  members: ['host-1', 'host-2'],
};

beforeAll(async () => {
  database = await createTestDatabase();
  app = database.poolOf('sluice_app');
  worker = database.poolOf('sluice_worker');
  ({ releaseDigest } = await createScene(database));
});

afterAll(() => database.drop());

async function promote(environment = 'prod'): Promise<string> {
  const { promotionId } = await inApp((tx) =>
    insertPromotion(tx, {
      environment,
      releaseDigest,
      kind: 'promote',
      requestedBy: 'release-manager',
      requestedPerson: 'release-manager',
      traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`,
      steps: [
        { id: 'roll', type: 'rollout@1' },
        { id: 'later', type: 'rollout@1' },
      ],
    }),
  );
  return promotionId;
}

const lay = (promotionId: string, more: Partial<RolloutKey> = {}) =>
  inWorker((tx) =>
    insertRollout(tx, {
      promotionId,
      stepId: 'roll',
      round: 1,
      ...more,
      strategy: layout.strategy,
      layout,
      inputs: { strategy: 'canary', note: 'nul \u0000 here' },
      routeBefore: null,
    }),
  );

const move = (key: RolloutKey, at: Partial<RolloutPositionRecord>) =>
  inWorker((tx) =>
    setRolloutPosition(tx, key, {
      state: 'running',
      stage: 0,
      phase: 'deploy',
      reason: null,
      ...at,
    }),
  );

test('a rollout is laid out once, and stands where its last position says', async () => {
  const promotionId = await promote();
  const key = { promotionId, stepId: 'roll', round: 1 };
  expect(await inApp((tx) => findRollout(tx, key))).toBeUndefined();
  const first = await lay(promotionId);
  expect(first).toEqual({
    inserted: true,
    rollout: {
      ...key,
      strategy: 'canary',
      layout,
      inputs: { strategy: 'canary', note: 'nul \uFFFD here' },
      state: 'running',
      stage: 0,
      phase: 'gate',
      reason: null,
      routeBefore: null,
      startedAt: expect.stringMatching(/Z$/),
      changedAt: expect.any(String),
      endedAt: null,
    },
  });
  expect(await lay(promotionId)).toEqual({ ...first, inserted: false });

  expect(await move(key, {})).toBe(true);
  expect(await move(key, {})).toBe(false);
  const reason = { code: 'rollout-paused', message: 'Wait \u0000.' };
  expect(await move(key, { state: 'paused', stage: 1, phase: 'held', reason })).toBe(true);
  expect(await move(key, { state: 'paused', stage: 1, phase: 'held', reason })).toBe(false);
  await expect(move(key, { stage: 0 })).rejects.toMatchObject({ code: 'illegal-transition' });
  expect(await inApp((tx) => findRollout(tx, { promotionId, stepId: 'roll' }))).toMatchObject({
    state: 'paused',
    stage: 1,
    phase: 'held',
    reason: { code: 'rollout-paused', message: 'Wait \uFFFD.' },
    endedAt: null,
  });
  expect(await move(key, { state: 'completed', stage: 1, phase: 'held' })).toBe(true);
  expect(await move(key, { state: 'completed', stage: 1, phase: 'held' })).toBe(false);
  await expect(move(key, { state: 'failed', stage: 1 })).rejects.toMatchObject({
    code: 'illegal-transition',
  });
  await expect(move({ ...key, round: 9 }, {})).rejects.toMatchObject({ code: 'not-found' });
  expect(await inApp((tx) => findRollout(tx, key))).toMatchObject({
    state: 'completed',
    reason: null,
    endedAt: expect.any(String),
  });
  // A run after a reset does it again.
  expect(await move(key, { stage: 1 })).toBe(true);
  expect(await inApp((tx) => findRollout(tx, key))).toMatchObject({
    state: 'running',
    endedAt: null,
  });
  expect(await move(key, { state: 'aborted', stage: 1 })).toBe(true);
});

test("lists show each step's newest round, and as open only what neither it nor its promotion ended", async () => {
  const [one, two, dev] = [await promote(), await promote(), await promote('dev')];
  for (const promotionId of [one, two, dev]) await lay(promotionId);
  await lay(one, { stepId: 'later' });
  await lay(one, { round: 2 });
  const listed = await inApp((tx) => listRolloutsOf(tx, [two, one, one, 'prod/999']));
  expect(listed.map(({ promotionId, stepId, round }) => [promotionId, stepId, round])).toEqual([
    [one, 'later', 1],
    [one, 'roll', 2],
    [two, 'roll', 1],
  ]);
  expect((await inApp((tx) => findRollout(tx, { promotionId: one, stepId: 'roll' })))?.round).toBe(
    2,
  );
  const open = async (environment?: string) => {
    const rollouts = await inWorker((tx) => listOpenRollouts(tx, environment));
    return rollouts.map(({ promotionId, stepId, round }) => `${promotionId} ${stepId} ${round}`);
  };
  expect(await open('prod')).toEqual([`${two} roll 1`, `${one} later 1`, `${one} roll 2`]);
  expect(await open()).toContain(`${dev} roll 1`);
  await move({ promotionId: one, stepId: 'later', round: 1 }, { state: 'aborted' });
  await inWorker((tx) => setPromotionState(tx, { promotionId: two, state: 'cancelled' }));
  expect(await open('prod')).toEqual([`${one} roll 2`]);
});

const steer = (promotionId: string, key: string): NewRolloutSteer => ({
  steerId: `release-manager/${key}`,
  promotionId,
  stepId: 'roll',
  action: 'pause',
  principalId: 'release-manager',
  personId: 'release-manager',
  comment: 'Hold \u0000 it.',
});
const ask = (input: NewRolloutSteer) => inApp((tx) => insertSteer(tx, input));
const record = (steerId: string, stage = 1) =>
  inWorker((tx) => recordSteer(tx, { steerId, round: 1, stage }));
const refuse = (steerId: string) =>
  inApp((tx) => refuseSteer(tx, { steerId, code: 'rollout-ended', message: 'Too late.' }));

test('a steer is stored once; what was refused may be asked again, what is recorded stays so', async () => {
  const promotionId = await promote();
  const input = steer(promotionId, 'once');
  const answers = await Promise.all([ask(input), ask(input), ask({ ...input, comment: 'Other' })]);
  expect(answers.filter(({ inserted }) => inserted)).toHaveLength(1);
  expect(new Set(answers.map(({ steer: { comment } }) => comment)).size).toBe(1);
  const { steerId } = input;
  expect(await inApp((tx) => findSteer(tx, steerId))).toMatchObject({
    state: 'asked',
    refusal: null,
    round: null,
    stage: null,
    decidedAt: null,
  });
  expect(await refuse(steerId)).toBe(true);
  expect(await refuse(steerId)).toBe(false);
  expect(await inApp((tx) => findSteer(tx, steerId))).toMatchObject({
    state: 'refused',
    refusal: { code: 'rollout-ended', message: 'Too late.' },
  });
  expect(await inApp((tx) => reaskSteer(tx, steerId))).toBe(true);
  expect(await inApp((tx) => reaskSteer(tx, steerId))).toBe(false);
  expect(await record(steerId)).toBe(true);
  expect(await record(steerId)).toBe(false);
  expect(await refuse(steerId)).toBe(false);
  expect(await inApp((tx) => findSteer(tx, steerId))).toMatchObject({
    state: 'recorded',
    refusal: null,
    round: 1,
    stage: 1,
  });
  await expect(record(steerId, 2)).rejects.toMatchObject({ code: 'record-conflict' });
  await expect(record('release-manager/none')).rejects.toMatchObject({ code: 'not-found' });

  // Refused while the promotion took it into account: what happened counts.
  await ask(steer(promotionId, 'race'));
  await refuse('release-manager/race');
  expect(await record('release-manager/race')).toBe(true);
  const listed = await inApp((tx) => listRolloutSteersOf(tx, [promotionId, 'prod/999']));
  expect(listed.map(({ steerId: id, state }) => [id, state])).toEqual([
    ['release-manager/once', 'recorded'],
    ['release-manager/race', 'recorded'],
  ]);
});

test('of very many steers the newest are listed, oldest first', async () => {
  const promotionId = await promote();
  await database.query(
    `insert into sluice.rollout_steers (tenant_id, steer_id, promotion_id, step_id, action, principal_id, person_id, comment, asked_at)
     select 'acme', 'many/' || lpad(n::text, 4, '0'), $1, 'roll', 'pause', 'p', 'p', '', now() + n * interval '1 second'
       from generate_series(1, $2::integer) n`,
    [promotionId, MAX_STEERS_A_PROMOTION + 5],
  );
  const listed = await inApp((tx) => listRolloutSteersOf(tx, [promotionId]));
  expect(listed).toHaveLength(MAX_STEERS_A_PROMOTION);
  expect([listed[0]?.steerId, listed.at(-1)?.steerId]).toEqual(['many/0006', 'many/0205']);
});

test('the API can lay out and record nothing, and the worker can ask for nothing', async () => {
  const promotionId = await promote();
  await lay(promotionId);
  await ask(steer(promotionId, 'rights'));
  const denied = [
    `update sluice.rollouts set state = 'completed', ended_at = now()`,
    `update sluice.rollout_steers set round = 1`,
    `update sluice.rollout_steers set action = 'promote'`,
    'delete from sluice.rollouts',
    'delete from sluice.rollout_steers',
  ];
  for (const sql of denied) {
    await expect(inApp((tx) => tx.query(sql))).rejects.toMatchObject({ code: '42501' });
  }
  const unrecordable = `update sluice.rollout_steers set state = 'recorded', decided_at = now()`;
  await expect(inApp((tx) => tx.query(unrecordable))).rejects.toMatchObject({ code: '23514' });
  await expect(
    inWorker((tx) => insertSteer(tx, steer(promotionId, 'forged'))),
  ).rejects.toMatchObject({ code: '42501' });
  await expect(
    inWorker((tx) => tx.query(`update sluice.rollouts set layout = '{}'`)),
  ).rejects.toMatchObject({ code: '42501' });
});
