import pg from 'pg';
import { RUNTIME_ROLES } from './roles.ts';
import { readCatalogue } from './schema-catalogue.ts';

/** Keys that do not begin with the tenant, each with its reason. */
export const KEYS_ACROSS_TENANTS: Readonly<Record<string, string>> = {
  principal_tokens_by_hash:
    'a token names one principal before its tenant is known; it is a hash of a secret',
};

/** Tables without a tenant, each with its reason. */
export const TABLES_WITHOUT_TENANT: Readonly<Record<string, string>> = {
  schema_migrations: 'what was applied to the database; no role that runs may read it',
  workflow_bundles:
    "workflow code that workers ran: the deployment's own, the same for every tenant",
};

const UNIQUE_KEYS = `
select t.relname as "table", x.relname as key,
       (select a.attname from pg_attribute a where a.attrelid = t.oid and a.attnum = i.indkey[0]) as "first"
  from pg_index i
  join pg_class t on t.oid = i.indrelid
  join pg_class x on x.oid = i.indexrelid
 where t.relnamespace = 'sluice'::regnamespace and i.indisunique
 order by 1, 2`;

const UNSAFE_VIEWS = `
select c.relname as name from pg_class c
 where c.relnamespace = 'sluice'::regnamespace
   and (c.relkind = 'm' or (c.relkind = 'v' and not coalesce(
     (select option_value::boolean from pg_options_to_table(c.reloptions)
       where option_name = 'security_invoker'), false)))
 order by 1`;

/** A role is dangerous itself, by what it belongs to, or by what it owns. */
const UNSAFE_ROLES = `
select r.rolname as name,
       case when exists (select from pg_roles g where pg_has_role(r.oid, g.oid, 'member')
                            and (g.rolsuper or g.rolbypassrls))
            then 'can bypass row-level security'
            when exists (select from pg_class c where c.relnamespace = 'sluice'::regnamespace
                            and pg_has_role(r.oid, c.relowner, 'member'))
            then 'owns tables, and may switch their policies off'
            when r.rolcreaterole then 'may make roles' end as problem
  from pg_roles r
 where r.rolname = any($1)
 order by 1`;

/**
 * Walks over the catalogue and names every place where one tenant could see or reach into another: a table
 * without a forced policy, a key that does not begin with the tenant, a view that runs as its owner, a role
 * that can bypass. Empty when there is none.
 */
export async function findTenancyProblems(connectionString: string): Promise<readonly string[]> {
  const client = new pg.Client({ connectionString, connectionTimeoutMillis: 10_000 });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return [
      ...(await tableProblems(client)),
      ...(await keyProblems(client)),
      ...(await viewProblems(client)),
      ...(await roleProblems(client)),
    ];
  } finally {
    await client.end().catch(() => undefined);
  }
}

async function tableProblems(client: pg.Client): Promise<readonly string[]> {
  const { tables } = await readCatalogue(client);
  return tables.flatMap((table) => {
    if (table.name in TABLES_WITHOUT_TENANT) return [];
    const tenant = table.columns.find(({ name }) => name === 'tenant_id');
    if (tenant === undefined) return [`Table ${table.name} has no tenant_id.`];
    const problems: string[] = [];
    if (!tenant.notNull) problems.push(`Table ${table.name}: tenant_id may be null.`);
    if (!table.secured) problems.push(`Table ${table.name}: row-level security is off.`);
    if (!table.forced) problems.push(`Table ${table.name}: its owner is not held to the policies.`);
    const isolating = table.policies.some(
      (policy) =>
        policy.includes(' for all to public ') &&
        policy.includes('(tenant_id = sluice.current_tenant())'),
    );
    if (!isolating) problems.push(`Table ${table.name}: no policy compares tenant_id.`);
    const open = table.policies.filter(
      (policy) =>
        / to ([a-z_]+, )*public/.test(policy) && !policy.includes('sluice.current_tenant()'),
    );
    return [...problems, ...open.map((policy) => `Table ${table.name}: open to all: ${policy}.`)];
  });
}

async function keyProblems(client: pg.Client): Promise<readonly string[]> {
  const { rows } = await client.query<{ table: string; key: string; first: string }>(UNIQUE_KEYS);
  return rows
    .filter(({ table, key, first }) => {
      const argued = table in TABLES_WITHOUT_TENANT || key in KEYS_ACROSS_TENANTS;
      return first !== 'tenant_id' && !argued;
    })
    .map(({ table, key }) => `Table ${table}: the key ${key} does not begin with tenant_id.`);
}

async function viewProblems(client: pg.Client): Promise<readonly string[]> {
  const { rows } = await client.query<{ name: string }>(UNSAFE_VIEWS);
  return rows.map(({ name }) => `View ${name} runs with its owner's rights: set security_invoker.`);
}

async function roleProblems(client: pg.Client): Promise<readonly string[]> {
  const { rows } = await client.query<{ name: string; problem: string | null }>(UNSAFE_ROLES, [
    RUNTIME_ROLES,
  ]);
  const known = new Set(rows.map(({ name }) => name));
  const missing = RUNTIME_ROLES.filter((role) => !known.has(role));
  return [
    ...missing.map((role) => `Role ${role} does not exist.`),
    ...rows.flatMap(({ name, problem }) => (problem === null ? [] : [`Role ${name} ${problem}.`])),
  ];
}
