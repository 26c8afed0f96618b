import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createLogger } from '@sluice/observability';
import { insertEvent, withTenant } from '@sluice/persistence';
import { createTestDatabase, type TestDatabase } from '@sluice/persistence/testing';
import { startEventLinker } from './event-linker.ts';

const logger = createLogger({ service: 'test', level: 'silent' });
let database: TestDatabase;

beforeAll(async () => {
  database = await createTestDatabase();
  await database.addTenant('acme');
});
afterAll(() => database.drop());

test('the linker links what was committed, and goes on after the database was away', async () => {
  const linker = startEventLinker({
    pool: database.poolOf('sluice_linker'),
    logger,
    periodMs: 20,
  });
  await database.query(
    `insert into sluice.events (tenant_id, event_id, type, actor, subject, data)
     select 'acme', 'e' || n, 'release.created', 'a', 's', '{}' from generate_series(1, 3) n`,
  );
  await untilLinked(3);
  await database.query(
    `select pg_terminate_backend(pid) from pg_stat_activity where usename = 'sluice_linker'`,
  );
  await database.query(
    `insert into sluice.events (tenant_id, event_id, type, actor, subject, data)
     values ('acme', 'later', 'release.created', 'a', 's', '{}')`,
  );
  await untilLinked(4);
  await linker.stop();
});

test('an event that is stored is linked at once, long before the next look', async () => {
  const linker = startEventLinker({
    pool: database.poolOf('sluice_linker'),
    connectionString: database.urlOf('sluice_linker'),
    logger,
    periodMs: 60_000,
  });
  const store = () =>
    withTenant(database.poolOf('sluice_app'), 'acme', (tx) =>
      insertEvent(tx, {
        type: 'release.created',
        actor: 'a',
        subject: 's',
        data: {},
        traceId: null,
      }),
    );
  await store();
  await untilLinked(5);
  const began = performance.now();
  for (let n = 6; n <= 10; n += 1) {
    await store();
    await untilLinked(n);
  }
  expect(performance.now() - began).toBeLessThan(3000);
  await linker.stop();
});

async function untilLinked(position: number): Promise<void> {
  const deadline = Date.now() + 15_000;
  for (;;) {
    const rows = await database.query('select from sluice.events where position = $1', [position]);
    if (rows.length === 1) return;
    if (Date.now() > deadline) throw new Error(`Event ${position} was not linked within 15 s.`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
