import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { isOutcomeUnknown, isUnavailable } from './database-errors.ts';
import { createListener, type Listener } from './listener.ts';
import { createPool, type Pool } from './pool.ts';
import { createTestDatabase, type TestDatabase } from './testing/index.ts';
import { inTransaction, withTenant } from './transaction.ts';

let database: TestDatabase;
let proxy: Proxy;
let pool: Pool;
const listeners: Listener[] = [];

/** A way to the server that can be cut, as when Postgres is stopped. */
class Proxy {
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;
  #port = 0;
  readonly #target: URL;

  constructor(url: string) {
    this.#target = new URL(url);
  }

  async open(): Promise<void> {
    this.#server = createServer((incoming) => {
      const outgoing = connect(Number(this.#target.port), this.#target.hostname);
      for (const socket of [incoming, outgoing]) {
        this.#sockets.add(socket);
        socket.on('error', () => undefined);
      }
      incoming.pipe(outgoing).pipe(incoming);
    });
    this.#server.listen(this.#port, '127.0.0.1');
    await once(this.#server, 'listening');
    this.#port = (this.#server.address() as { port: number }).port;
  }

  async cut(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    this.#server = undefined;
    const closed = once(server, 'close');
    server.close();
    for (const socket of this.#sockets) socket.destroy();
    this.#sockets.clear();
    await closed;
  }

  url(url: string): string {
    const through = new URL(url);
    through.hostname = '127.0.0.1';
    through.port = String(this.#port);
    return through.href;
  }
}

beforeAll(async () => {
  database = await createTestDatabase();
  await database.addTenant('acme');
});

beforeEach(async () => {
  proxy = new Proxy(database.urlOf('sluice_worker'));
  await proxy.open();
  pool = createPool({
    connectionString: proxy.url(database.urlOf('sluice_worker')),
    applicationName: 'sluice-cut',
    max: 3,
    connectTimeoutMs: 2_000,
  });
});

afterEach(async () => {
  await Promise.all(listeners.splice(0).map((listener) => listener.close()));
  await pool.close();
  await proxy.cut();
});

afterAll(() => database.drop());

async function eventually(check: () => boolean): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!check()) {
    if (Date.now() > deadline) throw new Error('It did not happen within 10 s.');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const failure = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  );

test('values come as instants in UTC, exact numbers and parsed JSON', async () => {
  const { rows } = await pool.query(
    `select '2026-03-01 12:00:00.123456+02'::timestamptz as at, 9007199254740991 as big, '{"a":1}'::jsonb as j`,
  );
  expect(rows).toEqual([{ at: '2026-03-01T10:00:00.123456Z', big: 9007199254740991, j: { a: 1 } }]);
  await expect(pool.query('select 9007199254740992')).rejects.toThrow('too large');
});

test('a pool survives the server, tells that it is unavailable, and goes on afterwards', async () => {
  const idle = await Promise.all([pool.connect(), pool.connect()]);
  const lent = idle[0];
  idle[1]?.release();
  const running = failure(withTenant(pool, 'acme', (tx) => tx.query('select pg_sleep(20) as cut')));
  await untilSleeping('cut');
  await proxy.cut();
  expect(isUnavailable(await running)).toBe(true);
  expect(isUnavailable(await failure(lent?.query('select 1') ?? Promise.resolve()))).toBe(true);
  lent?.release(true);
  expect(isUnavailable(await failure(pool.query('select 1')))).toBe(true);
  await proxy.open();
  expect((await pool.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
});

test('a connection that the server ends is unavailable, not a crash', async () => {
  const running = failure(
    withTenant(pool, 'acme', (tx) => tx.query('select pg_sleep(20) as ended')),
  );
  await untilSleeping('ended');
  await database.query(
    `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'sluice-cut'`,
  );
  expect(isUnavailable(await running)).toBe(true);
  expect((await pool.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
});

test('a statement that runs too long is ended', async () => {
  const hasty = database.poolOf('sluice_worker', { statementTimeoutMs: 100 });
  expect(await failure(hasty.query('select pg_sleep(5)'))).toMatchObject({ code: '57014' });
});

test('a transaction is committed, or rolled back as a whole, and knows no other tenant', async () => {
  const write = (end: () => void) =>
    withTenant(pool, 'acme', async (tx) => {
      await tx.query(`insert into sluice.leases (tenant_id, resource) values ('acme', 'r')`);
      end();
    });
  const count = () =>
    withTenant(pool, 'acme', async (tx) => (await tx.query('select from sluice.leases')).rowCount);
  await expect(
    write(() => {
      throw new Error('no');
    }),
  ).rejects.toThrow('no');
  expect(await count()).toBe(0);
  await write(() => undefined);
  expect(await count()).toBe(1);
  const left = await pool.query<{ tenant: string }>(
    `select current_setting('sluice.tenant_id', true) as tenant`,
  );
  expect(left.rows[0]?.tenant ?? '').toBe('');
  await expect(withTenant(pool, `a'; --`, async () => 1)).rejects.toMatchObject({
    code: 'tenant-invalid',
  });
});

test('a statement that failed and was ignored makes the transaction fail', async () => {
  const ignored = withTenant(pool, 'acme', async (tx) => {
    await failure(tx.query('select nothing_like_this'));
  });
  await expect(ignored).rejects.toThrow('rolled back');
  expect((await pool.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
});

test('a statement after the end of its transaction is refused', async () => {
  const kept = await withTenant(pool, 'acme', async (tx) => tx);
  await expect(kept.query('select 1')).rejects.toThrow('has ended');
});

test('a read-only transaction refuses to write', async () => {
  const write = withTenant(
    pool,
    'acme',
    (tx) => tx.query(`insert into sluice.leases (tenant_id, resource) values ('acme', 'ro')`),
    { readOnly: true },
  );
  await expect(write).rejects.toMatchObject({ code: '25006' });
});

test('two transactions that stand in each other’s way are both carried out', async () => {
  await withTenant(pool, 'acme', (tx) =>
    tx.query(`insert into sluice.leases (tenant_id, resource) values ('acme', 'x'), ('acme', 'y')`),
  );
  const bump = (first: string, second: string) =>
    withTenant(pool, 'acme', async (tx) => {
      for (const resource of [first, second]) {
        await tx.query(
          `update sluice.leases set fencing_token = fencing_token + 1
            where tenant_id = 'acme' and resource = $1`,
          [resource],
        );
        await new Promise((resolve) => setTimeout(resolve, 150));
      }
    });
  await Promise.all([bump('x', 'y'), bump('y', 'x')]);
  const rows = await database.query(
    `select fencing_token as n from sluice.leases where resource in ('x', 'y')`,
  );
  expect(rows).toEqual([{ n: 2 }, { n: 2 }]);
}, 30_000);

test('a conflict that stays is given up after the attempts', async () => {
  let tried = 0;
  const conflict = inTransaction(
    pool,
    async () => {
      tried += 1;
      throw Object.assign(new Error('deadlock'), { code: '40P01' });
    },
    { attempts: 3 },
  );
  await expect(conflict).rejects.toThrow('deadlock');
  expect(tried).toBe(3);
});

test('a listener hears what is committed, and listens again after the server was gone', async () => {
  const heard: string[] = [];
  let connected = 0;
  const listener = createListener({
    connectionString: proxy.url(database.urlOf('sluice_worker')),
    channels: ['sluice_outbox', 'sluice_commands'],
    onNotify: ({ channel, payload }) => heard.push(`${channel}:${payload}`),
    onConnected: () => {
      connected += 1;
    },
  });
  listeners.push(listener);
  await listener.ready;
  await database.query(`select pg_notify('sluice_commands', 'acme/dev')`);
  await database.query(`select pg_notify('sluice_other', 'x')`);
  await eventually(() => heard.length > 0);
  expect(heard).toEqual(['sluice_commands:acme/dev']);
  await proxy.cut();
  await new Promise((resolve) => setTimeout(resolve, 300));
  await proxy.open();
  await eventually(() => connected === 2);
  await database.query(`select pg_notify('sluice_outbox', '')`);
  await eventually(() => heard.length === 2);
});

test('a listener can be closed while there is no server', async () => {
  await proxy.cut();
  const problems: Error[] = [];
  const listener = createListener({
    connectionString: proxy.url(database.urlOf('sluice_worker')),
    channels: ['sluice_outbox'],
    onNotify: () => undefined,
    onConnectionError: (error) => problems.push(error),
  });
  await eventually(() => problems.length > 1);
  await listener.close();
  expect(isUnavailable(problems[0])).toBe(true);
});

test.each([
  [{ code: 'ECONNREFUSED' }, true, true],
  [new AggregateError([{ code: 'ECONNREFUSED' }]), true, true],
  [new Error('outer', { cause: { code: '57P03' } }), true, true],
  [{ code: '08006' }, true, true],
  [new Error('Connection terminated unexpectedly'), true, true],
  [{ code: '53300' }, true, false],
  [{ code: '57014' }, true, false],
  [{ code: '55P03' }, true, false],
  [{ code: '25P03' }, true, false],
  [{ code: '40001' }, true, false],
  [{ code: '40P01' }, true, false],
  [{ code: '23505' }, false, false],
  [{ code: '42501' }, false, false],
  [new Error('boom'), false, false],
  [undefined, false, false],
])('%j is unavailable: %s, and whether it was committed unknown: %s', (error, away, unknown) => {
  expect(isUnavailable(error)).toBe(away);
  expect(isOutcomeUnknown(error)).toBe(unknown);
});

/** The server runs the statement that is to be cut off. */
async function untilSleeping(name: string): Promise<void> {
  const running = `select from pg_stat_activity
    where application_name = 'sluice-cut' and state = 'active' and query like '%pg_sleep(20) as ${name}'`;
  while ((await database.query(running)).length === 0) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

test('what was prepared before a migration is prepared anew', async () => {
  const one = database.poolOf('sluice_worker', { max: 1 });
  await database.query('create table public.kept_kinds (kind text)');
  await database.query('grant select on public.kept_kinds to sluice_worker');
  const kept = () =>
    withTenant(one, 'acme', async (tx) => {
      const sql = 'select * from public.kept_kinds';
      return (await tx.query(sql, [], 'spec-of-kept-kinds')).command;
    });
  expect(await kept()).toBe('SELECT');
  await database.query('alter table public.kept_kinds add column since timestamptz');
  expect(await kept()).toBe('SELECT');
});
