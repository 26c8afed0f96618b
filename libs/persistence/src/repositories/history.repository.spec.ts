import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { HistoryRule } from '@sluice/domain';
import { digestOfBytes } from '@sluice/pure';
import type { Pool } from '../pool.ts';
import {
  createScene,
  createTestDatabase,
  sceneConfiguration,
  type TestDatabase,
} from '../testing/index.ts';
import { type Tx, withTenant } from '../transaction.ts';
import { bundleDigestsOfBuilds, findBundle, keepBundle, listBundles } from './bundle.repository.ts';
import { applyConfiguration } from './configuration.repository.ts';
import { hasEvidence, insertEvidence } from './evidence.repository.ts';
import {
  claimExecution,
  deferExecution,
  listDueExecutions,
  lookNow,
  markArchived,
  markLost,
  readArchiveBacklog,
} from './execution.repository.ts';
import { recordBundle } from './frozen-rules.repository.ts';
import {
  expireHistory,
  findHistory,
  type HistoryRecord,
  insertHistory,
  listExpiredHistories,
  listHistoriesOf,
  listHistoriesOfWorkflow,
} from './history.repository.ts';
import { claimOutbox, enqueueOutbox, settleOutbox } from './outbox.repository.ts';
import { getPromotion, setPacketDigest, setPromotionState } from './promotion.repository.ts';
import { listPromotions } from './promotion-list.read-model.ts';
import { listTenantIds } from './watchdog.read-model.ts';

let database: TestDatabase;
let app: Pool;
let worker: Pool;
let watchdog: Pool;
let relay: Pool;
let releaseDigest: string;

beforeAll(async () => {
  database = await createTestDatabase();
  app = database.poolOf('sluice_app');
  worker = database.poolOf('sluice_worker');
  watchdog = database.poolOf('sluice_watchdog');
  relay = database.poolOf('sluice_relay');
  for (const tenant of ['acme', 'other']) {
    releaseDigest = (await createScene(database, tenant)).releaseDigest;
  }
});

afterAll(() => database.drop());

const work = <T>(does: (tx: Tx) => Promise<T>, tenant = 'acme') => withTenant(worker, tenant, does);

const start = (workflowId: string, tenant = 'acme') =>
  withTenant(app, tenant, (tx) =>
    enqueueOutbox(tx, {
      kind: 'start-workflow',
      body: {
        workflowId,
        workflowType: 'promoteRelease',
        taskQueue: 'q',
        input: {},
        searchAttributes: { tenant },
      },
    }),
  );

const makeDue = () =>
  database.query(`update sluice.workflow_executions set look_at = now() - interval '1 second'`);

async function deliverAll(): Promise<void> {
  for (const message of await claimOutbox(relay)) await settleOutbox(relay, message);
}

const dueOnes = async () =>
  (await listDueExecutions(watchdog, { limit: 10 })).map(({ workflowId }) => workflowId);

function historyOf(
  workflowId: string,
  runId: string,
  changed: Partial<HistoryRecord> = {},
): Omit<HistoryRecord, 'promotionId' | 'archivedAt' | 'expiredAt'> {
  return {
    workflowId,
    runId,
    workflowType: 'promoteRelease',
    status: 'completed',
    eventCount: 9,
    startedAt: '2026-01-01T00:00:00Z',
    closedAt: '2026-01-01T00:01:00Z',
    buildIds: ['b1'],
    bundleDigests: [digestOfBytes('bundle')],
    historyDigest: digestOfBytes(`history ${runId}`),
    archiveDigest: digestOfBytes(`archive ${runId}`),
    archiveSize: 10,
    packetDigest: null,
    statementDigest: digestOfBytes(`statement ${runId}`),
    envelope: { payloadType: 't', payload: 'cA==', signatures: [] },
    ...changed,
  };
}

test('what is started owes a history; one archiver at a time takes it on', async () => {
  await start('promotion/acme/dev/1');
  await start('promotion/other/dev/1', 'other');
  expect(await listTenantIds(watchdog)).toEqual(['acme', 'other']);
  expect(await dueOnes()).toEqual([]);
  expect(await readArchiveBacklog(watchdog)).toMatchObject({ open: 2 });
  await makeDue();
  expect((await dueOnes()).sort()).toEqual(['promotion/acme/dev/1', 'promotion/other/dev/1']);

  const claims = await Promise.all(
    [1, 2, 3].map(() => work((tx) => claimExecution(tx, 'promotion/acme/dev/1', 30))),
  );
  const [claim, ...others] = claims.filter((one) => one !== undefined);
  expect(others).toEqual([]);
  expect(claim).toMatchObject({
    promotionId: 'dev/1',
    endedSeconds: null,
    packetDigest: null,
    isStartPending: true,
  });
  expect(await dueOnes()).toEqual(['promotion/other/dev/1']);
  await work((tx) => deferExecution(tx, 'promotion/acme/dev/1', 0));
  await deliverAll();
  const again = await work((tx) => claimExecution(tx, 'promotion/acme/dev/1', 30));
  expect(again).toMatchObject({ isStartPending: false });
  // Neither another tenant nor the API's role reaches it.
  expect(await work((tx) => claimExecution(tx, 'promotion/acme/dev/1', 30), 'other')).toBe(
    undefined,
  );
});

