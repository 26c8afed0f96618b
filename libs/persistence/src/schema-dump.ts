import pg from 'pg';
import { ROLES_OF_SLUICE } from './roles.ts';
import { type CatalogueTable, readCatalogue } from './schema-catalogue.ts';

/**
 * The schema `sluice` of a database as text: tables with their columns, defaults, keys, checks, indexes and
 * policies, functions, views, grants, and the roles. Sorted, so that equal schemas give equal bytes. It is
 * for reading and comparing; databases are made by the migrations.
 */
export async function dumpSchema(connectionString: string): Promise<string> {
  const client = new pg.Client({ connectionString, connectionTimeoutMillis: 10_000 });
  client.on('error', () => undefined);
  await client.connect();
  try {
    const catalogue = await readCatalogue(client);
    const sections = [
      '-- The schema that the migrations make, read back from the catalogue. Generated: do not edit.\n' +
        '-- Write it again with `node libs/persistence/dist/schema-dump-main.js`.',
      (await readRoles(client)).join('\n'),
      `create schema sluice authorization ${catalogue.owner};`,
      ...catalogue.others.map(statement),
      ...catalogue.tables.map((table) => tableText(table, catalogue.owner)),
      ...catalogue.views.map(statement),
      ...catalogue.functions.map(statement),
      catalogue.grants.map(statement).join('\n'),
    ];
    return `${sections.filter((section) => section !== '').join('\n\n')}\n`;
  } finally {
    await client.end().catch(() => undefined);
  }
}

async function readRoles(client: pg.Client): Promise<readonly string[]> {
  const { rows } = await client.query<{ text: string }>(
    `select format('-- role %s: %s%s', r.rolname, concat_ws(', ',
              case when r.rolcanlogin then 'login' end, case when r.rolsuper then 'superuser' end,
              case when r.rolbypassrls then 'bypassrls' end, case when r.rolcreaterole then 'createrole' end,
              case when r.rolcreatedb then 'createdb' end, case when r.rolreplication then 'replication' end),
              (select ', member of ' || string_agg(pg_get_userbyid(m.roleid)::text, ', '
                        order by pg_get_userbyid(m.roleid)::text collate "C")
                 from pg_auth_members m where m.member = r.oid)) as text
       from pg_roles r
      where r.rolname = any($1)
      order by r.rolname collate "C"`,
    [ROLES_OF_SLUICE],
  );
  return rows.map(({ text }) => text);
}

function tableText(table: CatalogueTable, schemaOwner: string): string {
  const name = `sluice.${table.name}`;
  const columns = table.columns.map((column) =>
    [
      `  ${column.name} ${column.type}`,
      ...(column.notNull ? ['not null'] : []),
      ...(column.default === null ? [] : [`default ${column.default}`]),
      ...(column.identity === null ? [] : [`generated ${column.identity} as identity`]),
      ...(column.generated === null ? [] : [`generated as (${column.generated})`]),
    ].join(' '),
  );
  const constraints = table.constraints.map((one) => `  constraint ${one.name} ${one.definition}`);
  return [
    `create table ${name} (\n${[...columns, ...constraints].join(',\n')}\n);`,
    ...(table.owner === schemaOwner ? [] : [`alter table ${name} owner to ${table.owner};`]),
    ...table.indexes.map(statement),
    ...(table.secured ? [`alter table ${name} enable row level security;`] : []),
    ...(table.forced ? [`alter table ${name} force row level security;`] : []),
    ...table.policies.map(statement),
    ...table.triggers.map(statement),
  ].join('\n');
}

function statement(text: string): string {
  return `${text.trimEnd().replace(/;$/, '')};`;
}
