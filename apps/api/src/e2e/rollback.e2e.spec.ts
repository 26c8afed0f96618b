import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { NOTHING_RELEASE, ROLLBACK_PIPELINE } from '@sluice/domain';
import {
  preemptLease,
  setCurrentRelease,
  setPromotionState,
  takeLease,
  withTenant,
} from '@sluice/persistence';
import { confirmDeployment } from '@sluice/persistence/testing';
import { releaseDigest } from '@sluice/pure';
import { addPromotion, addRelease } from '../testing/scene.ts';
import { type Json, startTestApi, TENANT, type TestApi, tokenOf } from '../testing/test-api.ts';

let api: TestApi;
let one: string;
let two: string;
let three: string;

beforeAll(async () => {
  api = await startTestApi();
  [one, two, three] = (await Promise.all(
    ['1.0.0', '2.0.0', '3.0.0'].map((version) => addRelease(api, version)),
  )) as [string, string, string];
});

afterAll(async () => {
  await api?.stop();
});

const ROLL_BACK = `mutation ($input: RollbackEnvironmentInput!) {
  rollbackEnvironment(input: $input) {
    __typename
    ... on Promotion { id kind state requestedBy rollbackTo requestedReason release { id name version components { name } } steps { id type } }
    ... on Refusal { code message }
    ... on InvalidInput { field }
    ... on NotPermitted { permission }
  }
}`;

let keys = 0;

async function rollBack(input: Record<string, unknown>, by = 'admin'): Promise<Json> {
  keys += 1;
  const whole = { environment: 'dev', reason: 'it broke', idempotencyKey: `key-${keys}`, ...input };
  const answer = await api.ask(ROLL_BACK, { input: whole }, tokenOf(by));
  expect(answer.errors).toEqual([]);
  return answer.data?.rollbackEnvironment;
}

/** A promotion that ended, and what it left behind. */
async function ended(
  release: string,
  state: 'succeeded' | 'failed' | 'reverted',
  environment = 'dev',
  kind: 'promote' | 'rollback' = 'promote',
  isDeployed = true,
): Promise<void> {
  const promotionId = await addPromotion(api, release, TENANT, { environment, kind });
  await withTenant(api.workerPool, TENANT, async (tx) => {
    await setPromotionState(tx, { promotionId, state: 'running' });
    const target = environment === 'dev' ? 'acme-host' : 'acme-prod';
    if (state === 'succeeded' && isDeployed) await confirmDeployment(tx, promotionId, target);
    await setPromotionState(tx, { promotionId, state });
    if (state !== 'succeeded') return;
    const side = { release, components: [], settings: {} };
    await setCurrentRelease(tx, { target, promotionId, side });
  });
}

test('where nothing was verified there is no way back but to nothing', async () => {
  expect(await rollBack({ to: 'LAST_VERIFIED' })).toMatchObject({
    __typename: 'StateConflict',
    code: 'no-verified-release',
  });
  const emptied = await rollBack({ to: 'NOTHING' });
  expect(emptied).toMatchObject({
    __typename: 'Promotion',
    kind: 'ROLLBACK',
    rollbackTo: 'NOTHING',
    requestedReason: 'it broke',
    state: 'REQUESTED',
    release: { id: releaseDigest(NOTHING_RELEASE), name: 'nothing', version: '0', components: [] },
    steps: ROLLBACK_PIPELINE.steps.map(({ id, type }) => ({ id, type })),
  });
  expect(await rollBack({ to: 'NOTHING' })).toMatchObject({ release: { name: 'nothing' } });
  const outbox = await api.database.query<{ body: Json }>(
    "select body from sluice.outbox where body->>'workflowId' = $1",
    [`promotion/acme/${emptied.id}`],
  );
  expect(outbox).toMatchObject([
    { body: { workflowType: 'promoteRelease', input: { kind: 'rollback', environment: 'dev' } } },
  ]);
  const events = await api.database.query(
    "select actor, data from sluice.events where type = 'promotion.requested' and promotion_id = $1",
    [emptied.id],
  );
  expect(events).toMatchObject([
    { actor: 'principal:admin', data: { kind: 'rollback', to: 'NOTHING', reason: 'it broke' } },
  ]);
});

test('the last verified release is the one before the one that runs', async () => {
  await ended(one, 'succeeded');
  await ended(two, 'succeeded');
  expect((await rollBack({ to: 'LAST_VERIFIED' })).release.id).toBe(one);
  // One that failed later is not verified any more.
  await ended(three, 'succeeded');
  await ended(two, 'failed');
  expect((await rollBack({ to: 'LAST_VERIFIED' })).release.id).toBe(one);
});

test('while one is being deployed the last verified is the one that it replaces', async () => {
  const promotionId = await addPromotion(api, two, TENANT);
  await withTenant(api.workerPool, TENANT, (tx) =>
    takeLease(tx, { resource: 'environment:dev', holder: `promotion:${promotionId}` }),
  );
  expect((await rollBack({ to: 'LAST_VERIFIED' })).release.id).toBe(three);
});

