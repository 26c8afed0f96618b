import { afterAll, expect, test } from '@jest/globals';
import { createTestDatabase } from '@sluice/persistence/testing';
import type { ProviderQuery } from './analysis-provider.ts';
import { accessOf } from './provider-access.ts';
import { createSqlProvider } from './sql-provider.ts';

const FROM = Date.parse('2026-11-22T10:00:00Z');
const database = await createTestDatabase();
await database.query(`create table public.orders (target text, at timestamptz, failed integer)`);
await database.query(
  `insert into public.orders values
     ('web-1', '2026-11-22T10:00:01Z', 1), ('web-1', '2026-11-22T10:00:06Z', null),
     ('web-1', '2026-11-22T10:00:11Z', 3), ('web-2', '2026-11-22T10:00:11Z', 90),
     ('web-1', '2026-11-22T09:59:00Z', 70)`,
);
afterAll(() => database.drop());

function ask(query: string, changed: Partial<ProviderQuery> = {}, url = database.superuserUrl) {
  const secrets = { read: async () => url };
  const access = accessOf({ kind: 'sql', url: { secret: 'shop' }, timeoutSeconds: 1 }, secrets);
  return createSqlProvider(access).query(
    {
      query,
      pointer: null,
      side: 'canary',
      targets: ['web-1'],
      from: FROM,
      to: FROM + 15_000,
      stepSeconds: 5,
      maxPoints: 10,
      ...changed,
    },
    {
      tenantId: 'acme',
      environment: 'dev',
      promotionId: 'dev/1',
      releaseDigest: '',
      cancellation: new AbortController().signal,
    },
  );
}

const QUERY = `select at, failed as value from public.orders where target = any($1) and at > $2 order by at -- newest last`;

test('rows of the range are points; names and times are bound', async () => {
  const points = [
    [1, 1],
    [6, null],
    [11, 3],
  ];
  expect(await ask(QUERY)).toEqual(points);
  expect(await ask(`${QUERY}\n;\n`)).toEqual(points);
});

test('a query may leave out what is bound, and use it in expressions', async () => {
  const steps = `select to_timestamp(extract(epoch from $2 + interval '1 second')) as at, 'NaN'::float8 as value`;
  expect(await ask(steps)).toEqual([[1, null]]);
  expect(await ask(`select $3 - make_interval(secs => $4) as at, 7 as value`)).toEqual([[10, 7]]);
});

test.each([
  ['writes', `with x as (delete from public.orders returning at) select at, 1 as value from x`],
  ['has several statements', `select now() as at, 1 as value) x; drop table public.orders; --`],
  ['has no value', `select now() as at`],
  ['is no SQL', `selct 1`],
])('a query that %s is refused', async (_what, query) => {
  await expect(ask(query)).rejects.toMatchObject({ code: 'analysis-query-refused' });
  expect(await database.query(`select count(*)::int as n from public.orders`)).toEqual([{ n: 5 }]);
});

test('a slow one is ended, a long one is not taken, one that is away is down and not named', async () => {
  await expect(ask(`select now() as at, pg_sleep(5)::text::int as value`)).rejects.toMatchObject({
    code: 'analysis-provider-down',
    message: expect.stringMatching(/too long/),
  });
  await expect(
    ask(`select $2 + make_interval(secs => g) as at, g as value from generate_series(1, 1000) g`),
  ).rejects.toMatchObject({ code: 'analysis-points-many' });
  await expect(ask(QUERY, {}, 'postgres://shop:hunter2@127.0.0.1:1/shop')).rejects.toMatchObject({
    code: 'analysis-provider-down',
    message: 'The database did not answer (ECONNREFUSED).',
  });
});