test('a workflow that is reset while its runs are archived owes a history again', async () => {
  const workflowId = 'promotion/acme/dev/1';
  await makeDue();
  const claim = await work((tx) => claimExecution(tx, workflowId, 30));
  await withTenant(app, 'acme', (tx) =>
    enqueueOutbox(tx, {
      kind: 'reset-workflow',
      body: { workflowId, runId: 'r', eventId: 4, reason: 'try', requestId: 'q' },
    }),
  );
  await deliverAll();
  expect(await work((tx) => markArchived(tx, workflowId, claim))).toBe(false);
  await makeDue();
  const next = await work((tx) => claimExecution(tx, workflowId, 30));
  expect(await work((tx) => markArchived(tx, workflowId, next))).toBe(true);
  expect(await work((tx) => markLost(tx, workflowId))).toBe(false);
  await work((tx) => lookNow(tx, workflowId));
  expect(await work((tx) => claimExecution(tx, workflowId, 30))).toBe(undefined);
});

test('the end of a promotion and its packet are read with the claim', async () => {
  const workflowId = 'settlement/acme/dev/1';
  await start(workflowId);
  await work(async (tx) => {
    await setPromotionState(tx, { promotionId: 'dev/1', state: 'cancelled' });
    await setPacketDigest(tx, 'dev/1', digestOfBytes('packet'));
    await lookNow(tx, workflowId);
  });
  const claim = await work((tx) => claimExecution(tx, workflowId, 30));
  expect(claim).toMatchObject({ packetDigest: digestOfBytes('packet') });
  expect(claim?.endedSeconds).toBeGreaterThanOrEqual(0);
  expect(await work((tx) => markLost(tx, workflowId, claim))).toBe(true);
});

test('a run is archived once, and is seen by its own tenant only', async () => {
  const run = historyOf('promotion/acme/dev/1', 'run-1');
  expect(await work((tx) => insertHistory(tx, run))).toBe(true);
  const second = { ...run, archiveDigest: digestOfBytes('another nonce') };
  expect(await work((tx) => insertHistory(tx, second))).toBe(false);
  const settled = historyOf('settlement/acme/dev/1', 'run-2', {
    startedAt: '2026-01-02T00:00:00Z',
  });
  await work((tx) => insertHistory(tx, settled));
  const stored = await withTenant(app, 'acme', (tx) => listHistoriesOf(tx, ['dev/1']));
  expect(stored.map(({ runId }) => runId)).toEqual(['run-1', 'run-2']);
  expect(stored[0]).toMatchObject({ ...run, promotionId: 'dev/1', expiredAt: null });
  expect(await withTenant(app, 'other', (tx) => listHistoriesOf(tx, ['dev/1']))).toEqual([]);
  const ofWorkflow = await work((tx) => listHistoriesOfWorkflow(tx, run.workflowId));
  expect(ofWorkflow).toHaveLength(1);
});

test.each<[string, readonly HistoryRule[], boolean]>([
  ['no rule', [], false],
  ['a short time for all', [{ days: 1 }], true],
  ['another environment', [{ environments: ['prod'], days: 1 }], false],
  ['another state', [{ states: ['succeeded'], days: 1 }], false],
  ['the first that fits', [{ states: ['cancelled'], days: 9999 }, { days: 1 }], false],
])('expiry by rule: %s', async (_name, histories, isExpired) => {
  await withTenant(app, 'acme', (tx) =>
    applyConfiguration(tx, { ...sceneConfiguration('acme'), histories }),
  );
  const expired = await work((tx) => listExpiredHistories(tx));
  expect(expired.map(({ runId }) => runId)).toEqual(isExpired ? ['run-1', 'run-2'] : []);
});

