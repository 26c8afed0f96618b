import type pg from 'pg';

/** What the catalogue says about one table. Lists are in the order in which the dump shows them. */
export interface CatalogueTable {
  readonly name: string;
  readonly owner: string;
  readonly comment: string | null;
  readonly secured: boolean;
  readonly forced: boolean;
  readonly columns: readonly {
    readonly name: string;
    readonly type: string;
    readonly notNull: boolean;
    readonly default: string | null;
    /** `always`, `by default`, or null for a column that is no identity. */
    readonly identity: string | null;
    readonly generated: string | null;
  }[];
  /** Keys, foreign keys and checks. */
  readonly constraints: readonly { readonly name: string; readonly definition: string }[];
  /** Those that belong to no constraint. */
  readonly indexes: readonly string[];
  readonly policies: readonly string[];
  readonly triggers: readonly string[];
}

/** What the catalogue says about the schema `sluice`. */
export interface Catalogue {
  readonly owner: string;
  readonly tables: readonly CatalogueTable[];
  /** Whole statements: functions, views, sequences that no column owns, types. */
  readonly functions: readonly string[];
  readonly views: readonly string[];
  readonly others: readonly string[];
  readonly grants: readonly string[];
}

const SCHEMA = `'sluice'::regnamespace`;
/** Text is compared by code unit everywhere, so that the order does not hang on the server's locale. */
const C = 'collate "C"';

const TABLES = `
select c.relname as name, pg_get_userbyid(c.relowner) as owner,
       obj_description(c.oid, 'pg_class') as comment,
       c.relrowsecurity as secured, c.relforcerowsecurity as forced,
       (select coalesce(jsonb_agg(jsonb_build_object(
                 'name', a.attname,
                 'type', format_type(a.atttypid, a.atttypmod),
                 'notNull', a.attnotnull,
                 'default', case when a.attgenerated = '' then pg_get_expr(d.adbin, d.adrelid) end,
                 'generated', case when a.attgenerated <> '' then pg_get_expr(d.adbin, d.adrelid) end,
                 'identity', case a.attidentity when 'a' then 'always' when 'd' then 'by default' end)
               order by a.attnum), '[]')
          from pg_attribute a
          left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
         where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) as columns,
       (select coalesce(jsonb_agg(jsonb_build_object(
                 'name', k.conname, 'definition', pg_get_constraintdef(k.oid))
               order by array_position('{p,u,f,c,x,t}', k.contype::text), k.conname ${C}), '[]')
          from pg_constraint k
         where k.conrelid = c.oid and k.contype <> 'n') as constraints,
       (select coalesce(jsonb_agg(pg_get_indexdef(i.indexrelid) order by x.relname ${C}), '[]')
          from pg_index i join pg_class x on x.oid = i.indexrelid
         where i.indrelid = c.oid
           and not exists (select from pg_constraint k where k.conindid = i.indexrelid
                              and k.contype in ('p', 'u', 'x'))) as indexes,
       (select coalesce(jsonb_agg(format('create policy %I on sluice.%I as %s for %s to %s%s%s',
                 p.polname, c.relname,
                 case when p.polpermissive then 'permissive' else 'restrictive' end,
                 case p.polcmd when 'r' then 'select' when 'a' then 'insert' when 'w' then 'update'
                               when 'd' then 'delete' else 'all' end,
                 (select string_agg(case when r = 0 then 'public' else pg_get_userbyid(r)::text end, ', '
                            order by case when r = 0 then 'public' else pg_get_userbyid(r)::text end ${C})
                    from unnest(p.polroles) r),
                 ' using (' || pg_get_expr(p.polqual, p.polrelid) || ')',
                 ' with check (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')')
               order by p.polname ${C}), '[]')
          from pg_policy p where p.polrelid = c.oid) as policies,
       (select coalesce(jsonb_agg(pg_get_triggerdef(t.oid) order by t.tgname ${C}), '[]')
          from pg_trigger t where t.tgrelid = c.oid and not t.tgisinternal) as triggers
  from pg_class c
 where c.relnamespace = ${SCHEMA} and c.relkind in ('r', 'p')
 order by c.relname ${C}`;

const FUNCTIONS = `
select pg_get_functiondef(p.oid) as text from pg_proc p
 where p.pronamespace = ${SCHEMA} and p.prokind in ('f', 'p')
 order by p.proname ${C}, pg_get_function_identity_arguments(p.oid) ${C}`;

