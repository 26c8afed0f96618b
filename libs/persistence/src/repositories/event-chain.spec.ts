import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createListener } from '../listener.ts';
import type { Pool } from '../pool.ts';
import { createTestDatabase, type TestDatabase } from '../testing/index.ts';
import { withTenant } from '../transaction.ts';
import {
  EVENTS_CHANNEL,
  insertEvent,
  listEvents,
  listLinkedEvents,
  readChainHead,
  UNLINKED_CHANNEL,
} from './event.repository.ts';
import { linkEvents, verifyEventChain } from './event-chain.ts';
import { listEventsOf } from './event-list.read-model.ts';

let database: TestDatabase;
let app: Pool;
let linker: Pool;

beforeAll(async () => {
  database = await createTestDatabase();
  app = database.poolOf('sluice_app');
  linker = database.poolOf('sluice_linker');
  for (const tenant of ['acme', 'other', 'many', 'pages', 'watched'])
    await database.addTenant(tenant);
});

afterAll(() => database.drop());

const write = (tenantId: string, subject: string, promotionId?: string) =>
  withTenant(app, tenantId, (tx) =>
    insertEvent(tx, {
      type: 'promotion.requested',
      actor: 'principal:alice',
      subject,
      data: { b: 1, a: ['ü', 2.5, null] },
      traceId: null,
      ...(promotionId === undefined ? {} : { promotionId }),
    }),
  );
const verify = (tenantId: string) => withTenant(app, tenantId, verifyEventChain);

test('each tenant has a chain of its own, and linking again changes nothing', async () => {
  await write('acme', 'one');
  await write('other', 'one');
  await write('acme', 'two');
  expect(await linkEvents(linker)).toBe(3);
  expect(await linkEvents(linker)).toBe(0);
  await write('acme', 'three');
  expect(await linkEvents(linker)).toBe(1);
  const { edges } = await withTenant(app, 'acme', (tx) => listEvents(tx, { first: 10 }));
  expect(edges.map(({ node }) => [node.position, node.subject])).toEqual([
    [1, 'one'],
    [2, 'two'],
    [3, 'three'],
  ]);
  expect(edges[0]?.node.previousHash).toBeNull();
  expect(edges[1]?.node.previousHash).toBe(edges[0]?.node.hash);
  expect(await verify('acme')).toEqual({ ok: true, length: 3 });
  expect(await verify('other')).toEqual({ ok: true, length: 1 });
});

test('linkers and writers at the same time give one chain without a gap', async () => {
  const writers = Array.from({ length: 60 }, (_, n) => write('many', `${n}`));
  const linkers = Array.from({ length: 6 }, () => linkEvents(linker));
  await Promise.all([...writers, ...linkers]);
  await linkEvents(linker);
  expect(await verify('many')).toEqual({ ok: true, length: 60 });
});

test('a changed, a removed and an exchanged event are found', async () => {
  const check = async (damage: string) => {
    const scratch = await createTestDatabase();
    try {
      const tenant = { app: scratch.poolOf('sluice_app'), linker: scratch.poolOf('sluice_linker') };
      await scratch.addTenant('acme');
      for (const subject of ['a', 'b', 'c']) {
        await withTenant(tenant.app, 'acme', (tx) =>
          insertEvent(tx, {
            type: 'step.state-changed',
            actor: 'system:test',
            subject,
            data: {},
            traceId: null,
          }),
        );
      }
      await linkEvents(tenant.linker);
      await scratch.query(damage);
      return await withTenant(tenant.app, 'acme', verifyEventChain);
    } finally {
      await scratch.drop();
    }
  };
  const changed = `update sluice.events set data = '{"x":1}' where position = 2`;
  expect(await check(changed)).toMatchObject({ ok: false, position: 2 });
  expect(await check('delete from sluice.events where position = 2')).toMatchObject({
    ok: false,
    position: 2,
  });
  const exchanged = `update sluice.events set previous_hash = hash where position = 3`;
  expect(await check(exchanged)).toMatchObject({ ok: false, position: 3 });
});