test('an expired history keeps its row; only files of histories may go', async () => {
  const { archiveDigest } = historyOf('', 'run-1');
  const run = { workflowId: 'promotion/acme/dev/1', runId: 'run-1', archiveDigest };
  const mediaType = 'application/vnd.sluice.history.v1';
  const packet = { digest: digestOfBytes('packet'), mediaType: 'application/json', size: 2 };
  await work(async (tx) => {
    await insertEvidence(tx, { digest: archiveDigest, mediaType, size: 10 });
    await insertEvidence(tx, packet);
  });
  expect(await work((tx) => expireHistory(tx, run))).toBe(true);
  expect(await work((tx) => expireHistory(tx, run))).toBe(false);
  expect(await work((tx) => hasEvidence(tx, archiveDigest))).toBe(false);
  expect((await work((tx) => findHistory(tx, run)))?.expiredAt).not.toBeNull();
  // Named by mistake, a packet stays.
  await work((tx) => expireHistory(tx, { ...run, archiveDigest: packet.digest }));
  expect(await work((tx) => hasEvidence(tx, packet.digest))).toBe(true);
  await expect(
    withTenant(app, 'acme', (tx) => tx.query(`delete from sluice.evidence`)),
  ).rejects.toMatchObject({ code: '42501' });
});

test('bundles are kept once, in the order in which they came', async () => {
  const bundle = (name: string, buildId: string) => ({
    bundleDigest: digestOfBytes(name),
    buildId,
    sdkVersion: '1.23.0',
    contentDigest: digestOfBytes(`${name} gzipped`),
    size: 3,
  });
  expect(await keepBundle(worker, bundle('one', 'b1'))).toBe(true);
  expect(await keepBundle(worker, bundle('one', 'b1'))).toBe(false);
  expect(await keepBundle(worker, bundle('two', 'b2'))).toBe(true);
  expect((await listBundles(app)).map(({ buildId }) => buildId)).toEqual(['b1', 'b2']);
  expect(await findBundle(app, digestOfBytes('two'))).toMatchObject(bundle('two', 'b2'));
  expect(await findBundle(app, digestOfBytes('three'))).toBe(undefined);
  expect([...(await bundleDigestsOfBuilds(worker, ['b2', 'b9']))]).toEqual([
    ['b2', digestOfBytes('two')],
  ]);
  await expect(keepBundle(app, bundle('x', 'b3'))).rejects.toMatchObject({ code: '42501' });
});

test('the code that froze the rules stays the one that was noted first', async () => {
  const note = (bundleDigest: string) =>
    work((tx) => recordBundle(tx, { promotionId: 'dev/1', bundleDigest }));
  await note(digestOfBytes('one'));
  await note(digestOfBytes('two'));
  const { bundleDigest } = await work((tx) => getPromotion(tx, 'dev/1'));
  expect(bundleDigest).toBe(digestOfBytes('one'));
});

test.each([
  [{}, 1],
  [{ states: ['cancelled'] as const, environment: 'dev', kind: 'promote' as const }, 1],
  [{ states: ['succeeded'] as const }, 0],
  [{ environment: 'prod' }, 0],
  [{ release: 'sha256:none' }, 0],
  [{ since: '2020-01-01T00:00:00Z', until: '2999-01-01T00:00:00Z' }, 1],
  [{ since: '2999-01-01T00:00:00Z' }, 0],
  [{ until: '2020-01-01T00:00:00Z' }, 0],
])('promotions that fit %j', async (filter, count) => {
  const page = await withTenant(app, 'acme', (tx) => listPromotions(tx, { first: 5, filter }));
  expect(page.edges).toHaveLength(count);
  const own = await withTenant(app, 'acme', (tx) =>
    listPromotions(tx, { first: 5, filter: { release: releaseDigest } }),
  );
  expect(own.edges).toHaveLength(1);
});

test('who asks for workflows can have a history owed, and hide none', async () => {
  const workflowId = 'promotion/acme/dev/hidden';
  await start(workflowId);
  const ask = (sql: string) => withTenant(app, 'acme', (tx) => tx.query(sql, ['acme', workflowId]));
  for (const column of ['archived_at', 'lost_at']) {
    await expect(
      ask(
        `update sluice.workflow_executions set ${column} = now() where tenant_id = $1 and workflow_id = $2`,
      ),
    ).rejects.toMatchObject({ code: '42501' });
    await expect(
      ask(
        `insert into sluice.workflow_executions (tenant_id, workflow_id, workflow_type, ${column})
         values ($1, $2 || '/another', 't', now())`,
      ),
    ).rejects.toMatchObject({ code: '42501' });
  }
  expect(await work((tx) => markArchived(tx, workflowId))).toBe(true);
  await start(workflowId);
  expect(
    await database.query(
      'select archived_at as "archivedAt" from sluice.workflow_executions where workflow_id = $1',
      [workflowId],
    ),
  ).toEqual([{ archivedAt: null }]);
});