test('while a rollback runs another one goes where that one goes, never back to what it leaves', async () => {
  const promotionId = await addPromotion(api, one, TENANT, { kind: 'rollback' });
  await withTenant(api.workerPool, TENANT, (tx) =>
    preemptLease(tx, { resource: 'environment:dev', holder: `promotion:${promotionId}` }),
  );
  expect((await rollBack({ to: 'LAST_VERIFIED' })).release.id).toBe(one);
});

test('asked again after a rollback has ended it never brings back what was rolled back from', async () => {
  await ended(one, 'succeeded', 'prod');
  await ended(two, 'succeeded', 'prod');
  expect((await rollBack({ environment: 'prod', to: 'LAST_VERIFIED' })).release.id).toBe(one);
  await ended(one, 'succeeded', 'prod', 'rollback');
  expect(await rollBack({ environment: 'prod', to: 'LAST_VERIFIED' })).toMatchObject({
    code: 'no-verified-release',
  });
});

test('an emptied environment is never what is rolled back to', async () => {
  await ended(one, 'succeeded', 'prod');
  await rollBack({ environment: 'prod', to: 'NOTHING' });
  await ended(releaseDigest(NOTHING_RELEASE), 'succeeded', 'prod', 'rollback');
  await ended(two, 'succeeded', 'prod');
  expect((await rollBack({ environment: 'prod', to: 'LAST_VERIFIED' })).release.id).toBe(one);
});

test('a named release must have been verified there', async () => {
  expect((await rollBack({ to: 'RELEASE', release: one })).release.id).toBe(one);
  // It was verified once, though not the last time.
  expect((await rollBack({ to: 'RELEASE', release: two })).release.id).toBe(two);
  expect(await rollBack({ environment: 'prod', to: 'RELEASE', release: three })).toMatchObject({
    __typename: 'StateConflict',
    code: 'release-not-verified-here',
  });
  expect(await rollBack({ to: 'RELEASE', release: `sha256:${'0'.repeat(64)}` })).toMatchObject({
    __typename: 'NotFound',
    code: 'release-unknown',
  });
});

test('a release is named exactly when it is asked for', async () => {
  for (const input of [
    { to: 'RELEASE' },
    { to: 'RELEASE', release: null },
    { to: 'NOTHING', release: one },
    { to: 'LAST_VERIFIED', release: one },
  ]) {
    expect(await rollBack(input)).toMatchObject({ __typename: 'InvalidInput', field: 'release' });
  }
});

test('the environment says which roles may', async () => {
  const { data } = await api.ask('{ environments { name rollbackRoles } }');
  expect(data?.environments).toContainEqual({ name: 'dev', rollbackRoles: ['admin'] });
  expect(await rollBack({ to: 'NOTHING' }, 'release-manager')).toMatchObject({
    __typename: 'NotPermitted',
    permission: 'environment.rollback',
    message: expect.stringContaining('admin only'),
  });
  expect(await rollBack({ environment: 'prod', to: 'NOTHING' }, 'release-manager')).toMatchObject({
    __typename: 'Promotion',
    requestedBy: 'release-manager',
  });
  expect(await rollBack({ to: 'NOTHING' }, 'approver')).toMatchObject({
    __typename: 'NotPermitted',
  });
  expect(await rollBack({ environment: 'nowhere', to: 'NOTHING' })).toMatchObject({
    code: 'environment-unknown',
  });
  expect(await rollBack({ environment: 'empty', to: 'NOTHING' })).toMatchObject({
    code: 'environment-without-targets',
  });
});

test('nothing is put somewhere by a rollback only, and a release only where it may go', async () => {
  const request = async (release: string, environment: string): Promise<Json> => {
    keys += 1;
    const answer = await api.ask(
      'mutation ($input: RequestPromotionInput!) { requestPromotion(input: $input) { __typename ... on Refusal { code message } } }',
      { input: { release, environment, idempotencyKey: `request-${keys}` } },
    );
    return answer.data?.requestPromotion;
  };
  expect(await request(releaseDigest(NOTHING_RELEASE), 'dev')).toMatchObject({
    __typename: 'StateConflict',
    code: 'release-is-nothing',
  });
  const fresh = await addRelease(api, '4.0.0');
  expect(await request(fresh, 'prod')).toMatchObject({
    __typename: 'StateConflict',
    code: 'predecessor-not-verified',
    message: expect.stringContaining('dev'),
  });
  // Verified once, failed since: it has to be verified again.
  expect(await request(two, 'prod')).toMatchObject({ code: 'predecessor-not-verified' });
  // A success that reached no target is no verification.
  await ended(fresh, 'succeeded', 'dev', 'promote', false);
  expect(await request(fresh, 'prod')).toMatchObject({ code: 'predecessor-not-verified' });
  await ended(fresh, 'succeeded');
  expect(await request(fresh, 'prod')).toMatchObject({ __typename: 'Promotion' });
});
