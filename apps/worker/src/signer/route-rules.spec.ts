import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import {
  composePlanPayload,
  composeRoute,
  composeRoutePayload,
  frozenCoursesOf,
  routeKey,
} from '@sluice/activities';
import {
  beginRollout,
  ROLLOUT_STEP,
  SCENE_TENANT,
  type SceneRollout,
} from '@sluice/activities/testing';
import {
  composeRouteTable,
  DEFAULT_DEADLINES,
  ROLLBACK_PIPELINE,
  type RoutePlace,
  type RouteTable,
} from '@sluice/domain';
import {
  type CommandRecord,
  enrolAgent,
  findCommandByIdempotencyKey,
  findDeployment,
  getPlan,
  getPromotion,
  insertCommand,
  insertDecision,
  insertRouteChange,
  insertSteps,
  nextCommandSequence,
  type PromotionRecord,
  revokeAgent,
  setPromotionState,
  setRolloutPosition,
  storeRules,
  type Tx,
  takeLease,
} from '@sluice/persistence';
import { canonicalJson, digestOf, digestOfBytes } from '@sluice/pure';
import { generateKeyPair, type KeyPair, type SignCommandRequest } from '@sluice/signing';

import { signCommand } from './command-signing.ts';
import {
  createSignerScene,
  decisionOf,
  SCENE_POLICY,
  type SignerScene,
} from './testing/signer-scene.ts';

const MEMBERS = ['web-1', 'web-2', 'web-3'];
const STAGE_0: RoutePlace = { kind: 'stage', stage: 0 };
const RESTORE: RoutePlace = { kind: 'restore' };
const OFF: RoutePlace = { kind: 'off', exposed: 1 };

let it: SignerScene;
let release: string;
let router: string;
const unused = Array.from({ length: 16 }, (_, index) => `edge-${index}`);

beforeAll(async () => {
  it = await createSignerScene({ targets: MEMBERS, routers: [...unused], before: ['old'] });
  release = await it.scene.addRelease('1.0.0');
});
beforeEach(() => {
  router = unused.pop() ?? 'none';
});
afterAll(() => it.scene.database.drop());

const begin = (more: Partial<SceneRollout> = {}) =>
  beginRollout(it.scene, {
    releaseDigest: release,
    members: MEMBERS,
    router,
    policyDigest: SCENE_POLICY,
    // Servers of before are sent requests to, whatever they run.
    routeBefore: tableOf(MEMBERS),
    ...more,
  });

function tableOf(stable: readonly string[]): RouteTable {
  const servers = stable.map((name) => ({
    name,
    address: '127.0.0.1',
    port: 8080 + MEMBERS.indexOf(name),
  }));
  const pools = { stable: servers, canary: [] };
  return composeRouteTable({ backend: 'shop', pools, canaryPermille: 0, match: [] });
}

/** What an honest worker asks for, but for what is changed. */
async function order(
  { promotionId }: PromotionRecord,
  place: RoutePlace,
  changed: Partial<SignCommandRequest> = {},
): Promise<SignCommandRequest> {
  const now = Date.now();
  const made = await it.asWorker(async (tx) => {
    const promotion = await getPromotion(tx, promotionId);
    const key = { stepId: ROLLOUT_STEP, round: 1, place, router };
    const answer = await composeRoute(tx, frozenCoursesOf(it.scene.worker), { ...key, promotion });
    if (answer.kind !== 'route') return undefined;
    const { table, digest } = answer.route;
    const payload = await composeRoutePayload(tx, promotion, place, answer.route);
    return { table, planDigest: digest, payloadDigest: digestOf(payload), payload };
  });
  const key = { promotionId, stepId: ROLLOUT_STEP, round: 1, place, router, attempt: 1 };
  return {
    tenantId: SCENE_TENANT,
    promotionId,
    target: router,
    kind: 'route',
    planDigest: made?.planDigest ?? digestOfBytes('table'),
    payloadDigest: made?.payloadDigest ?? digestOfBytes('payload'),
    idempotencyKey: routeKey(key),
    sequence: 1000,
    notBefore: new Date(now - 1000).toISOString(),
    expiresAt: new Date(now + 60_000).toISOString(),
    ...changed,
  };
}

