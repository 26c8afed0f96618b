import type { Environment, Pipeline, Role, Target } from '@sluice/domain';
import { digestOf } from '@sluice/pure';
import { isUniqueViolation } from '../database-errors.ts';
import { PersistenceError } from '../persistence-error.ts';
import type { Tx } from '../transaction.ts';
import { insertEvent } from './event.repository.ts';
import type { SourceRecord } from './rule.repository.ts';

/** What the configuration file says about one tenant; validated by whoever read it. */
export interface TenantConfiguration {
  readonly sources: readonly SourceRecord[];
  readonly pipelines: readonly Pipeline[];
  /** Policy bundles by name; a new digest becomes the next version. */
  readonly policies: readonly { readonly name: string; readonly policyDigest: string }[];
  readonly environments: readonly Environment[];
  readonly targets: readonly Target[];
  readonly principals: readonly {
    readonly name: string;
    readonly role: Role;
    /** `sha256:…` of the token's bytes. */
    readonly tokenHash: string;
  }[];
}

/** What a configuration changed: `source:samples`, `environment:dev`, `principal:alice` …, sorted. */
export interface ConfigurationChanges {
  readonly changed: readonly string[];
}

/**
 * Makes the tenant's records say what its configuration says: what it no longer names is marked as removed or
 * disabled, a changed environment or target gets the next version, a policy bundle with another digest too.
 * Writes the event `configuration.applied` when something changed; the same configuration again changes
 * nothing. Two API processes that start at once take turns.
 * Throws `configuration-invalid`: a pipeline's version came with another content, or a token belongs to
 * somebody in another tenant.
 */
export async function applyConfiguration(
  tx: Tx,
  configuration: TenantConfiguration,
): Promise<ConfigurationChanges> {
  await tx.query(
    `select pg_advisory_xact_lock(hashtextextended('sluice.configuration:' || $1, 0))`,
    [tx.tenantId],
  );
  await tx.query(`insert into sluice.tenants (tenant_id) values ($1) on conflict do nothing`, [
    tx.tenantId,
  ]);
  const changed = [
    ...(await applySources(tx, configuration)),
    ...(await applyPipelines(tx, configuration)),
    ...(await applyPolicies(tx, configuration)),
    ...(await applyEnvironments(tx, configuration)),
    ...(await applyTargets(tx, configuration)),
    ...(await applyPrincipals(tx, configuration)),
  ].sort();
  if (changed.length > 0) {
    await insertEvent(tx, {
      type: 'configuration.applied',
      actor: 'system:api',
      subject: `tenant:${tx.tenantId}`,
      data: { changed },
      traceId: null,
    });
  }
  return { changed };
}

async function applySources(tx: Tx, { sources }: TenantConfiguration): Promise<string[]> {
  const { rows } = await tx.query<{ name: string }>(
    `insert into sluice.sources as s (tenant_id, source_id, kind, location)
     select $1, n.name, n.kind, n.location
       from jsonb_to_recordset($2) as n(name text, kind text, location text)
     on conflict (tenant_id, source_id) do update
       set kind = excluded.kind, location = excluded.location, removed_at = null
     where (s.kind, s.location) is distinct from (excluded.kind, excluded.location)
        or s.removed_at is not null
     returning source_id as name`,
    [tx.tenantId, JSON.stringify(sources)],
  );
  const removed = await removeUnnamed(tx, 'sources', 'source_id', sources);
  return [...rows.map((row) => row.name), ...removed].map((name) => `source:${name}`);
}

async function applyPipelines(tx: Tx, { pipelines }: TenantConfiguration): Promise<string[]> {
  const changed: string[] = [];
  for (const pipeline of pipelines) {
    const digest = digestOf(pipeline);
    const { rowCount } = await tx.query(
      `insert into sluice.pipelines (tenant_id, pipeline_id, version, pipeline_digest, body)
       values ($1, $2, $3, $4, $5)
       on conflict (tenant_id, pipeline_id, version) do nothing`,
      [tx.tenantId, pipeline.name, pipeline.version, digest, JSON.stringify(pipeline)],
    );
    if (rowCount === 1) {
      changed.push(`pipeline:${pipeline.name}`);
      continue;
    }
    const { rows } = await tx.query<{ digest: string }>(
      `select pipeline_digest as digest from sluice.pipelines
        where tenant_id = $1 and pipeline_id = $2 and version = $3`,
      [tx.tenantId, pipeline.name, pipeline.version],
    );
    if (rows[0]?.digest !== digest) {
      throw new PersistenceError(
        'configuration-invalid',
        `Pipeline ${pipeline.name} version ${pipeline.version} was stored with other content: a rule never changes, so raise its version.`,
      );
    }
  }
  return changed;
}

