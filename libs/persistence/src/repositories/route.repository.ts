import type { Envelope, ReportStage, RouteTable } from '@sluice/domain';
import type { Tx } from '../transaction.ts';
import { firstOf, type ReasonRecord, reasonColumn } from './single-row.ts';
import { storableText } from './storable.ts';

/** Where a router's requests go, as its agent last confirmed. */
export interface RouteRecord {
  /** Target name of the router. */
  readonly router: string;
  readonly table: RouteTable;
  readonly tableDigest: string;
  /** Whose command it was. */
  readonly promotionId: string;
  readonly commandDigest: string;
  readonly since: string;
}

/** What became of one change: as a command's final report says it. */
export type RouteChangeState = 'dispatched' | 'confirmed' | 'reverted' | 'refused';

/** One change of a router's table, asked for by a signed command. */
export interface RouteChangeRecord {
  readonly commandDigest: string;
  readonly router: string;
  readonly promotionId: string;
  readonly stepId: string;
  readonly round: number;
  /** Index of the rollout's stage; null: put back. */
  readonly stage: number | null;
  readonly canaryPermille: number;
  readonly table: RouteTable;
  readonly state: RouteChangeState;
  readonly failure: ReasonRecord | null;
  readonly dispatchedAt: string;
  readonly settledAt: string | null;
}

/** A command of kind `route` with its table, and how it ended by the agent's final report. */
export interface RouteCommandRecord {
  readonly commandDigest: string;
  readonly sequence: number;
  readonly promotionId: string;
  readonly idempotencyKey: string;
  readonly envelope: Envelope;
  readonly stepId: string;
  readonly round: number;
  readonly stage: number | null;
  readonly table: RouteTable;
  /** Null before the final report. */
  readonly outcome: ReportStage | null;
  /** Of the final report. */
  readonly failureCode: string | null;
  /** Run of the workflow that waits for the report. */
  readonly runId: string;
  /** The activity of that run. */
  readonly activityId: string;
}

/** Changes of one answer of {@link listRouteChanges}. */
export const MAX_ROUTE_CHANGES = 500;

const ROUTE_COLUMNS = `target_id as router, route_table as "table", table_digest as "tableDigest",
  promotion_id as "promotionId", command_digest as "commandDigest", since`;

const CHANGE_COLUMNS = `c.command_digest as "commandDigest", c.target_id as router, c.promotion_id as "promotionId",
  c.step_id as "stepId", c.round, c.stage, c.canary_permille as "canaryPermille", c.route_table as "table", c.state,
  ${reasonColumn('c.failure_code', 'c.failure_message', 'failure')},
  c.dispatched_at as "dispatchedAt", c.settled_at as "settledAt"`;

/** The table that a router's agent confirmed last; undefined where it never had one. */
export async function findRoute(tx: Tx, router: string): Promise<RouteRecord | undefined> {
  return firstOf({ rows: await listRoutes(tx, [router]) });
}

/** The tables of these routers, by name: for a batch loader. */
export async function listRoutes(
  tx: Tx,
  routers: readonly string[],
): Promise<readonly RouteRecord[]> {
  const { rows } = await tx.query<RouteRecord>(
    `select ${ROUTE_COLUMNS} from sluice.routes
      where tenant_id = $1 and target_id = any($2)
      order by target_id`,
    [tx.tenantId, routers],
  );
  return rows;
}

/**
 * Stores what a command put in force, unless a newer command of the router did so meanwhile: reports can be settled in another order than
 * they came. For the role sluice_worker only.
 * @returns false where a newer one stands
 */
export async function putRoute(tx: Tx, route: Omit<RouteRecord, 'since'>): Promise<boolean> {
  const { rowCount } = await tx.query(
    `insert into sluice.routes as r (tenant_id, target_id, route_table, table_digest, promotion_id, command_digest)
     values ($1, $2, $3, $4, $5, $6)
     on conflict (tenant_id, target_id) do update
       set route_table = excluded.route_table, table_digest = excluded.table_digest, promotion_id = excluded.promotion_id,
           command_digest = excluded.command_digest, since = now()
     where (select o.sequence from sluice.commands o where o.tenant_id = $1 and o.command_digest = r.command_digest)
         < (select n.sequence from sluice.commands n where n.tenant_id = $1 and n.command_digest = excluded.command_digest)`,
    [
      tx.tenantId,
      route.router,
      JSON.stringify(route.table),
      route.tableDigest,
      route.promotionId,
      route.commandDigest,
    ],
  );
  return rowCount === 1;
}