/** `signed`, or the code of the refusal. */
async function sign(
  promotion: PromotionRecord,
  place: RoutePlace,
  changed?: Partial<SignCommandRequest>,
): Promise<string> {
  const answer = await signCommand(it.signer, it.keyPair, await order(promotion, place, changed));
  return answer.ok ? 'signed' : answer.refusal.code;
}

/** Signs and stores a command as the worker does, by this key. */
async function send(request: SignCommandRequest, payload: string, key: KeyPair = it.keyPair) {
  const answer = await signCommand(it.signer, key, request);
  if (!answer.ok) throw new Error(answer.refusal.message);
  const { envelope, commandDigest } = answer.value as Pick<
    CommandRecord,
    'envelope' | 'commandDigest'
  >;
  const { promotionId, target, kind, sequence, idempotencyKey, expiresAt } = request;
  await it.asWorker((tx) =>
    insertCommand(tx, {
      ...{ promotionId, target, kind, sequence, idempotencyKey, expiresAt, envelope },
      ...{ commandDigest, payload, releaseDigest: null, fencingToken: 1 },
      ...{ workflowId: 'w', runId: 'r', activityId: `${sequence}` },
    }),
  );
  return getCommand(idempotencyKey);
}

async function getCommand(idempotencyKey: string): Promise<CommandRecord> {
  const command = await it.asWorker((tx) => findCommandByIdempotencyKey(tx, idempotencyKey));
  if (command === undefined) throw new Error(`There is no command ${idempotencyKey}.`);
  return command;
}

/** A deployment that the signer signed; its agent says `stage` of it. */
async function deploy(
  promotion: PromotionRecord,
  target: string,
  stage: 'confirmed' | 'reverted' | null = 'confirmed',
): Promise<void> {
  const { promotionId } = promotion;
  const made = await it.asWorker(async (tx) => {
    const deployment = await findDeployment(tx, promotionId, target);
    const plan = await getPlan(tx, deployment?.planDigest ?? '');
    const payload = canonicalJson(await composePlanPayload(tx, promotion, 'deploy', plan));
    const sequence = await nextCommandSequence(tx, target);
    return { payload, sequence, planDigest: deployment?.planDigest ?? '' };
  });
  const request = await order(promotion, STAGE_0, {
    target,
    kind: 'deploy',
    planDigest: made.planDigest,
    payloadDigest: digestOfBytes(made.payload),
    sequence: made.sequence,
    idempotencyKey: `${promotionId}/${ROLLOUT_STEP}/${target}/deploy`,
  });
  const command = await send(request, made.payload);
  const failure = { code: 'service-unhealthy', message: 'It answered 500.' };
  if (stage === 'confirmed') await it.scene.report(command, stage, release);
  if (stage === 'reverted') await it.scene.report(command, stage, null, failure);
}

/** The router's agent put a table in force, by a command that the signer signed. */
async function move(promotion: PromotionRecord, place: RoutePlace): Promise<void> {
  const sequence = await it.asWorker((tx) => nextCommandSequence(tx, router));
  const request = await order(promotion, place, { sequence });
  const command = await send(request, '{}');
  await it.asWorker((tx) => storeChange(tx, promotion, place, command));
  await it.scene.report(command, 'confirmed', null);
}

async function storeChange(
  tx: Tx,
  { promotionId }: PromotionRecord,
  place: RoutePlace,
  { commandDigest }: CommandRecord,
): Promise<void> {
  const promotion = await getPromotion(tx, promotionId);
  const key = { stepId: ROLLOUT_STEP, round: 1, place, router };
  const answer = await composeRoute(tx, frozenCoursesOf(it.scene.worker), { ...key, promotion });
  if (answer.kind !== 'route') throw new Error(answer.kind);
  const { table, stage } = answer.route;
  const where = { promotionId, stepId: ROLLOUT_STEP, round: 1 };
  await insertRouteChange(tx, { ...where, commandDigest, router, stage, table });
}