test('nobody who runs can change an event, the linker neither once it is linked', async () => {
  await write('acme', 'fixed');
  await linkEvents(linker);
  const worker = database.poolOf('sluice_worker');
  for (const pool of [app, worker]) {
    for (const sql of ['delete from sluice.events', `update sluice.events set data = '{}'`]) {
      await expect(withTenant(pool, 'acme', (tx) => tx.query(sql))).rejects.toMatchObject({
        code: '42501',
      });
    }
  }
  await expect(linker.query(`update sluice.events set data = '{}'`)).rejects.toMatchObject({
    code: '42501',
  });
  const again = await linker.query(
    `update sluice.events set hash = 'x' where position is not null`,
  );
  expect(again.rowCount).toBe(0);
});

test('a reader who follows the cursors misses no event, linked or not yet', async () => {
  for (let n = 1; n <= 3; n += 1) await write('pages', `${n}`, 'dev/1');
  await linkEvents(linker);
  for (let n = 4; n <= 6; n += 1) await write('pages', `${n}`, 'dev/1');
  await write('pages', 'elsewhere', 'dev/2');
  const read = (first: number, after?: string | null) =>
    withTenant(app, 'pages', (tx) => listEvents(tx, { first, after, promotionId: 'dev/1' }));
  const all = await read(10);
  expect(all.edges.map(({ node }) => node.subject)).toEqual(['1', '2', '3', '4', '5', '6']);
  expect(all.hasNextPage).toBe(false);
  const two = await read(2);
  expect(two.hasNextPage).toBe(true);
  const four = await read(2, two.endCursor);
  expect(four.edges.map(({ node }) => node.subject)).toEqual(['3', '4']);
  const [one, other, none] = await withTenant(app, 'pages', (tx) =>
    listEventsOf(
      tx,
      [
        { promotionId: 'dev/1', after: two.endCursor },
        { promotionId: 'dev/2' },
        { promotionId: 'dev/3' },
      ],
      2,
    ),
  );
  expect(one).toEqual(four);
  expect(other?.edges.map(({ node }) => node.subject)).toEqual(['elsewhere']);
  expect(none).toEqual({ edges: [], hasNextPage: false, endCursor: null });
  await linkEvents(linker);
  const rest = await read(10, four.endCursor);
  expect(rest.edges.map(({ node }) => node.subject)).toEqual(['4', '5', '6']);
});

test('storing wakes the linker, and linking tells whoever follows the tenant', async () => {
  const heard: string[] = [];
  const listener = createListener({
    connectionString: database.urlOf('sluice_app'),
    channels: [EVENTS_CHANNEL, UNLINKED_CHANNEL],
    onNotify: ({ channel, payload }) => {
      heard.push(`${channel} ${payload}`);
    },
  });
  await listener.ready;
  const until = async (count: number): Promise<void> => {
    while (heard.length < count) await new Promise((resolve) => setTimeout(resolve, 10));
  };
  await write('watched', 'one');
  await until(1);
  await linkEvents(linker);
  await until(2);
  expect(heard).toEqual([`${UNLINKED_CHANNEL} `, `${EVENTS_CHANNEL} watched`]);
  await listener.close();
});

test('linked events are read from a position on, of one promotion or of some types', async () => {
  const read = (input: Parameters<typeof listLinkedEvents>[1]) =>
    withTenant(app, 'watched', async (tx) =>
      (await listLinkedEvents(tx, input)).map(({ subject }) => subject),
    );
  const head = await withTenant(app, 'watched', readChainHead);
  expect(head).toBe(1);
  await write('watched', 'a', 'dev/1');
  await write('watched', 'b', 'dev/2');
  await write('watched', 'c', 'dev/1');
  expect(await read({ after: head })).toEqual([]);
  await linkEvents(linker);
  expect(await withTenant(app, 'watched', readChainHead)).toBe(4);
  expect(await read({ after: head })).toEqual(['a', 'b', 'c']);
  expect(await read({ after: head, promotionId: 'dev/1' })).toEqual(['a', 'c']);
  expect(await read({ after: 2, promotionId: 'dev/1' })).toEqual(['c']);
  expect(await read({ after: head, types: ['promotion.requested'], limit: 2 })).toEqual(['a', 'b']);
  expect(await read({ after: head, types: ['approval.requested'] })).toEqual([]);
  expect(await withTenant(app, 'pages-not', readChainHead)).toBe(0);
});
