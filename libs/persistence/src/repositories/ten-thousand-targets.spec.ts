import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { composePlanSet } from '@sluice/domain';
import type { Pool } from '../pool.ts';
import { createScene, createTestDatabase, type TestDatabase } from '../testing/index.ts';
import { type Tx, withTenant } from '../transaction.ts';
import {
  findCommandOfActivity,
  findNewestCommand,
  insertCommand,
  moveCommand,
} from './command.repository.ts';
import { listCurrentReleases, setCurrentReleases } from './current-release.repository.ts';
import { findDeployment, loseDeployments, setDeploymentState } from './deployment.repository.ts';
import { insertEvents, listEvents } from './event.repository.ts';
import { insertPlanSet } from './plan.repository.ts';
import { findPlannedTarget } from './planned-target.read-model.ts';

const COUNT = 10_000;
const digestOfNumber = (number: number): string => `sha256:${String(number).padStart(64, '0')}`;
const nameOf = (number: number): string => `host-${number}`;

let database: TestDatabase;
let worker: Pool;
let promotionId: string;
let releaseDigest: string;
beforeAll(async () => {
  database = await createTestDatabase();
  worker = database.poolOf('sluice_worker', { max: 1 });
  const scene = await createScene(database);
  ({ promotionId } = scene.promotion);
  ({ releaseDigest } = scene);
  await database.query(
    `insert into sluice.targets (tenant_id, target_id, environment_id, kind, address, labels, settings, health)
     select t.tenant_id, 'host-' || n, t.environment_id, t.kind, t.address, t.labels, t.settings, t.health
       from sluice.targets t, generate_series(1, ${COUNT}) n where t.target_id = 'dev-host-1'`,
  );
  await database.query(
    `insert into sluice.plans (tenant_id, plan_digest, body)
     select 'acme', 'sha256:' || lpad(n::text, 64, '0'), '{}' from generate_series(1, ${COUNT}) n`,
  );
  await database.query(
    `insert into sluice.deployments (tenant_id, promotion_id, target_id, plan_digest, state)
     select 'acme', $1, 'host-' || n, 'sha256:' || lpad(n::text, 64, '0'), 'dispatched' from generate_series(1, ${COUNT}) n`,
    [promotionId],
  );
  await database.query(
    `insert into sluice.commands (tenant_id, target_id, sequence, command_digest, kind, promotion_id, release_digest,
       idempotency_key, envelope, payload, fencing_token, expires_at, workflow_id, run_id, activity_id)
     select 'acme', 'host-' || n, 1, 'sha256:' || lpad(n::text, 64, '0'), 'deploy', $1, $2, $1 || '/deploy/host-' || n || '/deploy',
            jsonb_build_object('payload', repeat('x', 2000)), repeat('y', 2000), 1, now(), 'shard/' || n / 200, 'run-' || n / 200, n::text
       from generate_series(1, ${COUNT}) n`,
    [promotionId, releaseDigest],
  );
  await database.query('analyze');
});
afterAll(() => database.drop());

const inTenant = <T>(work: (tx: Tx) => Promise<T>): Promise<T> => withTenant(worker, 'acme', work);

test('one command is found by its activity and by its target, without a look at the others', async () => {
  const place = { workflowId: 'shard/35', runId: 'run-35', activityId: '7007' };
  const order = { promotionId, target: nameOf(7007), kind: 'deploy' as const };
  const found = await inTenant(async (tx) => [
    await findCommandOfActivity(tx, place),
    await findNewestCommand(tx, order),
    await findCommandOfActivity(tx, { ...place, workflowId: 'shard/36' }),
    await findNewestCommand(tx, { ...order, kind: 'revert' }),
  ]);
  expect(found.map((command) => command?.target)).toEqual([
    'host-7007',
    'host-7007',
    undefined,
    undefined,
  ]);
  // A later one goes before, and one that was moved is found where it is.
  const [first] = found;
  if (first === undefined) throw new Error('There is none.');
  const next = { ...first, sequence: 2, commandDigest: digestOfNumber(70_007) };
  await inTenant((tx) =>
    insertCommand(tx, { ...next, activityId: '7008', idempotencyKey: `${promotionId}/again` }),
  );
  await inTenant((tx) => moveCommand(tx, next.commandDigest, { ...place, runId: 'run-x' }));
  const moved = await inTenant((tx) => findCommandOfActivity(tx, { ...place, runId: 'run-x' }));
  expect(moved?.sequence).toBe(2);
  expect((await inTenant((tx) => findNewestCommand(tx, order)))?.sequence).toBe(2);
  for (const where of [
    `run_id = 'run-35' and activity_id = '7007'`,
    `promotion_id = '${promotionId}' and target_id = 'host-7007' and kind = 'deploy'`,
  ]) {
    const plan = await database.query<{ 'QUERY PLAN': string }>(
      `explain select * from sluice.commands where tenant_id = 'acme' and ${where}`,
    );
    expect(plan.map((row) => row['QUERY PLAN']).join(' ')).toMatch(/Index Scan/);
  }
});

