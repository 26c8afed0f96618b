import type { Environment, JsonValue, WatchRules } from '@sluice/domain';
import type { Tx } from '../transaction.ts';
import { existing, firstOf } from './single-row.ts';

/** A configured environment. */
export interface EnvironmentRecord extends Environment {
  readonly pipelineVersion: number | null;
  readonly pipelineParameters: Readonly<Record<string, JsonValue>>;
  readonly watch: WatchRules | null;
  /** Grows by one with each change of its configuration. */
  readonly version: number;
  /** Set when the configuration no longer names it; its promotions stay readable. */
  readonly removedAt: string | null;
}

/** The columns of {@link EnvironmentRecord}, of the table `environments`. */
export const ENVIRONMENT_COLUMNS = `environment_id as name, position, pipeline_id as pipeline, policy_id as policy, deadlines,
  pipeline_version as "pipelineVersion", pipeline_parameters as "pipelineParameters",
  watch, predecessors, approval, rollback_roles as "rollbackRoles", version, removed_at as "removedAt"`;

/** The environments that the configuration names, in promotion order; at most 1,000. */
export async function listEnvironments(tx: Tx): Promise<readonly EnvironmentRecord[]> {
  const { rows } = await tx.query<EnvironmentRecord>(
    `select ${ENVIRONMENT_COLUMNS} from sluice.environments
      where tenant_id = $1 and removed_at is null
      order by position, environment_id
      limit 1000`,
    [tx.tenantId],
  );
  return rows;
}

/** Those of these environments that exist, removed ones too: for a batch loader. */
export async function listEnvironmentsByName(
  tx: Tx,
  names: readonly string[],
): Promise<readonly EnvironmentRecord[]> {
  const { rows } = await tx.query<EnvironmentRecord>(
    `select ${ENVIRONMENT_COLUMNS} from sluice.environments where tenant_id = $1 and environment_id = any($2)`,
    [tx.tenantId, names],
  );
  return rows;
}

/** An environment that the configuration names. */
export async function findEnvironment(
  tx: Tx,
  name: string,
): Promise<EnvironmentRecord | undefined> {
  return firstOf(
    await tx.query<EnvironmentRecord>(
      `select ${ENVIRONMENT_COLUMNS} from sluice.environments
        where tenant_id = $1 and environment_id = $2 and removed_at is null`,
      [tx.tenantId, name],
    ),
  );
}

/** An environment that the configuration names; throws `not-found`. */
export async function getEnvironment(tx: Tx, name: string): Promise<EnvironmentRecord> {
  return existing(await findEnvironment(tx, name), `environment ${name}`, tx.tenantId);
}
