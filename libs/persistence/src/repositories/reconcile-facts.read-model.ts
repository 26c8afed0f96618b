import {
  type EmptyArchiveFact,
  type MessageFact,
  type PromotionState,
  ROUTER_KINDS,
  type StuckFact,
  type TargetFact,
  type UnarchivedFact,
  type UnsettledDeploymentFact,
} from '@sluice/domain';
import type { Tx } from '../transaction.ts';
import { firstOf } from './single-row.ts';

/** What the records say of one tenant, for a comparison with the engine, the agents and the archive. */
export interface ReconcileRecords {
  /** The records' own clock. */
  readonly now: string;
  /** Not ended, or with a workflow that is not archived. */
  readonly promotions: readonly {
    readonly promotionId: string;
    readonly state: PromotionState;
    readonly requestedAt: string;
    readonly endedAt: string | null;
    readonly isSealed: boolean;
  }[];
  /** Leases, and places in their queues, of promotions that have ended. */
  readonly endedHolders: readonly { readonly promotionId: string; readonly resource: string }[];
  /** Those that resolve. */
  readonly releaseRequests: readonly { readonly requestId: string; readonly createdAt: string }[];
  readonly unarchived: readonly UnarchivedFact[];
  readonly emptyArchives: readonly EmptyArchiveFact[];
  readonly stuck: readonly StuckFact[];
  readonly targets: readonly TargetFact[];
  readonly unsettledDeployments: readonly UnsettledDeploymentFact[];
  readonly messages: readonly MessageFact[];
}

/** An archived history whose file should be there. */
export interface KeptHistoryRecord {
  readonly workflowId: string;
  readonly runId: string;
  readonly archiveDigest: string;
  readonly closedAt: string;
}

/** Rows of one kind that are compared at once; the oldest, where there are more. */
const MOST_ROWS = 5000;
/** Days that a lost history is listed at most. */
const LOST_DAYS = 31;

/** Reads all of it; run it in one transaction with repeatable reads. For the role sluice_worker. */
export async function readReconcileRecords(tx: Tx): Promise<ReconcileRecords> {
  const rows = async <Row>(sql: string): Promise<readonly Row[]> =>
    (await tx.query<Row>(`${sql} limit ${MOST_ROWS}`, [tx.tenantId])).rows;
  const clock = firstOf(await tx.query<{ now: string }>('select now() as now'));
  return {
    now: clock?.now ?? '',
    promotions: await rows(
      `select p.promotion_id as "promotionId", p.state, p.requested_at as "requestedAt", p.ended_at as "endedAt",
              p.packet_digest is not null as "isSealed"
         from sluice.promotions p
        where p.tenant_id = $1
          and (p.ended_at is null
            or p.promotion_id in (select e.promotion_id from sluice.workflow_executions e
                where e.tenant_id = $1 and e.archived_at is null and e.lost_at is null))
        order by p.requested_at, p.promotion_id`,
    ),
    endedHolders: await rows(
      `select p.promotion_id as "promotionId", kept.resource
         from (select resource, holder from sluice.leases where tenant_id = $1 and holder is not null
               union
               select resource, holder from sluice.lease_queue where tenant_id = $1) kept
         join sluice.promotions p
           on p.tenant_id = $1 and p.promotion_id = substr(kept.holder, length('promotion:') + 1)
        where kept.holder = 'promotion:' || p.promotion_id and p.ended_at is not null
        order by 1, 2`,
    ),
    releaseRequests: await rows(
      `select request_id as "requestId", created_at as "createdAt" from sluice.release_requests
        where tenant_id = $1 and state = 'resolving'
        order by created_at, request_id`,
    ),
    unarchived: await rows(
      `select e.workflow_id as "workflowId", e.lost_at as "lostAt", p.ended_at as "promotionEndedAt",
              p.promotion_id is not null and p.packet_digest is null as "awaitsPacket"
         from sluice.workflow_executions e
         left join sluice.promotions p on p.tenant_id = $1 and p.promotion_id = e.promotion_id
        where e.tenant_id = $1 and e.archived_at is null
          and (e.lost_at is null or e.lost_at > now() - make_interval(days => ${LOST_DAYS}))
        order by e.requested_at, e.workflow_id`,
    ),
    emptyArchives: await rows(
      `select e.workflow_id as "workflowId", e.archived_at as "archivedAt" from sluice.workflow_executions e
        where e.tenant_id = $1 and e.archived_at is not null
          and not exists (select from sluice.workflow_histories h
                where h.tenant_id = $1 and h.workflow_id = e.workflow_id)
        order by e.archived_at, e.workflow_id`,
    ),
    stuck: await rows(
      `select workflow_id as "workflowId", code, message from sluice.workflow_problems
        where tenant_id = $1
        order by first_seen_at, workflow_id`,
    ),
    targets: await rows(TARGETS),
    unsettledDeployments: await rows(
      `select newest.target_id as target, newest.promotion_id as "promotionId"
         from (select distinct on (target_id) target_id, promotion_id, state from sluice.deployments
                where tenant_id = $1
                order by target_id, created_at desc) newest
         join sluice.promotions p on p.tenant_id = $1 and p.promotion_id = newest.promotion_id
        where newest.state in ('dispatched', 'lost') and p.ended_at is not null
        order by 1`,
    ),
    messages: await rows(
      `select outbox_id as "messageId", kind, workflow_id as "workflowId", created_at as "createdAt", attempts,
              last_error as "lastError"
         from sluice.outbox
        where tenant_id = $1 and delivered_at is null
        order by created_at, outbox_id`,
    ),
  };
}

