import { rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createTemporalClient, loadCodecKeys } from '@sluice/temporal-client';
import { PROMOTION_MESSAGES, promotionWorkflowId } from '@sluice/temporal-contract';
import { findDisagreements, readRunEnd } from '../support/agreement.ts';
import { readApprovals, rollBack, untilAsked } from '../support/deciders.ts';
import { startTestStack, type TestStack } from '../support/e2e-stack.ts';
import { queryStack } from '../support/promotion-checks.ts';
import { findService, serviceImage } from '../support/service-images.ts';
import { type MadeRelease, StackClient } from '../support/stack-client.ts';
import { waitFor } from '../support/wait-for.ts';

const GUARDED = 'waiting';
const ENVIRONMENTS = [
  'idle',
  GUARDED,
  'deploying',
  'workerless',
  'twice',
  'stuck',
  'killed',
  'empty',
];
const hostOf = (environment: string): string => `host-${environment}`;
const holdFileOf = (environment: string): string =>
  join(tmpdir(), `sluice-e2e-rollback-${environment}-${process.pid}`);

let made: TestStack;
let admin: StackClient;
let old: MadeRelease;
let next: MadeRelease;

beforeAll(async () => {
  made = await startTestStack({
    images: ['1.0.0', '2.0.0'].map((tag) => serviceImage(tag)),
    scannerMode: 'clean',
    environments: ENVIRONMENTS.map((name, position) => ({
      name,
      position,
      after: [],
      ...(name === GUARDED
        ? { pipeline: 'approved' as const, approval: { roles: ['admin'] as const } }
        : {}),
    })),
    targets: ENVIRONMENTS.map((environment) => ({
      name: hostOf(environment),
      environment,
      settings: { HOLD_FILE: holdFileOf(environment) },
    })),
    principals: [
      { name: 'release-manager', role: 'release-manager' },
      { name: 'admin', role: 'admin' },
    ],
    env: { worker: { SLUICE_SUPERSEDE_GRACE_SECONDS: '3', SLUICE_WATCHDOG_SECONDS: '2' } },
  });
  admin = new StackClient(made.stack, 'admin');
  old = await made.client.release('1.0.0');
  next = await made.client.release('2.0.0');
  const before = ENVIRONMENTS.filter((name) => name !== GUARDED && name !== 'empty');
  await Promise.all(before.map((name) => made.client.promote(old.id, name, 120)));
}, 240_000);

afterAll(async () => {
  await made?.remove();
  await Promise.all(ENVIRONMENTS.map((name) => rm(holdFileOf(name), { force: true })));
});

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
