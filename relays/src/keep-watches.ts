import { traceIdOf } from '@sluice/domain';
import type { Logger } from '@sluice/observability';
import {
  deleteClaimsOfEnded,
  endWatch,
  enqueueOutbox,
  getPromotionHead,
  insertEvent,
  listOpenWatches,
  lockWatch,
  type Pool,
  type ReleaseWatchRecord,
  type Tx,
  withTenant,
} from '@sluice/persistence';
import { startOfWatch, watchWorkflowId } from '@sluice/temporal-contract';
import { forEachTenant } from './each-tenant.ts';
import type { Engine } from './engine.ts';
import { goesOn, inLanes, type Round } from './in-lanes.ts';

/** What looking after watches and claims needs. */
export interface WatchKeeping {
  /** Of the role sluice_watchdog, which knows the names of all tenants. */
  readonly pool: Pool;
  /** Of the role sluice_worker. */
  readonly workerPool: Pool;
  readonly engine: Pick<Engine, 'findWorkflowState'>;
  readonly logger: Logger;
}

/** Watches that are read at once. */
const PAGE = 200;

/** So long after its end a watch without a workflow is given up instead of being begun again. Milliseconds. */
const GIVEN_UP_MS = 3_600_000;

/**
 * Begins the workflow of a watch again that has none any more, or ends the watch where its time is long over; and removes claims of
 * disruption budgets whose promotions have ended.
 */
export async function keepWatches(parts: WatchKeeping, round: Round): Promise<void> {
  const { pool, workerPool, logger } = parts;
  await forEachTenant(pool, round.stopping, async (tenantId) => {
    const left = await withTenant(workerPool, tenantId, deleteClaimsOfEnded);
    if (left > 0) logger.error({ tenantId, left }, 'watchdog: claims of ended promotions removed');
    let after: ReleaseWatchRecord | undefined;
    do {
      const begin = { limit: PAGE, after };
      const page: readonly ReleaseWatchRecord[] = await withTenant(workerPool, tenantId, (tx) =>
        listOpenWatches(tx, begin),
      );
      await inLanes(page, (watch) => keepOne(parts, tenantId, watch), round);
      after = page.length === PAGE ? page.at(-1) : undefined;
    } while (after !== undefined && goesOn(round));
  });
}

async function keepOne(
  { workerPool, engine, logger }: WatchKeeping,
  tenantId: string,
  { promotionId }: ReleaseWatchRecord,
): Promise<void> {
  const workflowId = watchWorkflowId(tenantId, promotionId);
  // In this order: what is delivered between the two looks is seen by the second.
  const isPending = await withTenant(workerPool, tenantId, (tx) => isStartPending(tx, workflowId));
  if (isPending || (await engine.findWorkflowState(workflowId)) === 'running') return;
  const done = await withTenant(workerPool, tenantId, async (tx) => {
    const watch = await lockWatch(tx, promotionId);
    if (watch.state !== 'watching' || (await isStartPending(tx, workflowId))) return undefined;
    return (await isLongOver(tx, watch)) ? giveUp(tx, watch) : beginAgain(tx, watch);
  });
  if (done !== undefined) logger.warn({ tenantId, promotionId, done }, 'watchdog: nobody watched');
}

async function isLongOver(tx: Tx, { until }: ReleaseWatchRecord): Promise<boolean> {
  const { rows } = await tx.query<{ over: boolean }>(
    `select now() > $1::timestamptz + make_interval(secs => $2) as over`,
    [until, GIVEN_UP_MS / 1000],
  );
  return rows[0]?.over === true;
}

async function beginAgain(tx: Tx, watch: ReleaseWatchRecord): Promise<'begun again'> {
  const { promotionId, environment, releaseDigest, until } = watch;
  const { traceparent } = await getPromotionHead(tx, promotionId);
  const promotion = { tenantId: tx.tenantId, promotionId };
  await enqueueOutbox(tx, {
    kind: 'start-workflow',
    body: startOfWatch({ promotion, environment, until, traceparent, releaseDigest }),
  });
  return 'begun again';
}

async function giveUp(tx: Tx, { promotionId }: ReleaseWatchRecord): Promise<'given up'> {
  const message = 'Its workflow was gone when the watch was over; look at the release by hand.';
  const reason = { code: 'watch-abandoned', message };
  await endWatch(tx, { promotionId, state: 'failed', reason, rollbackId: null });
  const { traceparent } = await getPromotionHead(tx, promotionId);
  await insertEvent(tx, {
    type: 'watch.closed',
    actor: 'system:watchdog',
    subject: `promotion:${promotionId}`,
    promotionId,
    data: { state: 'failed', reason: reason.code, message },
    traceId: traceIdOf(traceparent) ?? null,
  });
  return 'given up';
}

async function isStartPending(tx: Tx, workflowId: string): Promise<boolean> {
  const { rows } = await tx.query<{ pending: boolean }>(
    `select exists (select from sluice.outbox
       where tenant_id = $1 and kind = 'start-workflow' and delivered_at is null and workflow_id = $2) as pending`,
    [tx.tenantId, workflowId],
  );
  return rows[0]?.pending === true;
}
