import { randomUUID } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createTemporalClient, loadCodecKeys } from '@sluice/temporal-client';
import { PROMOTION_MESSAGES, promotionWorkflowId } from '@sluice/temporal-contract';
import { findDisagreements, readRunEnd } from '../support/agreement.ts';
import { approve, decide, readApprovals, rollBack, untilAsked } from '../support/deciders.ts';
import { startTestStack, type TestStack } from '../support/e2e-stack.ts';
import { queryStack } from '../support/promotion-checks.ts';
import { findService, serviceImage } from '../support/service-images.ts';
import { type MadeRelease, StackClient } from '../support/stack-client.ts';
import { waitFor } from '../support/wait-for.ts';

/*
 * What people decide while a promotion goes on: approvals at the same instant, too late, for a plan that went stale, without a
 * worker; and rollbacks at every moment of what they take over from.
 */
const ASKED = ['open', 'stale', 'late', 'pair'];
const GUARDED = 'waiting';
const ROLLED_BACK = [
  'idle',
  GUARDED,
  'deploying',
  'workerless',
  'twice',
  'stuck',
  'killed',
  'empty',
];
const VERSIONS = ['1.0.0', '2.0.0', '3.0.0'];
const hostOf = (environment: string): string => `host-${environment}`;
const holdFileOf = (environment: string): string =>
  join(tmpdir(), `sluice-e2e-rollback-${environment}-${process.pid}`);

let made: TestStack;
let anna: StackClient;
let ben: StackClient;
let admin: StackClient;
let old: MadeRelease;
let next: MadeRelease;
const releases = new Map<string, MadeRelease>();

beforeAll(async () => {
  made = await startTestStack({
    images: VERSIONS.map((tag) => serviceImage(tag)),
    scannerMode: 'clean',
    environments: [
      ...ASKED.map((name, position) => ({
        name,
        position,
        after: [],
        pipeline: 'approved' as const,
        approval: {
          count: name === 'pair' ? 2 : 1,
          roles: ['approver', 'admin'] as const,
          deadlineSeconds: name === 'late' ? 2 : 600,
        },
      })),
      ...ROLLED_BACK.map((name, index) => ({
        name,
        position: ASKED.length + index,
        after: [],
        ...(name === GUARDED
          ? { pipeline: 'approved' as const, approval: { roles: ['admin'] as const } }
          : {}),
      })),
    ],
    targets: [...ASKED, ...ROLLED_BACK].map((environment) => ({
      name: hostOf(environment),
      environment,
      settings: { HOLD_FILE: holdFileOf(environment) },
    })),
    principals: [
      { name: 'release-manager', role: 'release-manager' },
      { name: 'anna', role: 'approver' },
      { name: 'ben', role: 'approver' },
      { name: 'root', role: 'admin' },
      { name: 'robot', role: 'approver', kind: 'service', owner: 'anna' },
      { name: 'root-robot', role: 'admin', kind: 'service', owner: 'root' },
    ],
    env: { worker: { SLUICE_SUPERSEDE_GRACE_SECONDS: '3', SLUICE_WATCHDOG_SECONDS: '2' } },
  });
  anna = new StackClient(made.stack, 'anna');
  ben = new StackClient(made.stack, 'ben');
  admin = new StackClient(made.stack, 'root');
  for (const version of VERSIONS) releases.set(version, await made.client.release(version));
  old = releases.get('1.0.0') as MadeRelease;
  next = releases.get('2.0.0') as MadeRelease;
  const before = ROLLED_BACK.filter((name) => name !== GUARDED && name !== 'empty');
  await Promise.all(before.map((name) => made.client.promote(old.id, name, 120)));
}, 240_000);

afterAll(async () => {
  await made?.remove();
  await Promise.all(ROLLED_BACK.map((name) => rm(holdFileOf(name), { force: true })));
});