/** No release is put on a router. */
const ROUTERS = ROUTER_KINDS.map((kind) => `'${kind}'`).join(', ');

/**
 * Quiet since the record was written, and since the last promotion with a deployment there has ended. A command may have been
 * carried out without its report being here: until it has expired the target is busy.
 */
const TARGETS = `
  select t.target_id as target, c.release_digest as recorded,
         greatest(c.since, (
           select max(p.ended_at) from sluice.deployments d
             join sluice.promotions p on p.tenant_id = d.tenant_id and p.promotion_id = d.promotion_id
            where d.tenant_id = $1 and d.target_id = t.target_id)) as "quietSince",
         a.active_release as told, a.active_reported_at as "toldAt",
         exists (
           select from sluice.deployments d
             join sluice.promotions p on p.tenant_id = d.tenant_id and p.promotion_id = d.promotion_id
            where d.tenant_id = $1 and d.target_id = t.target_id and p.ended_at is null)
         or exists (
           select from sluice.commands m
            where m.tenant_id = $1 and m.target_id = t.target_id and m.settled_at is null and m.expires_at > now())
           as "isBusy"
    from sluice.targets t
    join sluice.agents a on a.tenant_id = t.tenant_id and a.target_id = t.target_id and a.revoked_at is null
    left join sluice.current_releases c on c.tenant_id = t.tenant_id and c.target_id = t.target_id
   where t.tenant_id = $1 and t.removed_at is null and t.kind not in (${ROUTERS})
   order by t.target_id`;

/** Ids of the workflows that have a start or a reset on its way. */
export async function listPendingStarts(tx: Tx): Promise<readonly string[]> {
  const { rows } = await tx.query<{ workflowId: string }>(
    `select distinct workflow_id as "workflowId" from sluice.outbox
      where tenant_id = $1 and delivered_at is null and kind in ('start-workflow', 'reset-workflow')
        and workflow_id is not null`,
    [tx.tenantId],
  );
  return rows.map(({ workflowId }) => workflowId);
}

/**
 * Archived histories whose file was not removed by rule, newest first; at most `limit`. The next page begins behind `before`,
 * which is the last one of the page before.
 */
export async function listKeptHistories(
  tx: Tx,
  input: { readonly limit: number; readonly before?: KeptHistoryRecord | undefined },
): Promise<readonly KeptHistoryRecord[]> {
  const { rows } = await tx.query<KeptHistoryRecord>(
    `select workflow_id as "workflowId", run_id as "runId", archive_digest as "archiveDigest", closed_at as "closedAt"
       from sluice.workflow_histories
      where tenant_id = $1 and expired_at is null
        and ($2::timestamptz is null or (closed_at, workflow_id, run_id) < ($2, $3, $4))
      order by closed_at desc, workflow_id desc, run_id desc
      limit $5`,
    [
      tx.tenantId,
      input.before?.closedAt ?? null,
      input.before?.workflowId ?? '',
      input.before?.runId ?? '',
      input.limit,
    ],
  );
  return rows;
}

/** Those of these runs whose file should still be there. */
export async function findKeptHistories(
  tx: Tx,
  runIds: readonly string[],
): Promise<readonly KeptHistoryRecord[]> {
  const { rows } = await tx.query<KeptHistoryRecord>(
    `select workflow_id as "workflowId", run_id as "runId", archive_digest as "archiveDigest", closed_at as "closedAt"
       from sluice.workflow_histories
      where tenant_id = $1 and expired_at is null and run_id = any($2)
      order by workflow_id, run_id`,
    [tx.tenantId, runIds],
  );
  return rows;
}