const VIEWS = `
select format('create %sview sluice.%I%s as%s', case c.relkind when 'm' then 'materialized ' else '' end,
         c.relname, ' with (' || array_to_string(c.reloptions, ', ') || ')', pg_get_viewdef(c.oid)) as text
  from pg_class c
 where c.relnamespace = ${SCHEMA} and c.relkind in ('v', 'm')
 order by c.relname ${C}`;

const OTHERS = `
select format('create sequence sluice.%I', c.relname) as text from pg_class c
 where c.relnamespace = ${SCHEMA} and c.relkind = 'S'
   and not exists (select from pg_depend d where d.objid = c.oid and d.deptype in ('a', 'i')
                      and d.refclassid = 'pg_class'::regclass)
union all
select format('create type sluice.%I -- %s', t.typname, t.typtype) from pg_type t
 where t.typnamespace = ${SCHEMA} and t.typtype in ('d', 'e', 'r')
union all
select format('create type sluice.%I -- c', t.typname) from pg_type t join pg_class c on c.oid = t.typrelid
 where t.typnamespace = ${SCHEMA} and t.typtype = 'c' and c.relkind = 'c'
 order by 1`;

/** Grants to others than the owner; `public` by name. A null list of rights means the defaults. */
const GRANTS = `
with rights as (
  select 'schema sluice' as thing, '' as field, x.grantee, x.privilege_type, x.is_grantable, n.nspowner as owner
    from pg_namespace n, aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) x
   where n.oid = ${SCHEMA}
  union all
  select format('%s sluice.%I', case c.relkind when 'S' then 'sequence' else 'table' end, c.relname), '',
         x.grantee, x.privilege_type, x.is_grantable, c.relowner
    from pg_class c,
         aclexplode(coalesce(c.relacl, acldefault(case c.relkind when 'S' then 's' else 'r' end::"char", c.relowner))) x
   where c.relnamespace = ${SCHEMA} and c.relkind in ('r', 'p', 'v', 'm', 'S')
  union all
  select format('table sluice.%I', c.relname), a.attname::text, x.grantee, x.privilege_type, x.is_grantable, c.relowner
    from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped,
         aclexplode(a.attacl) x
   where c.relnamespace = ${SCHEMA}
  union all
  select format('function sluice.%I(%s)', p.proname, pg_get_function_identity_arguments(p.oid)), '',
         x.grantee, x.privilege_type, x.is_grantable, p.proowner
    from pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) x
   where p.pronamespace = ${SCHEMA}
), per_right as (
  select thing, grantee, is_grantable,
         lower(privilege_type)
           || coalesce(' (' || string_agg(field, ', ' order by field ${C}) filter (where field <> '') || ')', '') as p
    from rights where grantee <> owner
   group by thing, grantee, is_grantable, privilege_type, field = ''
)
select format('grant %s on %s to %s%s', string_agg(p, ', ' order by p ${C}), thing,
         case when grantee = 0 then 'public' else pg_get_userbyid(grantee)::text end,
         case when is_grantable then ' with grant option' else '' end) as text
  from per_right
 group by thing, grantee, is_grantable
 order by thing ${C}, case when grantee = 0 then 'public' else pg_get_userbyid(grantee)::text end ${C},
       is_grantable`;

/** Reads the schema `sluice` from the catalogue: everything that a migration can make there. */
export async function readCatalogue(client: pg.ClientBase): Promise<Catalogue> {
  // Definitions are printed without the schema's name for what the search path finds: so it finds nothing.
  await client.query(`set search_path = pg_catalog`);
  const texts = async (sql: string): Promise<readonly string[]> =>
    (await client.query<{ text: string }>(sql)).rows.map(({ text }) => text);
  const owner = await client.query<{ owner: string }>(
    `select pg_get_userbyid(nspowner) as owner from pg_namespace where oid = ${SCHEMA}`,
  );
  return {
    owner: owner.rows[0]?.owner ?? '',
    tables: (await client.query<CatalogueTable>(TABLES)).rows,
    functions: await texts(FUNCTIONS),
    views: await texts(VIEWS),
    others: await texts(OTHERS),
    grants: await texts(GRANTS),
  };
}
