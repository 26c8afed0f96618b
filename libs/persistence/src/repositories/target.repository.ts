import { ROUTER_KINDS, type Target } from '@sluice/domain';
import type { Tx } from '../transaction.ts';
import { existing, firstOf } from './single-row.ts';

/** A configured target. */
export interface TargetRecord extends Target {
  /** Grows by one with each change of its configuration. */
  readonly version: number;
  /** Set when the configuration no longer names it; its deployments stay readable. */
  readonly removedAt: string | null;
}

const COLUMNS = `target_id as name, environment_id as environment, kind, address, labels, settings, health,
  version, removed_at as "removedAt"`;

/** The targets that releases are put on, as the configuration names them, by name; at most 10,000. Routers are none. */
export async function listTargets(tx: Tx): Promise<readonly TargetRecord[]> {
  const { rows } = await tx.query<TargetRecord>(
    `select ${COLUMNS} from sluice.targets
      where tenant_id = $1 and removed_at is null and kind <> all($2)
      order by target_id
      limit 10000`,
    [tx.tenantId, ROUTER_KINDS],
  );
  return rows;
}

/**
 * The targets of these environments that releases are put on, as the configuration names them, by environment and name. Routers are none:
 * see {@link listRoutersOf}.
 */
export async function listTargetsOf(
  tx: Tx,
  environments: readonly string[],
): Promise<readonly TargetRecord[]> {
  const { rows } = await tx.query<TargetRecord>(
    `select ${COLUMNS} from sluice.targets
      where tenant_id = $1 and environment_id = any($2) and removed_at is null and kind <> all($3)
      order by environment_id, target_id`,
    [tx.tenantId, environments, ROUTER_KINDS],
  );
  return rows;
}

/** The routers that the configuration names, by environment and name; at most 1,000. */
export async function listRouters(tx: Tx): Promise<readonly TargetRecord[]> {
  const { rows } = await tx.query<TargetRecord>(
    `select ${COLUMNS} from sluice.targets
      where tenant_id = $1 and removed_at is null and kind = any($2)
      order by environment_id, target_id
      limit 1000`,
    [tx.tenantId, ROUTER_KINDS],
  );
  return rows;
}

/** The routers of these environments that the configuration names, by environment and name. */
export async function listRoutersOf(
  tx: Tx,
  environments: readonly string[],
): Promise<readonly TargetRecord[]> {
  const { rows } = await tx.query<TargetRecord>(
    `select ${COLUMNS} from sluice.targets
      where tenant_id = $1 and environment_id = any($2) and removed_at is null and kind = any($3)
      order by environment_id, target_id`,
    [tx.tenantId, environments, ROUTER_KINDS],
  );
  return rows;
}

/** Those of these targets and routers that exist, removed ones too: for a batch loader. */
export async function listTargetsByName(
  tx: Tx,
  names: readonly string[],
): Promise<readonly TargetRecord[]> {
  const { rows } = await tx.query<TargetRecord>(
    `select ${COLUMNS} from sluice.targets where tenant_id = $1 and target_id = any($2)`,
    [tx.tenantId, names],
  );
  return rows;
}

/** A target or router that the configuration names. */
export async function findTarget(tx: Tx, name: string): Promise<TargetRecord | undefined> {
  return firstOf(
    await tx.query<TargetRecord>(
      `select ${COLUMNS} from sluice.targets
        where tenant_id = $1 and target_id = $2 and removed_at is null`,
      [tx.tenantId, name],
    ),
  );
}

/** A target or router that the configuration names; throws `not-found`. */
export async function getTarget(tx: Tx, name: string): Promise<TargetRecord> {
  return existing(await findTarget(tx, name), `target ${name}`, tx.tenantId);
}