describe('requests for the new version', () => {
  test('go to whoever has it by a signed report, and to nobody else', async () => {
    const promotion = await begin();
    expect(await sign(promotion, { kind: 'prepare', stage: 0 })).toBe('signed');
    expect(await sign(promotion, STAGE_0)).toBe('canary-not-confirmed');
    await deploy(promotion, 'web-1', null);
    expect(await sign(promotion, STAGE_0)).toBe('canary-not-confirmed');
    const command = await getCommand(`${promotion.promotionId}/${ROLLOUT_STEP}/web-1/deploy`);
    await it.scene.report(command, 'confirmed', release);
    expect(await sign(promotion, STAGE_0)).toBe('signed');
    expect(await sign(promotion, { kind: 'stage', stage: 1 })).toBe('canary-not-confirmed');
    expect(await sign(promotion, { kind: 'final' })).toBe('canary-not-confirmed');
    await deploy(promotion, 'web-2', 'reverted');
    expect(await sign(promotion, { kind: 'stage', stage: 1 })).toBe('canary-not-confirmed');
  });

  test('go to all of them at the end, where all have it', async () => {
    const promotion = await begin();
    for (const member of MEMBERS) await deploy(promotion, member);
    expect(await sign(promotion, { kind: 'stage', stage: 2 })).toBe('signed');
    expect(await sign(promotion, { kind: 'final' })).toBe('signed');
  });

  test('are not sent on the word of a key that is not the agent’s', async () => {
    const promotion = await begin();
    await deploy(promotion, 'web-1');
    expect(await sign(promotion, STAGE_0)).toBe('signed');
    const { keyId, publicKey } = generateKeyPair();
    await it.asApi((tx) => enrolAgent(tx, { target: 'web-1', keyId, publicKey, version: '1' }));
    expect(await sign(promotion, STAGE_0)).toBe('canary-not-confirmed');
    const own = it.scene.agents.get('web-1');
    await it.asApi((tx) =>
      enrolAgent(tx, {
        target: 'web-1',
        keyId: own?.keyId ?? '',
        publicKey: own?.publicKey ?? '',
        version: '1',
      }),
    );
  });

  test('need the gate, people where the environment asks for them, and nobody who cancelled', async () => {
    const ungated = await begin({ decision: null });
    expect(await sign(ungated, { kind: 'prepare', stage: 0 })).toBe('decision-missing');
    const { promotionId } = ungated;
    await it.asWorker((tx) =>
      insertDecision(tx, { promotionId, stepId: 'gate', decision: decisionOf('deny') }),
    );
    expect(await sign(ungated, { kind: 'prepare', stage: 0 })).toBe('decision-not-allow');
    const promotion = await begin();
    await deploy(promotion, 'web-1');
    const rule = { count: 1, roles: ['approver'], deadlineSeconds: 60 };
    const setRule = (text: string | null) =>
      it.scene.database.query(
        `update sluice.environments set approval = $1 where environment_id = 'dev'`,
        [text],
      );
    await setRule(JSON.stringify(rule));
    expect(await sign(promotion, STAGE_0)).toBe('approval-missing');
    await setRule(null);
    expect(await sign(promotion, STAGE_0)).toBe('signed');
    await it.scene.database.query(
      `update sluice.promotions set cancel_requested_at = now() where promotion_id = $1`,
      [promotion.promotionId],
    );
    expect(await sign(promotion, STAGE_0)).toBe('promotion-cancelled');
  });

  test('of blue-green are not switched to a group that is not new', async () => {
    const blueGreen = {
      strategy: 'blue-green',
      members: ['web-2', 'web-3'],
      targets: MEMBERS,
      stages: [{ to: 2, canaryPermille: 1000 }],
      routeBefore: tableOf(['web-1']),
    } as const;
    const promotion = await begin(blueGreen);
    expect(await sign(promotion, { kind: 'final' })).toBe('canary-not-confirmed');
    expect(await sign(promotion, STAGE_0)).toBe('canary-not-confirmed');
    await deploy(promotion, 'web-2');
    await deploy(promotion, 'web-3');
    expect(await sign(promotion, STAGE_0)).toBe('signed');
    expect(await sign(promotion, { kind: 'final' })).toBe('signed');
  });
});