async function applyPolicies(tx: Tx, { policies }: TenantConfiguration): Promise<string[]> {
  const { rows } = await tx.query<{ name: string }>(
    `insert into sluice.policies (tenant_id, policy_id, version, policy_digest)
     select $1, n.name, coalesce(newest.version, 0) + 1, n."policyDigest"
       from jsonb_to_recordset($2) as n(name text, "policyDigest" text)
       left join lateral (
         select p.version, p.policy_digest from sluice.policies p
          where p.tenant_id = $1 and p.policy_id = n.name
          order by p.version desc
          limit 1) newest on true
      where newest.policy_digest is distinct from n."policyDigest"
     returning policy_id as name`,
    [tx.tenantId, JSON.stringify(policies)],
  );
  return rows.map((row) => `policy:${row.name}`);
}

async function applyEnvironments(tx: Tx, { environments }: TenantConfiguration): Promise<string[]> {
  const { rows } = await tx.query<{ name: string }>(
    `insert into sluice.environments as e (tenant_id, environment_id, position, pipeline_id, policy_id, deadlines)
     select $1, n.name, n.position, n.pipeline, n.policy, n.deadlines
       from jsonb_to_recordset($2)
         as n(name text, position integer, pipeline text, policy text, deadlines jsonb)
     on conflict (tenant_id, environment_id) do update
       set position = excluded.position, pipeline_id = excluded.pipeline_id, policy_id = excluded.policy_id,
           deadlines = excluded.deadlines, version = e.version + 1, removed_at = null
     where (e.position, e.pipeline_id, e.policy_id, e.deadlines)
             is distinct from (excluded.position, excluded.pipeline_id, excluded.policy_id, excluded.deadlines)
        or e.removed_at is not null
     returning environment_id as name`,
    [tx.tenantId, JSON.stringify(environments)],
  );
  const removed = await removeUnnamed(tx, 'environments', 'environment_id', environments);
  return [...rows.map((row) => row.name), ...removed].map((name) => `environment:${name}`);
}

async function applyTargets(tx: Tx, { targets }: TenantConfiguration): Promise<string[]> {
  const { rows } = await tx.query<{ name: string }>(
    `insert into sluice.targets as t (tenant_id, target_id, environment_id, kind, address, labels, settings, health)
     select $1, n.name, n.environment, n.kind, n.address, n.labels, n.settings, n.health
       from jsonb_to_recordset($2) as n(name text, environment text, kind text, address text, labels jsonb,
         settings jsonb, health jsonb)
     on conflict (tenant_id, target_id) do update
       set environment_id = excluded.environment_id, kind = excluded.kind, address = excluded.address,
           labels = excluded.labels, settings = excluded.settings, health = excluded.health,
           version = t.version + 1, removed_at = null
     where (t.environment_id, t.kind, t.address, t.labels, t.settings, t.health) is distinct from
             (excluded.environment_id, excluded.kind, excluded.address, excluded.labels, excluded.settings,
              excluded.health)
        or t.removed_at is not null
     returning target_id as name`,
    [tx.tenantId, JSON.stringify(targets)],
  );
  const removed = await removeUnnamed(tx, 'targets', 'target_id', targets);
  return [...rows.map((row) => row.name), ...removed].map((name) => `target:${name}`);
}

async function applyPrincipals(tx: Tx, { principals }: TenantConfiguration): Promise<string[]> {
  const named = JSON.stringify(principals);
  // Disabled first: a token may go from one principal to another in the same file.
  const disabled = await tx.query<{ name: string }>(
    `update sluice.principals p set disabled_at = now()
      where p.tenant_id = $1 and p.disabled_at is null and not exists (
        select from jsonb_to_recordset($2) as n(name text, "tokenHash" text)
         where n.name = p.principal_id and n."tokenHash" = p.token_hash)
     returning principal_id as name`,
    [tx.tenantId, named],
  );
  try {
    const { rows } = await tx.query<{ name: string }>(
      `insert into sluice.principals as p (tenant_id, principal_id, role, token_hash)
       select $1, n.name, n.role, n."tokenHash"
         from jsonb_to_recordset($2) as n(name text, role text, "tokenHash" text)
       on conflict (tenant_id, principal_id) do update
         set role = excluded.role, token_hash = excluded.token_hash, disabled_at = null
       where p.role <> excluded.role or p.token_hash <> excluded.token_hash or p.disabled_at is not null
       returning principal_id as name`,
      [tx.tenantId, named],
    );
    const names = new Set([...disabled.rows, ...rows].map((row) => row.name));
    return [...names].map((name) => `principal:${name}`);
  } catch (error) {
    if (!isUniqueViolation(error, 'principals_by_token')) throw error;
    throw new PersistenceError(
      'configuration-invalid',
      'A token hash of this configuration belongs to another principal already: give each one a token of its own.',
      { cause: error },
    );
  }
}

/** Marks rows that the configuration no longer names. Both names are ours, never a caller's. */
async function removeUnnamed(
  tx: Tx,
  table: 'sources' | 'environments' | 'targets',
  column: 'source_id' | 'environment_id' | 'target_id',
  named: readonly { readonly name: string }[],
): Promise<string[]> {
  const { rows } = await tx.query<{ name: string }>(
    `update sluice.${table} set removed_at = now()
      where tenant_id = $1 and removed_at is null and not (${column} = any($2))
     returning ${column} as name`,
    [tx.tenantId, named.map(({ name }) => name)],
  );
  return rows.map((row) => row.name);
}
