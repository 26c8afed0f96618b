import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { SCENE_TENANT } from '@sluice/activities/testing';
import { openCommand } from '@sluice/agent-protocol';
import { type ApprovalRule, STANDARD_PIPELINE } from '@sluice/domain';
import { setPromotionState } from '@sluice/persistence';
import { confirmDeployment } from '@sluice/persistence/testing';
import { digestOf, digestOfBytes } from '@sluice/pure';
import { createTrustRoot } from '@sluice/signing';
import { signCommand } from './command-signing.ts';
import { createSignerScene, type SignerScene } from './testing/signer-scene.ts';

const RULE: ApprovalRule = { count: 1, roles: ['approver', 'admin'], deadlineSeconds: 60 };
const TWO: ApprovalRule = { ...RULE, count: 2 };

let it: SignerScene;
let release: string;
beforeAll(async () => {
  it = await createSignerScene({ before: ['staging'] });
  release = await it.scene.addRelease('1.0.0');
});
afterAll(() => it.scene.database.drop());

/** What the environment asks for now, whatever was frozen. */
async function asksNow(rule: ApprovalRule | null, predecessors: readonly string[] = []) {
  await it.scene.database.query(
    `update sluice.environments set approval = $1, predecessors = $2 where environment_id = 'dev'`,
    [rule === null ? null : JSON.stringify(rule), predecessors],
  );
}

async function configure(principal: string, column: 'role' | 'disabled_at', value: string | null) {
  await it.scene.database.query(
    `update sluice.principals set ${column} = $2 where principal_id = $1`,
    [principal, value],
  );
}

describe('without approval', () => {
  beforeAll(() => asksNow(null));

  test('a planned deployment is signed, and its payload says what the plan found', async () => {
    const current = {
      release: digestOfBytes('old'),
      components: [],
      settings: { PORT: '8080' },
    };
    const prepared = await it.prepare({ releaseDigest: release, current });
    const order = await it.order(prepared);
    const answer = await signCommand(it.signer, it.keyPair, order);
    if (!answer.ok) throw new Error(answer.refusal.message);
    const { envelope } = answer.value as { envelope: Parameters<typeof openCommand>[0] };
    const { publicKey } = it.keyPair;
    const root = createTrustRoot([
      { publicKey, use: 'command', notBefore: '2020-01-01T00:00:00Z' },
    ]);
    expect(openCommand(envelope, root)).toMatchObject({
      ok: true,
      value: { command: { payloadDigest: order.payloadDigest, planDigest: prepared.planDigest } },
    });
  });

  test('a target that belongs to another environment now, whose rules this promotion has not met', async () => {
    const prepared = await it.prepare({ releaseDigest: release });
    const move = (to: string) =>
      it.scene.database.query(
        `update sluice.targets set environment_id = $1 where target_id = 'dev-1'`,
        [to],
      );
    await move('staging');
    expect(await it.sign(prepared)).toBe('target-not-in-promotion');
    await move('dev');
    expect(await it.sign(prepared)).toBe('signed');
  });

  test('a later round is signed under a key of its own', async () => {
    const prepared = await it.planAgain(await it.prepare({ releaseDigest: release }), 2);
    const idempotencyKey = `${prepared.promotion.promotionId}/deploy~2/dev-1/deploy`;
    expect(await it.sign(prepared, { idempotencyKey })).toBe('signed');
  });

  test('a plan that the newest plan set does not name', async () => {
    const prepared = await it.prepare({ releaseDigest: release });
    const other = await it.prepare({ releaseDigest: release, current: sideOf('old') });
    await it.scene.database.query(`update sluice.plan_sets set body = $2 where promotion_id = $1`, [
      prepared.promotion.promotionId,
      { schema: 'x', promotion: prepared.promotion.promotionId, release, plans: [] },
    ]);
    await hold(prepared.promotion.promotionId);
    expect(await it.sign(prepared)).toBe('plan-not-in-set');
    await hold(other.promotion.promotionId);
    expect(await it.sign(other)).toBe('signed');
  });

  test.each([
    ['other settings', { settings: { PORT: '8080', NODE_OPTIONS: '--require evil' } }],
    ['other components', { components: [] }],
    ['another release', { release: digestOfBytes('other') }],
  ])('a plan with %s than release and target make', async (_what, changed) => {
    const { body } = await it.asWorker(async (tx) => {
      const { rows } = await tx.query<{ body: { components: [] } }>(
        `select body from sluice.releases where release_digest = $1`,
        [release],
      );
      return rows[0] as { body: { components: [] } };
    });
    const honest = { release, components: body.components, settings: { PORT: '8080' } };
    const prepared = await it.prepare({
      releaseDigest: release,
      desired: { ...honest, ...changed },
    });
    const payloadDigest = digestOfBytes('any');
    expect(
      await it.sign({ ...prepared, plan: { ...prepared.plan, desired: null } }, { payloadDigest }),
    ).toBe('plan-differs');
  });

  test('a payload that expects something else', async () => {
    const prepared = await it.prepare({ releaseDigest: release });
    const plan = { ...prepared.plan, current: sideOf('other') };
    const { payloadDigest } = await it.order({ ...prepared, plan });
    expect(await it.sign(prepared, { payloadDigest })).toBe('payload-differs');
  });

  test.each(['deny', 'pending', null] as const)('the gate said %s', async (decision) => {
    const prepared = await it.prepare({ releaseDigest: release, decision });
    const code = decision === null ? 'decision-missing' : 'decision-not-allow';
    expect(await it.sign(prepared)).toBe(code);
  });
});