/** Stores a change as dispatched, beside its command. For the role sluice_worker only. */
export async function insertRouteChange(
  tx: Tx,
  change: Omit<
    RouteChangeRecord,
    'state' | 'failure' | 'dispatchedAt' | 'settledAt' | 'canaryPermille'
  >,
): Promise<void> {
  await tx.query(
    `insert into sluice.route_changes (tenant_id, command_digest, target_id, promotion_id, step_id, round, stage,
       canary_permille, route_table)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
    [
      tx.tenantId,
      change.commandDigest,
      change.router,
      change.promotionId,
      change.stepId,
      change.round,
      change.stage,
      change.table.canaryPermille,
      JSON.stringify(change.table),
    ],
  );
}

/** Notes how a change ended, once; undefined when that was noted before. For the role sluice_worker only. */
export async function settleRouteChange(
  tx: Tx,
  input: {
    readonly commandDigest: string;
    readonly state: Exclude<RouteChangeState, 'dispatched'>;
    readonly failure: ReasonRecord | null;
  },
): Promise<RouteChangeRecord | undefined> {
  return firstOf(
    await tx.query<RouteChangeRecord>(
      `update sluice.route_changes c
          set state = $3, failure_code = $4, failure_message = $5, settled_at = now()
        where c.tenant_id = $1 and c.command_digest = $2 and c.state = 'dispatched'
       returning ${CHANGE_COLUMNS}`,
      [
        tx.tenantId,
        input.commandDigest,
        input.state,
        input.failure?.code ?? null,
        input.failure === null ? null : storableText(input.failure.message),
      ],
    ),
  );
}

/** The change that a command asked for. */
export async function findRouteChange(
  tx: Tx,
  commandDigest: string,
): Promise<RouteChangeRecord | undefined> {
  return firstOf(
    await tx.query<RouteChangeRecord>(
      `select ${CHANGE_COLUMNS} from sluice.route_changes c where c.tenant_id = $1 and c.command_digest = $2`,
      [tx.tenantId, commandDigest],
    ),
  );
}

/** What a promotion changed, oldest first: shares over time; at most {@link MAX_ROUTE_CHANGES}. */
export async function listRouteChanges(
  tx: Tx,
  promotionId: string,
): Promise<readonly RouteChangeRecord[]> {
  return listRouteChangesOf(tx, [promotionId]);
}

/** As {@link listRouteChanges}, of many promotions: for a batch loader. */
export async function listRouteChangesOf(
  tx: Tx,
  promotionIds: readonly string[],
): Promise<readonly RouteChangeRecord[]> {
  const { rows } = await tx.query<RouteChangeRecord>(
    `select k.* from unnest($2::text[]) as p(id)
      cross join lateral (
        select ${CHANGE_COLUMNS} from sluice.route_changes c
         where c.tenant_id = $1 and c.promotion_id = p.id
         order by c.dispatched_at, c.command_digest
         limit ${MAX_ROUTE_CHANGES}) k
      order by "promotionId", "dispatchedAt", "commandDigest"`,
    [tx.tenantId, [...new Set(promotionIds)]],
  );
  return rows;
}

/**
 * The commands that a router was given, newest first, with what its agent says of each. Where `promotionId` is named, those of one
 * promotion alone.
 * @param input.limit at most 200
 */
export async function listRouteCommands(
  tx: Tx,
  input: {
    readonly router: string;
    readonly promotionId?: string | undefined;
    readonly limit: number;
  },
): Promise<readonly RouteCommandRecord[]> {
  const { rows } = await tx.query<RouteCommandRecord>(
    `select m.command_digest as "commandDigest", m.sequence, m.promotion_id as "promotionId",
            m.idempotency_key as "idempotencyKey", m.envelope, c.step_id as "stepId", c.round, c.stage,
            c.route_table as "table", r.stage as outcome, r.body #>> '{failure,code}' as "failureCode",
            m.run_id as "runId", m.activity_id as "activityId"
       from sluice.commands m
       join sluice.route_changes c on c.tenant_id = $1 and c.command_digest = m.command_digest
       left join sluice.agent_reports r on r.tenant_id = $1 and r.command_digest = m.command_digest
        and r.stage in ('confirmed', 'reverted', 'refused')
      where m.tenant_id = $1 and m.target_id = $2 and m.kind = 'route' and m.promotion_id = coalesce($3, m.promotion_id)
      order by m.sequence desc
      limit $4`,
    [tx.tenantId, input.router, input.promotionId ?? null, Math.min(input.limit, 200)],
  );
  return rows;
}