describe('a table', () => {
  test('is what the rollout and the targets make, for its own router and place', async () => {
    const promotion = await begin();
    await deploy(promotion, 'web-1');
    const other = digestOfBytes('another table');
    expect(await sign(promotion, STAGE_0, { planDigest: other })).toBe('route-differs');
    expect(await sign(promotion, STAGE_0, { payloadDigest: other })).toBe('payload-differs');
    const { promotionId } = promotion;
    const bad = { idempotencyKey: `${promotionId}/${ROLLOUT_STEP}/1/stage-x/${router}/route` };
    expect(await sign(promotion, STAGE_0, bad)).toBe('route-unknown');
    const far = { idempotencyKey: `${promotionId}/${ROLLOUT_STEP}/1/stage-7/${router}/route` };
    expect(await sign(promotion, STAGE_0, far)).toBe('stage-unknown');
    const none = { idempotencyKey: `${promotionId}/gate/1/stage-0/${router}/route` };
    expect(await sign(promotion, STAGE_0, none)).toBe('rollout-unknown');
    const [alien = ''] = unused;
    const wrong = {
      target: alien,
      idempotencyKey: `${promotionId}/${ROLLOUT_STEP}/1/stage-0/${alien}/route`,
    };
    expect(await sign(promotion, STAGE_0, wrong)).toBe('router-not-in-rollout');
    // A target moved to another address, after the worker had looked.
    const request = await order(promotion, STAGE_0);
    await it.scene.database.query(
      `update sluice.targets set address = '10.0.0.9' where target_id = 'web-3'`,
    );
    const answer = await signCommand(it.signer, it.keyPair, request);
    expect(answer).toMatchObject({ ok: false, refusal: { code: 'route-differs' } });
    await it.scene.database.query(
      `update sluice.targets set address = '127.0.0.1' where target_id = 'web-3'`,
    );
    await it.scene.database.query(
      `update sluice.targets set environment_id = 'old' where target_id = $1`,
      [router],
    );
    expect(await sign(promotion, STAGE_0)).toBe('router-unknown');
  });

  test('is signed for a good key of the router’s agent, once a sequence, under the lease', async () => {
    const promotion = await begin();
    await deploy(promotion, 'web-1');
    await move(promotion, STAGE_0);
    expect(await sign(promotion, { kind: 'prepare', stage: 1 }, { sequence: 1 })).toBe(
      'sequence-used',
    );
    await it.asApi((tx) => revokeAgent(tx, router));
    expect(await sign(promotion, { kind: 'prepare', stage: 1 })).toBe('agent-revoked');
    const next = await begin();
    expect(await sign(promotion, RESTORE)).toBe('lease-not-held');
    const { promotionId } = next;
    const key = { promotionId, stepId: ROLLOUT_STEP, round: 1 };
    const failed = { state: 'failed', stage: 0, phase: 'soak', reason: null } as const;
    await it.asWorker((tx) => setRolloutPosition(tx, key, failed));
    expect(await sign(next, { kind: 'prepare', stage: 0 })).toBe('rollout-ended');
    await it.asWorker((tx) => setPromotionState(tx, { promotionId, state: 'failed' }));
    expect(await sign(next, RESTORE)).toBe('promotion-ended');
  });
});