test('one target is found in the newest plan set', async () => {
  expect(await inTenant((tx) => findPlannedTarget(tx, promotionId, nameOf(1)))).toBeUndefined();
  const plans = Array.from({ length: COUNT }, (_, index) => ({
    target: nameOf(index + 1),
    plan: digestOfNumber(index + 1),
  }));
  const planSet = composePlanSet(promotionId, releaseDigest, plans);
  const digest = await inTenant((tx) => insertPlanSet(tx, { promotionId, round: 1, planSet }));
  const set = { promotion: promotionId, release: releaseDigest, round: 1, digest };
  for (const number of [1, 5000, COUNT]) {
    const found = await inTenant((tx) => findPlannedTarget(tx, promotionId, nameOf(number)));
    expect(found).toEqual({ ...set, plan: digestOfNumber(number) });
  }
  const none = await inTenant((tx) => findPlannedTarget(tx, promotionId, 'host-1" || true'));
  expect(none).toEqual({ ...set, plan: null });
  // The next round's is another one; what is not as its digest says names nothing.
  const next = composePlanSet(promotionId, releaseDigest, plans.slice(0, 1));
  const renewed = await inTenant((tx) =>
    insertPlanSet(tx, { promotionId, round: 2, planSet: next }),
  );
  await database.query(
    `update sluice.plan_sets set body = jsonb_set(body, '{plans,0,plan}', '"${digestOfNumber(7)}"') where round = 2`,
  );
  expect(await inTenant((tx) => findPlannedTarget(tx, promotionId, nameOf(1)))).toEqual({
    ...{ promotion: '', release: '', round: 2, digest: renewed, plan: null },
  });
  await database.query('delete from sluice.plan_sets where round = 2');
});

test('what a seal says of many targets takes one statement each', async () => {
  const names = Array.from({ length: COUNT }, (_, index) => nameOf(index + 1));
  await inTenant((tx) =>
    setDeploymentState(tx, { promotionId, target: nameOf(1), state: 'confirmed' }),
  );
  await inTenant(async (tx) => {
    const failure = { code: 'agent-silent', message: 'It did \u0000 not answer.' };
    await loseDeployments(
      tx,
      promotionId,
      names.map((target) => ({ target, failure })),
    );
    const side = { release: releaseDigest, components: [], settings: {} };
    await setCurrentReleases(
      tx,
      promotionId,
      names.map((target) => ({ target, side: target === nameOf(2) ? null : side })),
    );
  });
  const [first, second] = await inTenant(async (tx) => [
    await findDeployment(tx, promotionId, nameOf(1)),
    await findDeployment(tx, promotionId, nameOf(COUNT)),
  ]);
  expect(first).toMatchObject({ state: 'confirmed', failure: null });
  expect(second).toMatchObject({ state: 'lost', failure: { code: 'agent-silent' } });
  const current = await inTenant((tx) => listCurrentReleases(tx, names));
  expect(current).toHaveLength(COUNT);
  const [one, two] = [1, 2].map((number) => current.find((row) => row.target === nameOf(number)));
  expect(one).toMatchObject({ releaseDigest, side: { release: releaseDigest }, promotionId });
  expect(two).toMatchObject({ releaseDigest: null, side: null });
});

test('many events are stored at once, in their order', async () => {
  const event = {
    type: 'step.state-changed' as const,
    actor: 'system',
    subject: `promotion:${promotionId}`,
    promotionId,
    traceId: null,
  };
  await inTenant((tx) => insertEvents(tx, []));
  const numbers = Array.from({ length: 5000 }, (_, index) => index);
  await inTenant((tx) =>
    insertEvents(
      tx,
      numbers.map((n) => ({ ...event, data: { n } })),
    ),
  );
  const { edges } = await inTenant((tx) => listEvents(tx, { first: 100, promotionId }));
  expect(edges.map(({ node }) => node.data)).toEqual(numbers.slice(0, 100).map((n) => ({ n })));
  expect(new Set(edges.map(({ node }) => node.eventId)).size).toBe(100);
});