describe('an approval', () => {
  const digestOf = (version: string): string => releases.get(version)?.id ?? '';

  async function expectAgreed(id: string, state: string): Promise<void> {
    const promotion = await made.client.untilSealed(id, 90);
    expect(promotion).toMatchObject({ state });
    expect(await findDisagreements(made.stack, promotion)).toEqual([]);
  }

  test('two approvers at the same instant: one decides, the other is told so', async () => {
    const id = await made.client.request(digestOf('1.0.0'), 'open');
    await untilAsked(anna, id);
    const answers = await Promise.all([decide(anna, id), decide(ben, id)]);
    const refused = answers.filter(({ __typename }) => __typename === 'ApprovalRefused');
    expect(answers.map(({ __typename }) => __typename)).toContain('ApprovalRequest');
    expect(refused).toHaveLength(1);
    expect(['approval-closed', 'approval-not-open']).toContain(
      (refused[0] as { code?: string } | undefined)?.code,
    );
    await expectAgreed(id, 'SUCCEEDED');
    const recorded = await queryStack(
      made.stack,
      `select from sluice.approvals where promotion_id = $1 and state = 'recorded'`,
      [id],
    );
    expect(recorded).toHaveLength(1);
    const events = (await made.client.promotion(id)).events.edges.map(({ node }) => node.type);
    expect(events.filter((type) => type === 'approval.refused')).toHaveLength(1);
  }, 120_000);

  test('two people are needed where the rule says two, and one person counts once', async () => {
    const id = await made.client.request(digestOf('1.0.0'), 'pair');
    await untilAsked(anna, id);
    const key = randomUUID();
    expect(await decide(anna, id, { idempotencyKey: key })).toMatchObject({ state: 'WAITING' });
    expect(await decide(anna, id, { idempotencyKey: key })).toMatchObject({ state: 'WAITING' });
    expect(await decide(anna, id)).toMatchObject({ code: 'approval-duplicate' });
    expect(await decide(ben, id)).toMatchObject({ __typename: 'ApprovalRequest' });
    await expectAgreed(id, 'SUCCEEDED');
  }, 120_000);

  test('an approval and a cancellation at the same instant end in one agreed state', async () => {
    for (let round = 0; round < 2; round += 1) {
      const id = await made.client.request(digestOf(round === 0 ? '2.0.0' : '1.0.0'), 'open');
      await untilAsked(anna, id);
      const [answer] = await Promise.all([decide(anna, id), made.client.cancel(id)]);
      const promotion = await made.client.untilSealed(id, 90);
      expect(['CANCELLED', 'SUCCEEDED']).toContain(promotion.state);
      if (promotion.state === 'SUCCEEDED') expect(answer.__typename).toBe('ApprovalRequest');
      expect(await findDisagreements(made.stack, promotion)).toEqual([]);
    }
  }, 180_000);

  test('an approval for a plan that just went stale is refused, and asked for again', async () => {
    const { client, stack } = made;
    const first = await client.request(digestOf('2.0.0'), 'stale');
    const second = await client.request(digestOf('3.0.0'), 'stale');
    const seen = await untilAsked(anna, second);
    await approve(anna, first);
    await client.untilSealed(first, 90);
    await untilAsked(anna, second, 2);
    expect(await decide(anna, second, { plan: seen.planDigest })).toMatchObject({
      __typename: 'ApprovalRefused',
      code: 'approval-wrong-plan',
    });
    await approve(anna, second, 2);
    await expectAgreed(second, 'SUCCEEDED');
    const { approvals } = await readApprovals(client, second);
    expect(approvals.map(({ state }) => state)).toEqual(['WITHDRAWN', 'APPROVED']);
    expect(await findService(stack.getServicePort(hostOf('stale')))).toMatchObject({
      version: '3.0.0',
    });
  }, 180_000);

  test('a plan that went stale after its approval, in the queue, is approved again', async () => {
    const { client, stack } = made;
    await stack.pause(`agent-${hostOf('stale')}`);
    const first = await client.request(digestOf('1.0.0'), 'stale');
    await approve(anna, first);
    await client.untilStep(first, 'deploy');
    const second = await client.request(digestOf('2.0.0'), 'stale');
    await approve(anna, second);
    await client.untilPromotion(second, 'is queued', ({ state }) => state === 'QUEUED');
    await stack.resume(`agent-${hostOf('stale')}`);
    expect(await client.untilSealed(first, 90)).toMatchObject({ state: 'SUCCEEDED' });
    await untilAsked(ben, second, 2);
    const types = (await client.promotion(second)).events.edges.map(({ node }) => node.type);
    expect(types).toEqual(expect.arrayContaining(['lease.yielded', 'plan.stale']));
    await approve(ben, second, 2);
    await expectAgreed(second, 'SUCCEEDED');
    expect(await findService(stack.getServicePort(hostOf('stale')))).toMatchObject({
      version: '2.0.0',
    });
  }, 180_000);

  test('the requester is refused by every route: own token, service account, second hat', async () => {
    const { stack } = made;
    const rootRobot = new StackClient(stack, 'root-robot');
    const root = new StackClient(stack, 'root');
    const id = await rootRobot.request(digestOf('1.0.0'), 'open');
    await untilAsked(anna, id);
    expect(await decide(root, id)).toMatchObject({ code: 'approver-is-requester' });
    expect(await decide(rootRobot, id)).toMatchObject({ code: 'approver-not-a-person' });
    expect(await decide(new StackClient(stack, 'robot'), id)).toMatchObject({
      code: 'approver-not-a-person',
    });
    expect(await decide(new StackClient(stack, 'release-manager'), id)).toMatchObject({
      __typename: 'NotPermitted',
    });
    expect(await decide(anna, id, { release: digestOf('2.0.0') })).toMatchObject({
      code: 'approval-wrong-release',
    });
    const rejected = await decide(anna, id, { decision: 'REJECT', comment: 'not today' });
    expect(rejected).toMatchObject({ state: 'REJECTED' });
    await expectAgreed(id, 'DENIED');
    const promotion = await made.client.promotion(id);
    expect(promotion.reason).toMatchObject({ code: 'approval-rejected' });
    const { approvals } = await readApprovals(anna, id);
    const codes = approvals[0]?.decisions.flatMap(({ refusal }) => refusal?.code ?? []);
    expect(codes).toEqual(
      expect.arrayContaining(['approver-is-requester', 'approver-not-a-person']),
    );
  }, 120_000);

  test('a deadline that passes is an outcome, and who comes late is told', async () => {
    const id = await made.client.request(digestOf('1.0.0'), 'late');
    const { planDigest, releaseDigest } = await untilAsked(anna, id);
    await expectAgreed(id, 'DENIED');
    expect(await made.client.promotion(id)).toMatchObject({
      reason: { code: 'approval-deadline-exceeded' },
    });
    const late = await decide(anna, id, { plan: planDigest, release: releaseDigest });
    expect(late).toMatchObject({ code: 'promotion-ended' });
  }, 120_000);

  test('without a worker an approval is not counted, and the same key counts once later', async () => {
    const { client, stack } = made;
    const id = await client.request(digestOf('1.0.0'), 'open');
    await untilAsked(anna, id);
    await stack.kill('worker');
    const idempotencyKey = randomUUID();
    expect(await decide(anna, id, { idempotencyKey })).toMatchObject({
      __typename: 'EngineUnavailable',
      code: 'approval-unanswered',
    });
    await stack.start('worker');
    expect(await decide(anna, id, { idempotencyKey })).toMatchObject({
      __typename: 'ApprovalRequest',
    });
    await expectAgreed(id, 'SUCCEEDED');
  }, 180_000);
});

