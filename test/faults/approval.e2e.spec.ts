import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { findDisagreements } from '../support/agreement.ts';
import { approve, decide, readApprovals, untilAsked } from '../support/deciders.ts';
import { startTestStack, type TestStack } from '../support/e2e-stack.ts';
import { queryStack } from '../support/promotion-checks.ts';
import { findService, serviceImage } from '../support/service-images.ts';
import { type MadeRelease, StackClient } from '../support/stack-client.ts';

const ENVIRONMENTS = ['twins', 'race', 'stale', 'routes', 'late', 'engine', 'pair'];
const VERSIONS = ['1.0.0', '2.0.0', '3.0.0'];
const hostOf = (environment: string): string => `host-${environment}`;

let made: TestStack;
let anna: StackClient;
let ben: StackClient;
const releases = new Map<string, MadeRelease>();

beforeAll(async () => {
  made = await startTestStack({
    images: VERSIONS.map((tag) => serviceImage(tag)),
    scannerMode: 'clean',
    environments: ENVIRONMENTS.map((name, position) => ({
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
    targets: ENVIRONMENTS.map((environment) => ({
      name: hostOf(environment),
      environment,
    })),
    principals: [
      { name: 'release-manager', role: 'release-manager' },
      { name: 'anna', role: 'approver' },
      { name: 'ben', role: 'approver' },
      { name: 'root', role: 'admin' },
      { name: 'robot', role: 'approver', kind: 'service', owner: 'anna' },
      { name: 'root-robot', role: 'admin', kind: 'service', owner: 'root' },
    ],
  });
  anna = new StackClient(made.stack, 'anna');
  ben = new StackClient(made.stack, 'ben');
  for (const version of VERSIONS) releases.set(version, await made.client.release(version));
}, 180_000);

afterAll(async () => {
  await made?.remove();
});

const digestOf = (version: string): string => releases.get(version)?.id ?? '';

async function expectAgreed(id: string, state: string): Promise<void> {
  const promotion = await made.client.untilSealed(id, 90);
  expect(promotion).toMatchObject({ state });
  expect(await findDisagreements(made.stack, promotion)).toEqual([]);
}

test('two approvers at the same instant: one decides, the other is told so', async () => {
  const id = await made.client.request(digestOf('1.0.0'), 'twins');
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
  for (let round = 0; round < 3; round += 1) {
    const id = await made.client.request(digestOf(round === 1 ? '2.0.0' : '1.0.0'), 'race');
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
  const id = await rootRobot.request(digestOf('1.0.0'), 'routes');
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
  expect(codes).toEqual(expect.arrayContaining(['approver-is-requester', 'approver-not-a-person']));
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
  const id = await client.request(digestOf('1.0.0'), 'engine');
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
