import type {
  DisruptionBudget,
  Environment,
  HistoryRule,
  Pipeline,
  PipelineTemplate,
  PrincipalKind,
  Role,
  Target,
} from '@sluice/domain';
import { isUniqueViolation } from '../database-errors.ts';
import { isPersistenceError, PersistenceError } from '../persistence-error.ts';
import type { Tx } from '../transaction.ts';
import { applyBudgets } from './budget-configuration.repository.ts';
import { insertEvent } from './event.repository.ts';
import { publishPipeline } from './pipeline.repository.ts';
import type { SourceRecord } from './rule.repository.ts';

/** What the configuration file says about one tenant; validated by whoever read it. */
export interface TenantConfiguration {
  readonly sources: readonly SourceRecord[];
  readonly pipelines: readonly (Pipeline | PipelineTemplate)[];
  /** Policy bundles by name; a new digest becomes the next version. */
  readonly policies: readonly { readonly name: string; readonly policyDigest: string }[];
  readonly environments: readonly Environment[];
  /** Routers too. */
  readonly targets: readonly Target[];
  /** None when absent. */
  readonly budgets?: readonly DisruptionBudget[];
  /** How long an agent is silent before its target counts as away. */
  readonly offlineSeconds?: number;
  readonly principals: readonly {
    readonly name: string;
    readonly role: Role;
    readonly kind: PrincipalKind;
    /** A person of this configuration, for a service account; null for a person. */
    readonly owner: string | null;
    /** `sha256:…` of each token's bytes. */
    readonly tokenHashes: readonly string[];
  }[];
  /** How long histories are kept; for ever when absent. */
  readonly histories?: readonly HistoryRule[];
}

/** What a configuration changed: `source:samples`, `environment:dev`, `principal:alice`, `tenant:histories` …, sorted. */
export interface ConfigurationChanges {
  readonly changed: readonly string[];
}

/**
 * Makes the tenant's records say what its configuration says: what it no longer names is marked as removed or
 * disabled (tokens are deleted), a changed environment or target gets the next version, a policy bundle with another
 * digest too.
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
    ...(await applyBudgets(tx, configuration)),
    ...(await applyPrincipals(tx, configuration)),
    ...(await applyHistoryRules(tx, configuration)),
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
  for (const template of pipelines) {
    try {
      const { published } = await publishPipeline(tx, { template, publishedBy: null });
      if (published) changed.push(`pipeline:${template.name}`);
    } catch (error) {
      if (!isPersistenceError(error, 'pipeline-version-taken')) throw error;
      const { message } = error as Error;
      throw new PersistenceError('configuration-invalid', message, { cause: error });
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
    `insert into sluice.environments as e (tenant_id, environment_id, position, pipeline_id, policy_id, deadlines,
       predecessors, approval, rollback_roles, pipeline_version, pipeline_parameters, watch)
     select $1, n.name, n.position, n.pipeline, n.policy, n.deadlines, n.predecessors, n.approval, n."rollbackRoles",
            n."pipelineVersion", coalesce(n."pipelineParameters", '{}'), n.watch
       from jsonb_to_recordset($2)
         as n(name text, position integer, pipeline text, policy text, deadlines jsonb, predecessors text[],
           approval jsonb, "rollbackRoles" text[], "pipelineVersion" integer, "pipelineParameters" jsonb, watch jsonb)
     on conflict (tenant_id, environment_id) do update
       set position = excluded.position, pipeline_id = excluded.pipeline_id, policy_id = excluded.policy_id,
           deadlines = excluded.deadlines, predecessors = excluded.predecessors, approval = excluded.approval,
           rollback_roles = excluded.rollback_roles, pipeline_version = excluded.pipeline_version,
           pipeline_parameters = excluded.pipeline_parameters, watch = excluded.watch, version = e.version + 1,
           removed_at = null
     where (e.position, e.pipeline_id, e.policy_id, e.deadlines, e.predecessors, e.approval, e.rollback_roles,
              e.pipeline_version, e.pipeline_parameters, e.watch)
             is distinct from (excluded.position, excluded.pipeline_id, excluded.policy_id, excluded.deadlines,
               excluded.predecessors, excluded.approval, excluded.rollback_roles, excluded.pipeline_version,
               excluded.pipeline_parameters, excluded.watch)
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
  const named = principals.map(({ name }) => name);
  const disabled = await tx.query<{ name: string }>(
    `update sluice.principals set disabled_at = now()
      where tenant_id = $1 and disabled_at is null and not (principal_id = any($2))
     returning principal_id as name`,
    [tx.tenantId, named],
  );
  const written = await tx.query<{ name: string }>(
    `insert into sluice.principals as p (tenant_id, principal_id, role, kind, owner_id)
     select $1, n.name, n.role, n.kind, n.owner
       from jsonb_to_recordset($2) as n(name text, role text, kind text, owner text)
     on conflict (tenant_id, principal_id) do update
       set role = excluded.role, kind = excluded.kind, owner_id = excluded.owner_id, disabled_at = null
     where (p.role, p.kind, p.owner_id) is distinct from (excluded.role, excluded.kind, excluded.owner_id)
        or p.disabled_at is not null
     returning principal_id as name`,
    [tx.tenantId, JSON.stringify(principals)],
  );
  const tokens = await applyTokens(tx, principals);
  const names = new Set([...disabled.rows, ...written.rows].map((row) => row.name));
  return [...new Set([...names, ...tokens])].map((name) => `principal:${name}`);
}

async function applyHistoryRules(
  tx: Tx,
  { histories = [] }: TenantConfiguration,
): Promise<string[]> {
  const { rowCount } = await tx.query(
    `update sluice.tenants set history_rules = $2 where tenant_id = $1 and history_rules <> $2`,
    [tx.tenantId, JSON.stringify(histories)],
  );
  return rowCount === 0 ? [] : ['tenant:histories'];
}

/** Gives the names of those whose tokens changed. */
async function applyTokens(
  tx: Tx,
  principals: TenantConfiguration['principals'],
): Promise<readonly string[]> {
  const tokens = principals.flatMap(({ name, tokenHashes }) =>
    tokenHashes.map((hash) => ({ name, hash })),
  );
  const values = [tx.tenantId, tokens.map(({ name }) => name), tokens.map(({ hash }) => hash)];
  // Deleted first: a token may go from one principal to another in the same file.
  const deleted = await tx.query<{ name: string }>(
    `delete from sluice.principal_tokens t
      where t.tenant_id = $1 and not exists (
        select from unnest($2::text[], $3::text[]) as n(name, hash)
         where n.name = t.principal_id and n.hash = t.token_hash)
     returning principal_id as name`,
    values,
  );
  try {
    const inserted = await tx.query<{ name: string }>(
      `insert into sluice.principal_tokens (tenant_id, principal_id, token_hash)
       select $1, n.name, n.hash from unnest($2::text[], $3::text[]) as n(name, hash)
        where not exists (
          select from sluice.principal_tokens t
           where t.tenant_id = $1 and t.principal_id = n.name and t.token_hash = n.hash)
       returning principal_id as name`,
      values,
    );
    return [...deleted.rows, ...inserted.rows].map(({ name }) => name);
  } catch (error) {
    if (!isUniqueViolation(error)) throw error;
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
