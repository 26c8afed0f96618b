import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { findTenancyProblems } from './catalogue-walk.ts';
import { checkSchemaDump, dumpMigratedSchema } from './schema-check.ts';
import { dumpSchema } from './schema-dump.ts';
import { createTestDatabase, type TestDatabase } from './testing/index.ts';

const serverUrl = process.env.SLUICE_TEST_POSTGRES_URL ?? '';
let database: TestDatabase;

beforeAll(async () => {
  database = await createTestDatabase();
});

afterAll(() => database.drop());

test('the stored dump is what the migrations make', async () => {
  expect(await checkSchemaDump(serverUrl)).toEqual({ ok: true, diff: '' });
});

test('two databases give the same bytes', async () => {
  expect(await dumpSchema(database.superuserUrl)).toBe(await dumpMigratedSchema(serverUrl));
});

test.each([
  ['a column', 'alter table sluice.plans add column note text', /note text/],
  ['a default', 'alter table sluice.plans alter created_at set default null', /created_at/],
  ['a check', 'alter table sluice.leases add check (resource <> $$x$$)', /leases_resource_check/],
  ['an index', 'create index extra on sluice.plans (created_at)', /CREATE INDEX extra/],
  ['a policy', 'create policy extra on sluice.plans to sluice_signer using (true)', /policy extra/],
  ['a grant', 'grant delete on sluice.events to sluice_app', /delete, insert, select/],
  ['a column grant', 'grant update (hash) on sluice.events to sluice_app', /update \(hash\)/],
  ['a function', 'create function sluice.f() returns int return 1', /sluice\.f\(\)/],
  ['a view', 'create view sluice.v as select 1 as one', /view sluice\.v/],
  ['a type', 'create domain sluice.d as text', /sluice\.d/],
  ['a sequence', 'create sequence sluice.s', /sequence sluice\.s/],
  ['forced security', 'alter table sluice.plans no force row level security', undefined],
])('the dump shows %s', async (_what, sql, shown) => {
  const before = await dumpSchema(database.superuserUrl);
  const scratch = await createTestDatabase();
  try {
    await scratch.query(sql);
    const after = await dumpSchema(scratch.superuserUrl);
    expect(after).not.toBe(before);
    if (shown !== undefined) {
      const added = after.split('\n').filter((line) => !before.split('\n').includes(line));
      expect(added.join('\n')).toMatch(shown);
    }
  } finally {
    await scratch.drop();
  }
});

test('no table, key, view or role lets a tenant see another', async () => {
  expect(await findTenancyProblems(database.superuserUrl)).toEqual([]);
});

test.each([
  ['create table sluice.t (id int primary key)', /Table t has no tenant_id/],
  ['create table sluice.t (tenant_id text not null)', /row-level security is off/],
  ['alter table sluice.plans no force row level security', /Table plans: its owner/],
  ['drop policy tenant_isolation on sluice.plans', /Table plans: no policy/],
  ['create policy p on sluice.plans using (true)', /Table plans: open to all/],
  ['create unique index u on sluice.plans (plan_digest)', /key u does not begin/],
  ['alter table sluice.agents add unique (key_id)', /does not begin with tenant_id/],
  ['create view sluice.v as select 1 as one', /View v runs with its owner/],
  ['alter table sluice.plans owner to sluice_app', /Role sluice_app owns tables/],
])('the walk finds: %s', async (sql, problem) => {
  const scratch = await createTestDatabase();
  try {
    await scratch.query(sql);
    expect((await findTenancyProblems(scratch.superuserUrl)).join('\n')).toMatch(problem);
  } finally {
    await scratch.drop();
  }
});