describe('a rollback', () => {
  async function rollBackTo(
    environment: string,
    to: 'LAST_VERIFIED' | 'NOTHING' = 'LAST_VERIFIED',
  ): Promise<string> {
    const answer = await rollBack(admin, { environment, to });
    if (!('id' in answer)) throw new Error(JSON.stringify(answer));
    return answer.id;
  }

  /** The rollback succeeded and its release answers; all four witnesses agree. */
  async function expectRolledBack(id: string, version: string | undefined): Promise<void> {
    const promotion = await made.client.untilSealed(id, 120);
    expect(promotion).toMatchObject({ state: 'SUCCEEDED', kind: 'ROLLBACK', reason: null });
    expect(promotion.decision).toBeNull();
    expect(await findDisagreements(made.stack, promotion)).toEqual([]);
    const host = hostOf(id.split('/')[0] ?? '');
    const answers = await findService(made.stack.getServicePort(host));
    expect(answers?.version).toBe(version);
  }

  async function expectSuperseded(id: string, by: string): Promise<void> {
    const promotion = await made.client.untilSealed(id, 120);
    expect(promotion).toMatchObject({ state: 'CANCELLED', reason: { code: 'superseded' } });
    expect(await findDisagreements(made.stack, promotion)).toEqual([]);
    expect((await readApprovals(made.client, id)).supersededBy).toBe(by);
    const tokens = await queryStack<{ id: string; token: number }>(
      made.stack,
      `select promotion_id as id, max(fencing_token)::int as token from sluice.commands
      where promotion_id = any($1) group by 1`,
      [[id, by]],
    );
    const tokenOf = (one: string): number => tokens.find((row) => row.id === one)?.token ?? 0;
    expect(tokenOf(by)).toBeGreaterThan(tokenOf(id));
  }

  test('of what has ended: back to the release that was verified before, by an admin alone', async () => {
    const { client } = made;
    expect(await rollBack(client, { environment: 'idle', to: 'LAST_VERIFIED' })).toMatchObject({
      __typename: 'NotPermitted',
    });
    expect(await rollBack(admin, { environment: 'idle', to: 'LAST_VERIFIED' })).toMatchObject({
      __typename: 'StateConflict',
      code: 'no-verified-release',
    });
    expect(
      await rollBack(admin, { environment: 'idle', to: 'RELEASE', release: next.id }),
    ).toMatchObject({ __typename: 'StateConflict', code: 'release-not-verified-here' });
    await client.promote(next.id, 'idle', 90);
    await expectRolledBack(await rollBackTo('idle'), '1.0.0');
    const named = await rollBack(admin, { environment: 'idle', to: 'RELEASE', release: next.id });
    await expectRolledBack((named as { id: string }).id, '2.0.0');
  }, 180_000);

  test('while an approval waits', async () => {
    const waiting = await made.client.request(next.id, GUARDED);
    await untilAsked(admin, waiting);
    const id = await rollBackTo(GUARDED, 'NOTHING');
    await expectRolledBack(id, undefined);
    // It held no lease, so nothing was taken from it: it goes on waiting, for a plan that is made anew.
    expect((await made.client.promotion(waiting)).endedAt).toBeNull();
    await made.client.cancel(waiting);
    await made.client.untilSealed(waiting, 60);
  }, 120_000);

  test('while a deployment runs on an agent that stands still', async () => {
    const { client, stack } = made;
    const agent = `agent-${hostOf('deploying')}`;
    await stack.pause(agent);
    const running = await client.request(next.id, 'deploying');
    await client.untilPromotion(running, 'has dispatched', ({ deployments }) =>
      deployments.some(({ state }) => state === 'DISPATCHED'),
    );
    const id = await rollBackTo('deploying');
    await client.untilStep(id, 'deploy');
    await stack.resume(agent);
    await expectRolledBack(id, '1.0.0');
    await expectSuperseded(running, id);
  }, 180_000);

  test('while the worker is down: it begins when one is back', async () => {
    const { client, stack } = made;
    await writeFile(holdFileOf('workerless'), '');
    const running = await client.request(next.id, 'workerless');
    await client.untilStep(running, 'verify');
    await stack.kill('worker');
    const id = await rollBackTo('workerless');
    await rm(holdFileOf('workerless'));
    await writeFile(holdFileOf('workerless'), '');
    await stack.start('worker');
    await client.untilSealed(running, 120);
    await rm(holdFileOf('workerless'));
    await expectRolledBack(id, '1.0.0');
    await expectSuperseded(running, id);
  }, 240_000);

  test('while another rollback runs: the newer one has its way', async () => {
    const { client, stack } = made;
    await client.promote(next.id, 'twice', 90);
    const agent = `agent-${hostOf('twice')}`;
    await stack.pause(agent);
    const first = await rollBackTo('twice');
    await client.untilPromotion(first, 'has dispatched', ({ deployments }) =>
      deployments.some(({ state }) => state === 'DISPATCHED'),
    );
    const answer = await rollBack(admin, { environment: 'twice', to: 'RELEASE', release: next.id });
    const second = (answer as { id: string }).id;
    await client.untilStep(second, 'deploy');
    await stack.resume(agent);
    await expectRolledBack(second, '2.0.0');
    await expectSuperseded(first, second);
  }, 180_000);

  test('of a promotion whose workflow task fails for ever: it is ended from outside, and sealed', async () => {
    const { client, stack } = made;
    await writeFile(holdFileOf('stuck'), '');
    const stuck = await client.request(next.id, 'stuck');
    await client.untilStep(stuck, 'verify');
    // A signal that no part of Sluice sends: its handler throws, and the task is tried for ever.
    const engine = await createTemporalClient({
      address: stack.temporalAddress,
      namespace: stack.temporalNamespace,
      codecKeys: await loadCodecKeys(stack.layout.codecKeys),
    });
    const handle = engine.workflow.getHandle(promotionWorkflowId(stack.tenant, stuck));
    await handle.signal(PROMOTION_MESSAGES.leaseGranted, null);
    await waitFor('its workflow task fails', async () => {
      const { pendingWorkflowTask } = (await handle.describe()).raw;
      return (pendingWorkflowTask?.attempt ?? 0) > 1;
    });
    await engine.connection.close();
    const id = await rollBackTo('stuck');
    await rm(holdFileOf('stuck'));
    await expectRolledBack(id, '1.0.0');
    await expectSuperseded(stuck, id);
    expect(await readRunEnd(stack, stuck)).toMatchObject({ status: 'TERMINATED' });
  }, 180_000);

  test('a promotion that somebody terminated in the engine is found, put back and sealed', async () => {
    const { client, stack } = made;
    await writeFile(holdFileOf('killed'), '');
    const id = await client.request(next.id, 'killed');
    await client.untilStep(id, 'verify');
    const engine = await createTemporalClient({
      address: stack.temporalAddress,
      namespace: stack.temporalNamespace,
      codecKeys: await loadCodecKeys(stack.layout.codecKeys),
    });
    await engine.workflow.getHandle(promotionWorkflowId(stack.tenant, id)).terminate('by hand');
    await engine.connection.close();
    await rm(holdFileOf('killed'));
    const promotion = await client.untilSealed(id, 120);
    expect(promotion).toMatchObject({ state: 'REVERTED' });
    expect(await findDisagreements(stack, promotion)).toEqual([]);
    expect(await findService(stack.getServicePort(hostOf('killed')))).toMatchObject({
      version: '1.0.0',
    });
    // The lease is free: the next one runs.
    expect(await client.promote(next.id, 'killed', 90)).toMatchObject({ state: 'SUCCEEDED' });
  }, 180_000);

  test('to nothing and back, with every blob of the control plane gone', async () => {
    const { client, stack } = made;
    await client.promote(old.id, 'empty', 90);
    await client.promote(next.id, 'empty', 90);
    await expectRolledBack(await rollBackTo('empty', 'NOTHING'), undefined);
    expect((await client.target(hostOf('empty'))).currentRelease).toBeNull();
    await stack.stopPart('signer').catch(() => undefined);
    await stack.start('signer');
    const images = await queryStack<{ digest: string }>(
      stack,
      `select digest from sluice.evidence where media_type like 'application/vnd.oci.image.%'`,
    );
    for (const { digest } of images) {
      const hex = digest.slice('sha256:'.length);
      await rm(join(stack.layout.evidenceDir, 'sha256', hex.slice(0, 2), hex), { force: true });
    }
    await sleep(100);
    const answer = await rollBack(admin, { environment: 'empty', to: 'RELEASE', release: old.id });
    await expectRolledBack((answer as { id: string }).id, '1.0.0');
  }, 180_000);
});