describe('environments in order', () => {
  afterAll(() => asksNow(null));

  test.each([
    ['frozen', ['staging'], []],
    ['asked for now', [], ['staging']],
  ])('a predecessor that is %s must have verified the release', async (_what, frozen, now) => {
    await asksNow(null, now);
    const fresh = await it.scene.addRelease(`1.1.${frozen.length}`);
    const prepared = await it.prepare({ releaseDigest: fresh, rules: { predecessors: frozen } });
    expect(await it.sign(prepared)).toBe('predecessor-not-verified');
    await endIn('staging', fresh, 'succeeded');
    expect(await it.sign(prepared)).toBe('signed');
    await endIn('staging', fresh, 'reverted');
    expect(await it.sign(prepared)).toBe('predecessor-not-verified');
  });
});

describe('approval', () => {
  beforeAll(() => asksNow(null));

  const asked = (rule = RULE) => it.prepare({ releaseDigest: release, rules: { approval: rule } });

  test('one person, the plan and an approved request: signed', async () => {
    const prepared = await asked();
    await it.ask(prepared);
    await it.approve(prepared);
    expect(await it.sign(prepared)).toBe('signed');
  });

  test('two people where two are asked for', async () => {
    const prepared = await asked(TWO);
    await it.ask(prepared);
    await it.approve(prepared);
    expect(await it.sign(prepared)).toBe('approval-missing');
    await it.approve(prepared, { principalId: 'carol' });
    expect(await it.sign(prepared)).toBe('signed');
  });

  test('nobody was asked', async () => {
    expect(await it.sign(await asked())).toBe('approval-missing');
  });

  test('a request that the worker calls approved, without any decision', async () => {
    const prepared = await asked();
    await it.ask(prepared);
    expect(await it.sign(prepared)).toBe('approval-missing');
  });

  test.each(['waiting', 'rejected'] as const)('a request that is %s', async (state) => {
    const prepared = await asked();
    await it.ask(prepared, state);
    await it.approve(prepared);
    expect(await it.sign(prepared)).toBe('approval-missing');
  });

  test('frozen rules that ask nobody, while the environment does', async () => {
    await asksNow(RULE);
    const prepared = await it.prepare({ releaseDigest: release });
    expect(await it.sign(prepared)).toBe('approval-missing');
    const formless = await it.prepare({
      releaseDigest: release,
      rules: { pipeline: withoutPlan(), form: undefined as never },
    });
    expect(await it.sign(formless)).toBe('approval-missing');
    await asksNow(null);
  });

  test('an environment that asks for more people now', async () => {
    const prepared = await asked();
    await it.ask(prepared);
    await it.approve(prepared);
    await asksNow(TWO);
    expect(await it.sign(prepared)).toBe('approval-missing');
    await asksNow(null);
    expect(await it.sign(prepared)).toBe('signed');
  });

  test('an approval of an earlier plan', async () => {
    const prepared = await asked();
    await it.ask(prepared);
    await it.approve(prepared);
    expect(await it.sign(await it.planAgain(prepared, 2))).toBe('approval-wrong-plan');
  });

  test('a decision on another plan set does not count for this one', async () => {
    const prepared = await asked();
    await it.ask(prepared);
    await it.approve(prepared, { planDigest: digestOfBytes('another plan set') });
    expect(await it.sign(prepared)).toBe('approval-missing');
  });

  test('a decision on another release does not count', async () => {
    const prepared = await asked();
    await it.ask(prepared);
    await it.approve(prepared, { releaseDigest: digestOfBytes('another release') });
    expect(await it.sign(prepared)).toBe('approval-missing');
  });

  test('a rejection stands against everybody', async () => {
    const prepared = await asked();
    await it.ask(prepared);
    await it.approve(prepared);
    await it.approve(prepared, { principalId: 'carol', decision: 'reject' });
    expect(await it.sign(prepared)).toBe('approval-rejected');
  });

  test("the requester's service account", async () => {
    const prepared = await asked();
    await it.ask(prepared);
    await it.approve(prepared, { principalId: 'alice-bot', personId: 'alice', kind: 'service' });
    expect(await it.sign(prepared)).toBe('approver-not-a-person');
  });

  test('the requester, and a person whose service account asked', async () => {
    const own = await it.prepare({
      releaseDigest: release,
      requestedBy: 'bob',
      rules: { approval: RULE },
    });
    await it.ask(own);
    await it.approve(own);
    expect(await it.sign(own)).toBe('approver-is-requester');
    const byAccount = await it.prepare({
      releaseDigest: release,
      requestedBy: 'alice-bot',
      requestedPerson: 'bob',
      rules: { approval: RULE },
    });
    await it.ask(byAccount);
    await it.approve(byAccount);
    expect(await it.sign(byAccount)).toBe('approver-is-requester');
  });

  test('an approver who was disabled since, and one whose role changed since', async () => {
    const prepared = await asked();
    await it.ask(prepared);
    await it.approve(prepared);
    await configure('bob', 'disabled_at', '2026-11-21T12:00:00Z');
    expect(await it.sign(prepared)).toBe('approver-disabled');
    await configure('bob', 'disabled_at', null);
    await configure('bob', 'role', 'viewer');
    expect(await it.sign(prepared)).toBe('approver-not-eligible');
    await configure('bob', 'role', 'approver');
    expect(await it.sign(prepared)).toBe('signed');
  });

  test('a second person makes up for one who no longer counts', async () => {
    const prepared = await asked();
    await it.ask(prepared);
    await it.approve(prepared);
    await it.approve(prepared, { principalId: 'carol' });
    await configure('bob', 'disabled_at', '2026-11-21T12:00:00Z');
    expect(await it.sign(prepared)).toBe('signed');
    await configure('bob', 'disabled_at', null);
  });
});

function sideOf(name: string) {
  return { release: digestOfBytes(name), components: [], settings: {} };
}

function withoutPlan() {
  const steps = STANDARD_PIPELINE.steps.filter(({ id }) => id !== 'plan');
  const pipeline = { ...STANDARD_PIPELINE, version: 1, steps };
  expect(digestOf(pipeline)).not.toBe(digestOf(STANDARD_PIPELINE));
  return pipeline;
}

async function hold(promotionId: string): Promise<void> {
  await it.scene.database.query(`update sluice.leases set holder = $1`, [
    `promotion:${promotionId}`,
  ]);
}

async function endIn(
  environment: string,
  releaseDigest: string,
  state: 'succeeded' | 'reverted',
): Promise<void> {
  const { promotionId } = await it.scene.addPromotion(releaseDigest, { environment });
  await it.asWorker(async (tx) => {
    expect(tx.tenantId).toBe(SCENE_TENANT);
    if (state === 'succeeded') await confirmDeployment(tx, promotionId, 'dev-1');
    await setPromotionState(tx, { promotionId, state: 'running' });
    await setPromotionState(tx, { promotionId, state });
  });
}
