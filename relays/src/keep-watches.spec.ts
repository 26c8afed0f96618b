import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import type { WatchRules } from '@sluice/domain';
import { createLogger } from '@sluice/observability';
import {
  findBudgetClaim,
  findWatch,
  insertBudgetClaims,
  insertWatch,
  type Pool,
  setPromotionState,
  type Tx,
  withTenant,
} from '@sluice/persistence';
import {
  confirmDeployment,
  createScene,
  createTestDatabase,
  type TestDatabase,
} from '@sluice/persistence/testing';
import type { WorkflowState } from './engine.ts';
import { keepWatches } from './keep-watches.ts';

const RULES: WatchRules = {
  seconds: 600,
  everySeconds: 10,
  probes: { failures: 1 },
  burnRate: null,
  onAlarm: 'notify',
};
let database: TestDatabase;
let worker: Pool;
let promotionId: string;
let workflow: WorkflowState;
beforeAll(async () => {
  database = await createTestDatabase();
  await database.addTenant('acme');
  worker = database.poolOf('sluice_worker');
  promotionId = (await createScene(database, 'acme')).promotion.promotionId;
  await inTenant(async (tx) => {
    await confirmDeployment(tx, promotionId, 'dev-host-1');
    await setPromotionState(tx, { promotionId, state: 'running' });
    await setPromotionState(tx, { promotionId, state: 'succeeded' });
  });
}, 60_000);
afterAll(() => database?.drop());
beforeEach(async () => {
  workflow = 'running';
  await database.query('delete from sluice.release_watches');
  await database.query('delete from sluice.outbox');
});

test('a watch whose workflow runs, or is about to start, is left alone', async () => {
  await begin(0);
  await keep();
  expect(await starts()).toBe(0);
  workflow = 'unknown';
  await keep();
  await keep();
  expect(await starts()).toBe(1);
});

test('one whose workflow is gone is begun again; long after its end it is given up', async () => {
  await begin(0);
  workflow = 'closed';
  await keep();
  expect(await starts()).toBe(1);
  await database.query('delete from sluice.release_watches');
  await begin(-2 * 3600);
  await database.query('delete from sluice.outbox');
  await keep();
  expect(await starts()).toBe(0);
  expect(await inTenant((tx) => findWatch(tx, promotionId))).toMatchObject({
    state: 'failed',
    reason: { code: 'watch-abandoned' },
  });
  await keep();
});

test('the oldest is begun again, however many newer ones go on', async () => {
  await begin(-60);
  await database.query(
    `insert into sluice.promotions
     select (jsonb_populate_record(p, jsonb_build_object('promotion_id', 'dev/' || n, 'number', n))).*
       from sluice.promotions p, generate_series(1001, 1201) n where p.promotion_id = $1`,
    [promotionId],
  );
  await database.query(
    `insert into sluice.release_watches (tenant_id, promotion_id, rules, until)
     select tenant_id, promotion_id, $1, now() + interval '1 hour' from sluice.promotions where number > 1000`,
    [JSON.stringify(RULES)],
  );
  workflow = 'closed';
  await keep();
  expect(await starts()).toBe(1);
});

test('claims of promotions that have ended are removed', async () => {
  await database.query(
    `insert into sluice.disruption_budgets (tenant_id, budget_id, selector, max_unavailable) values ('acme', 'all', '{}', 1)`,
  );
  await inTenant((tx) => insertBudgetClaims(tx, ['all'], { target: 'dev-host-1', promotionId }));
  await keep();
  const place = { budget: 'all', target: 'dev-host-1' };
  expect(await inTenant((tx) => findBudgetClaim(tx, place))).toBeUndefined();
});

const inTenant = <T>(work: (tx: Tx) => Promise<T>): Promise<T> => withTenant(worker, 'acme', work);

async function begin(seconds: number): Promise<void> {
  const since = new Date(Date.now() + seconds * 1000).toISOString();
  expect(await inTenant((tx) => insertWatch(tx, { promotionId, rules: RULES, since }))).toBe(true);
}

async function keep(): Promise<void> {
  const errors: unknown[] = [];
  await keepWatches(
    {
      pool: database.poolOf('sluice_watchdog'),
      workerPool: worker,
      engine: {
        findWorkflowState: async (id) =>
          id === `watch/acme/${promotionId}` ? workflow : 'running',
      },
      logger: createLogger({ service: 'test', level: 'silent' }),
    },
    { stopping: new AbortController().signal, errors },
  );
  expect(errors).toEqual([]);
}

async function starts(): Promise<number> {
  const rows = await database.query<{ found: number }>(
    `select count(*)::int as found from sluice.outbox where workflow_id = $1 and kind = 'start-workflow'`,
    [`watch/acme/${promotionId}`],
  );
  return rows[0]?.found ?? 0;
}