describe('putting back', () => {
  test('needs that the promotion moved requests, by a command that was signed here', async () => {
    const promotion = await begin({ routeBefore: null });
    expect(await sign(promotion, RESTORE)).toBe('nothing-to-put-back');
    await deploy(promotion, 'web-1');
    await move(promotion, { kind: 'prepare', stage: 0 });
    expect(await sign(promotion, RESTORE)).toBe('signed');
    expect(await sign(promotion, OFF)).toBe('signed');
    await it.scene.database.query(
      `update sluice.promotions set cancel_requested_at = now() where promotion_id = $1`,
      [promotion.promotionId],
    );
    expect(await sign(promotion, RESTORE)).toBe('signed');
    // Another key signed it: nobody says that it ever was.
    const stranger = generateKeyPair();
    const request = await order(promotion, RESTORE);
    const answer = await signCommand(it.signer, stranger, request);
    expect(answer).toMatchObject({ ok: false, refusal: { code: 'nothing-to-put-back' } });
  });

  test('goes to a table that was in force, and to no other', async () => {
    const forged = tableOf(['web-1']);
    const promotion = await begin({ routeBefore: forged });
    await move(promotion, { kind: 'prepare', stage: 0 });
    expect(await sign(promotion, OFF)).toBe('signed');
    expect(await sign(promotion, RESTORE)).toBe('route-before-unknown');
    const next = await begin({ routeBefore: tableOf(['web-2', 'web-3']) });
    await move(next, { kind: 'prepare', stage: 0 });
    // It is what the promotion before had put in force.
    expect(await sign(next, RESTORE)).toBe('signed');
  });

  test('is a rollback’s where a rollout is unfinished and its requester may roll back', async () => {
    const promotion = await begin({ routeBefore: null });
    await deploy(promotion, 'web-1');
    await move(promotion, STAGE_0);
    const rollback = await beginRollback('root');
    expect(await sign(rollback, { kind: 'off', exposed: 0 })).toBe('signed');
    expect(await sign(rollback, RESTORE)).toBe('signed');
    expect(await sign(rollback, STAGE_0)).toBe('router-not-in-rollout');
    expect(await sign(await beginRollback('bob'), RESTORE)).toBe('rollback-not-permitted');
    const key = { promotionId: promotion.promotionId, stepId: ROLLOUT_STEP, round: 1 };
    const completed = { state: 'completed', stage: 2, phase: 'held', reason: null } as const;
    await it.asWorker((tx) => setRolloutPosition(tx, key, completed));
    expect(await sign(await beginRollback('root'), RESTORE)).toBe('nothing-to-put-back');
  });
});

test('putting back is the rollback’s that the alarm of a watch opened, and of no other that nobody asked for', async () => {
  const promotion = await begin({ routeBefore: null });
  await deploy(promotion, 'web-1');
  await move(promotion, STAGE_0);
  const rules = { seconds: 60, everySeconds: 10, probes: { failures: 1 }, onAlarm: 'rollback' };
  await it.scene.database.query(
    `update sluice.environments set watch = $1 where environment_id = 'dev'`,
    [JSON.stringify(rules)],
  );
  const rollback = await beginRollback('system:watch');
  expect(await sign(rollback, RESTORE)).toBe('rollback-not-permitted');
  const watched = await it.scene.addPromotion(await it.scene.addRelease('1.1.0'));
  await it.scene.database.query(
    `insert into sluice.release_watches (tenant_id, promotion_id, rules, state, rollback_id, until, ended_at)
     values ('acme', $1, $2, 'alarmed', $3, now(), now())`,
    [watched.promotionId, JSON.stringify(rules), rollback.promotionId],
  );
  expect(await sign(rollback, { kind: 'off', exposed: 0 })).toBe('signed');
  expect(await sign(rollback, RESTORE)).toBe('signed');
});

async function beginRollback(requestedBy: string): Promise<PromotionRecord> {
  const { promotionId } = await it.scene.addPromotion(release, {
    kind: 'rollback',
    requestedBy,
    requestedPerson: requestedBy,
  });
  return it.asWorker(async (tx) => {
    const pipeline = ROLLBACK_PIPELINE;
    const rules = { releaseDigest: release, pipeline, targets: MEMBERS, form: 2 };
    await storeRules(tx, promotionId, { ...rules, deadlines: DEFAULT_DEADLINES, kind: 'rollback' });
    await insertSteps(tx, promotionId, [{ id: ROLLOUT_STEP, type: 'deploy@1' }]);
    await setPromotionState(tx, { promotionId, state: 'running' });
    await tx.query(`update sluice.leases set holder = null where tenant_id = $1`, [tx.tenantId]);
    await takeLease(tx, { resource: 'environment:dev', holder: `promotion:${promotionId}` });
    return getPromotion(tx, promotionId);
  });
}
