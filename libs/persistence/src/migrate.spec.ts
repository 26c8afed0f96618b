import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import pg from 'pg';
import { migrate } from './migrate.ts';
import { MIGRATIONS_FOLDER } from './migration-files.ts';
import { findMissingRoles } from './roles.ts';
import { withEmptyDatabase } from './testing/index.ts';

const rolePasswords = {};
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice migrations-'));
  for (const name of await readdir(MIGRATIONS_FOLDER)) {
    if (/^[0-9]{6}_/.test(name)) {
      await writeFile(join(folder, name), await readFile(join(MIGRATIONS_FOLDER, name)));
    }
  }
});

afterEach(() => rm(folder, { recursive: true, force: true }));

async function ask<Row extends object>(url: string, sql: string): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Row>(sql)).rows;
  } finally {
    await client.end();
  }
}

test('an empty database gets every migration, in order and once', async () => {
  await withEmptyDatabase(async (superuserUrl) => {
    const first = await migrate({ superuserUrl, rolePasswords });
    expect(first.applied).toEqual(
      (await readdir(MIGRATIONS_FOLDER)).filter((name) => /^[0-9]{6}_/.test(name)).sort(),
    );
    expect((await migrate({ superuserUrl, rolePasswords })).applied).toEqual([]);
  });
});

test('runs that start at the same time take turns', async () => {
  await withEmptyDatabase(async (superuserUrl) => {
    const runs = await Promise.all([1, 2, 3].map(() => migrate({ superuserUrl, rolePasswords })));
    expect(runs.filter(({ applied }) => applied.length > 0)).toHaveLength(1);
  });
});

test('everything belongs to the owner role, which is no superuser', async () => {
  await withEmptyDatabase(async (superuserUrl) => {
    await migrate({ superuserUrl, rolePasswords });
    const owners = await ask<{ owner: string }>(
      superuserUrl,
      `select distinct pg_get_userbyid(relowner) as owner from pg_class
        where relnamespace = 'sluice'::regnamespace
       union
       select pg_get_userbyid(proowner) from pg_proc where pronamespace = 'sluice'::regnamespace`,
    );
    expect(owners).toEqual([{ owner: 'sluice_owner' }]);
    const roles = await ask<object>(
      superuserUrl,
      `select rolname from pg_roles
        where rolname like 'sluice%' and (rolsuper or rolbypassrls or rolcreaterole or rolcreatedb)`,
    );
    expect(roles).toEqual([]);
  });
});

test('the owner role can migrate by itself once a superuser made the roles', async () => {
  await withEmptyDatabase(async (superuserUrl) => {
    await migrate({ superuserUrl, rolePasswords: { sluice_owner: 'sluice-test-only' } });
    await writeFile(join(folder, '000099_later.sql'), '');
    await rm(join(folder, '000099_later.sql'));
    const next = (await readdir(folder)).length + 1;
    const name = `${String(next).padStart(6, '0')}_later.sql`;
    await writeFile(
      join(folder, name),
      '-- A later change.\ncreate table sluice.later (id int primary key);\n',
    );
    const url = new URL(superuserUrl);
    url.username = 'sluice_owner';
    url.password = 'sluice-test-only';
    expect((await migrate({ ownerUrl: url.href, folder })).applied).toEqual([name]);
  });
});

test('roles that the server does not have are named', async () => {
  await withEmptyDatabase(async (superuserUrl) => {
    await migrate({ superuserUrl, rolePasswords });
    const client = new pg.Client({ connectionString: superuserUrl });
    await client.connect();
    try {
      expect(await findMissingRoles(client)).toEqual([]);
      expect(await findMissingRoles(client, ['sluice_owner', 'sluice_nobody'])).toEqual([
        'sluice_nobody',
      ]);
    } finally {
      await client.end();
    }
  });
});

test('a changed, a renamed and a missing applied file are refused', async () => {
  await withEmptyDatabase(async (superuserUrl) => {
    await migrate({ superuserUrl, rolePasswords, folder });
    const last = (await readdir(folder)).sort().at(-1) ?? '';
    const text = await readFile(join(folder, last), 'utf8');
    await writeFile(join(folder, last), `${text}-- changed\n`);
    await expect(migrate({ superuserUrl, rolePasswords, folder })).rejects.toMatchObject({
      code: 'migration-mismatch',
      message: expect.stringContaining(`${last} was changed`),
    });
    await rm(join(folder, last));
    await expect(migrate({ superuserUrl, rolePasswords, folder })).rejects.toMatchObject({
      code: 'migration-mismatch',
      message: expect.stringContaining(last),
    });
    await writeFile(join(folder, last.replace('.sql', '-renamed.sql')), text);
    await expect(migrate({ superuserUrl, rolePasswords, folder })).rejects.toMatchObject({
      code: 'migration-mismatch',
    });
  });
});

test('a gap in the numbers is refused before anything is applied', async () => {
  await withEmptyDatabase(async (superuserUrl) => {
    await rm(join(folder, (await readdir(folder)).sort()[1] ?? ''));
    await expect(migrate({ superuserUrl, rolePasswords, folder })).rejects.toMatchObject({
      code: 'migration-mismatch',
    });
    expect(await ask(superuserUrl, `select 1 from pg_namespace where nspname = 'sluice'`)).toEqual(
      [],
    );
  });
});

test('a migration that fails leaves nothing of itself and names its line', async () => {
  await withEmptyDatabase(async (superuserUrl) => {
    const next = (await readdir(folder)).length + 1;
    const name = `${String(next).padStart(6, '0')}_broken.sql`;
    await writeFile(
      join(folder, name),
      '-- Broken.\ncreate table sluice.half (id int primary key);\nselect nothing_like_this;\n',
    );
    await expect(migrate({ superuserUrl, rolePasswords, folder })).rejects.toMatchObject({
      code: 'migration-failed',
      message: expect.stringContaining(`${name} line 3`),
    });
    expect(await ask(superuserUrl, `select to_regclass('sluice.half') as t`)).toEqual([
      { t: null },
    ]);
    expect(
      await ask(superuserUrl, `select count(*)::int as n from sluice.schema_migrations`),
    ).toEqual([{ n: next - 1 }]);
  });
});
