import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { NOTHING_RELEASE, ROLLBACK_PIPELINE } from '@sluice/domain';
import { insertRelease, setPromotionState } from '@sluice/persistence';
import { confirmDeployment } from '@sluice/persistence/testing';
import { digestOf, digestOfBytes, releaseDigest } from '@sluice/pure';
import { createSignerScene, type SignerScene } from './testing/signer-scene.ts';

let it: SignerScene;
let verified: string;
let fresh: string;
beforeAll(async () => {
  it = await createSignerScene({ before: ['staging'] });
  verified = await it.scene.addRelease('1.0.0');
  fresh = await it.scene.addRelease('1.1.0');
  await succeedIn('dev', verified);
  await succeedIn('staging', fresh);
  await it.asApi((tx) => insertRelease(tx, { release: NOTHING_RELEASE, createdBy: 'sluice' }));
});
afterAll(() => it.scene.database.drop());

const rollback = (changed: object = {}) =>
  it.prepare({ releaseDigest: verified, kind: 'rollback', requestedBy: 'root', ...changed });

test('a release that was verified here, asked for by somebody who may: signed without gate and approval', async () => {
  await asksForApproval();
  expect(await it.sign(await rollback())).toBe('signed');
});

test('nothing: signed, and the target is emptied', async () => {
  const prepared = await rollback({ releaseDigest: releaseDigest(NOTHING_RELEASE) });
  expect(prepared.plan.desired).toBeNull();
  expect(await it.sign(prepared)).toBe('signed');
});

test('a release that only another environment verified', async () => {
  expect(await it.sign(await rollback({ releaseDigest: fresh }))).toBe('release-not-verified-here');
});

test('a release whose promotion here succeeded without deploying it', async () => {
  const undeployed = await it.scene.addRelease('1.2.0');
  await succeedIn('dev', undeployed, false);
  const prepared = await rollback({ releaseDigest: undeployed });
  expect(await it.sign(prepared)).toBe('release-not-verified-here');
});

test('emptying a target by a rollback to a release', async () => {
  const prepared = await rollback({ desired: null });
  expect(await it.sign(prepared)).toBe('plan-differs');
});

test.each([
  ['a release manager where only admins may', 'alice', 'alice'],
  ['somebody whom nobody configured', 'mallory', 'mallory'],
  ['a service account of the wrong role', 'alice-bot', 'alice'],
])('%s', async (_what, requestedBy, requestedPerson) => {
  const prepared = await rollback({ requestedBy, requestedPerson });
  expect(await it.sign(prepared)).toBe('rollback-not-permitted');
});

test('a requester who was disabled since, and one whose role changed since', async () => {
  const prepared = await rollback();
  const set = (change: string) =>
    it.scene.database.query(`update sluice.principals set ${change} where principal_id = 'root'`);
  await set('disabled_at = now()');
  expect(await it.sign(prepared)).toBe('rollback-not-permitted');
  await set("disabled_at = null, role = 'approver'");
  expect(await it.sign(prepared)).toBe('rollback-not-permitted');
  await set("role = 'admin'");
  expect(await it.sign(prepared)).toBe('signed');
});

test('the alarm of a watch: only where it opened this very rollback, and the environment wants that', async () => {
  const rules = { seconds: 60, everySeconds: 10, probes: { failures: 1 }, onAlarm: 'rollback' };
  const wish = (onAlarm: string) =>
    it.scene.database.query(
      `update sluice.environments set watch = $1 where environment_id = 'dev'`,
      [JSON.stringify({ ...rules, onAlarm })],
    );
  const prepared = await rollback({ requestedBy: 'system:watch' });
  await wish('rollback');
  expect(await it.sign(prepared)).toBe('rollback-not-permitted');
  const watched = await it.scene.addPromotion(fresh);
  await it.scene.database.query(
    `insert into sluice.release_watches (tenant_id, promotion_id, rules, until) values ('acme', $1, $2, now())`,
    [watched.promotionId, JSON.stringify(rules)],
  );
  expect(await it.sign(prepared)).toBe('rollback-not-permitted');
  const end = (state: string) =>
    it.scene.database.query(
      `update sluice.release_watches set state = $2, ended_at = now(), rollback_id = $1`,
      [prepared.promotion.promotionId, state],
    );
  await end('held');
  expect(await it.sign(prepared)).toBe('rollback-not-permitted');
  await end('alarmed');
  expect(await it.sign(prepared)).toBe('signed');
  await wish('notify');
  expect(await it.sign(prepared)).toBe('rollback-not-permitted');
});

test('a promotion of kind promote that the worker runs as a rollback', async () => {
  const prepared = await it.prepare({
    releaseDigest: verified,
    requestedBy: 'root',
    decision: null,
    rules: {
      pipeline: ROLLBACK_PIPELINE,
      pipelineDigest: digestOf(ROLLBACK_PIPELINE),
      kind: 'rollback',
    },
  });
  expect(await it.sign(prepared)).toBe('decision-missing');
});

test('a rollback is never reverted, and does nothing once it is cancelled', async () => {
  const prepared = await rollback();
  expect(
    await it.sign(prepared, { kind: 'revert', idempotencyKey: keyOf(prepared, 'revert') }),
  ).toBe('rollback-not-reverted');
  const { promotionId } = prepared.promotion;
  await it.scene.database.query(
    `update sluice.promotions set cancel_requested_at = now() where promotion_id = $1`,
    [promotionId],
  );
  expect(await it.sign(prepared)).toBe('promotion-cancelled');
});

test('whoever lost the lease to a rollback gets nothing signed', async () => {
  const old = await it.prepare({ releaseDigest: verified });
  await rollback();
  expect(await it.sign(old)).toBe('lease-not-held');
});

test('a plan that the rollback did not make', async () => {
  const prepared = await rollback();
  const { promotionId } = prepared.promotion;
  const forged = { promotion: promotionId, release: verified, plans: [] };
  await it.scene.database.query(`update sluice.plan_sets set body = $2 where promotion_id = $1`, [
    promotionId,
    forged,
  ]);
  expect(await it.sign(prepared)).toBe('plan-not-in-set');
  expect(await it.sign(prepared, { planDigest: digestOfBytes('none') })).toBe('plan-unknown');
});

test('a target or environment that was taken out of the configuration', async () => {
  const prepared = await rollback();
  const order = await it.order(prepared);
  const set = (value: string) =>
    it.scene.database.query(
      `update sluice.environments set removed_at = ${value} where environment_id = 'dev'`,
    );
  await set('now()');
  expect(await it.sign(prepared, order)).toBe('environment-unknown');
  await set('null');
});

function keyOf({ promotion }: Awaited<ReturnType<typeof rollback>>, kind: string): string {
  return `${promotion.promotionId}/revert/dev-1/${kind}`;
}

async function succeedIn(environment: string, release: string, isDeployed = true): Promise<void> {
  const { promotionId } = await it.scene.addPromotion(release, { environment });
  await it.asWorker(async (tx) => {
    if (isDeployed) await confirmDeployment(tx, promotionId, 'dev-1');
    await setPromotionState(tx, { promotionId, state: 'running' });
    await setPromotionState(tx, { promotionId, state: 'succeeded' });
  });
}

async function asksForApproval(): Promise<void> {
  const rule = { count: 1, roles: ['approver'], deadlineSeconds: 60 };
  await it.scene.database.query(
    `update sluice.environments set approval = $1 where environment_id = 'dev'`,
    [JSON.stringify(rule)],
  );
}
