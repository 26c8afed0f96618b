import type { Logger, Metrics } from '@sluice/observability';
import {
  type EndedHolderRecord,
  listLeasesOfEnded,
  listOpenPromotions,
  type OpenPromotionRecord,
  type Pool,
} from '@sluice/persistence';
import { promotionWorkflowId, settlementWorkflowId } from '@sluice/temporal-contract';
import { abandonPromotion } from './abandon-promotion.ts';
import type { Engine } from './engine.ts';
import { goesOn, inLanes, type Round } from './in-lanes.ts';
import { keepWatches } from './keep-watches.ts';
import type { Relay } from './outbox-relay.ts';
import { repeat } from './repeat.ts';

/** Gives back what a promotion still has that has ended, and tells the next in line; false when it had nothing. */
export type ReleaseLeaseOfEnded = (ended: EndedHolderRecord) => Promise<boolean>;

/** What the watchdog is built from. */
export interface WatchdogOptions {
  /** Of the role sluice_watchdog, which sees the open promotions of all tenants and writes nothing. */
  readonly pool: Pool;
  /** Of the role sluice_worker: writes, in one tenant at a time. */
  readonly workerPool: Pool;
  readonly engine: Pick<Engine, 'findWorkflowState'>;
  readonly releaseLeaseOfEnded: ReleaseLeaseOfEnded;
  readonly logger: Logger;
  readonly metrics?: Metrics;
  /** Seconds between rounds. */
  readonly periodSeconds: number;
}

/** A promotion younger than this is left alone: its start is on its way. */
const YOUNGEST_SECONDS = 5;
const PAGE = 200;

/**
 * Finds what nobody works on any more. A promotion that has not ended although its workflow has (terminated, failed, or
 * forgotten by the engine) is ended by a settlement; a lease, or a place in its queue, of a promotion that has ended is
 * given back. What runs, or is about to start, is left alone. So are watches over releases kept going. Several watchdogs at once do no harm.
 */
export function startWatchdog(options: WatchdogOptions): Relay {
  const { logger, periodSeconds } = options;
  const stopping = new AbortController();
  const loop = repeat(
    async () => {
      const round: Round = { stopping: stopping.signal, errors: [] };
      await settleAbandoned(options, round);
      await releaseHeldByEnded(options, round);
      await keepWatches(options, round);
      if (round.errors.length > 0) throw round.errors[0];
      return periodSeconds * 1000;
    },
    (error, failures) => logger.warn({ err: error, failures }, 'watchdog: the round failed'),
  );
  return {
    stop: async () => {
      stopping.abort();
      await loop.stop();
    },
  };
}

async function settleAbandoned(
  { pool, workerPool, engine, ...rest }: WatchdogOptions,
  round: Round,
): Promise<void> {
  const { logger, metrics } = rest;
  const settlements = metrics?.counter(
    'sluice_promotions_abandoned_total',
    'Settlements that the watchdog asked for',
  );
  const look = async (promotion: OpenPromotionRecord): Promise<void> => {
    // The start was looked for before the workflow is: one that is delivered meanwhile is seen here.
    if (promotion.startPending) return;
    const { tenantId, promotionId } = promotion;
    const workflow = await engine.findWorkflowState(promotionWorkflowId(tenantId, promotionId));
    if (workflow === 'running') return;
    const settlementId = settlementWorkflowId(tenantId, promotionId);
    const settlement = await engine.findWorkflowState(settlementId);
    if (settlement === 'running') return;
    const find = (workflowId: string) => engine.findWorkflowState(workflowId);
    if (!(await abandonPromotion(workerPool, find, promotion))) return;
    settlements?.inc();
    const facts = { tenantId, promotionId, workflow, supersededBy: promotion.supersededBy };
    // A settlement that came to an end and left the promotion open needs a person's look if it goes on so.
    if (settlement === 'closed') logger.error(facts, 'watchdog: settled again; it failed before');
    else logger.warn(facts, 'watchdog: nobody works on this promotion; it is settled');
  };
  let after: OpenPromotionRecord | undefined;
  do {
    const page: readonly OpenPromotionRecord[] = await listOpenPromotions(pool, {
      olderThanSeconds: YOUNGEST_SECONDS,
      limit: PAGE,
      after,
    });
    await inLanes(page, look, round);
    after = page.length === PAGE ? page.at(-1) : undefined;
  } while (after !== undefined && goesOn(round));
}

async function releaseHeldByEnded(
  { pool, engine, logger, releaseLeaseOfEnded }: WatchdogOptions,
  round: Round,
): Promise<void> {
  const look = async (ended: EndedHolderRecord): Promise<void> => {
    const { tenantId, promotionId, resource } = ended;
    // Its own workflow gives the lease back as its last act, and tells more than the watchdog can.
    for (const workflowId of [
      promotionWorkflowId(tenantId, promotionId),
      settlementWorkflowId(tenantId, promotionId),
    ]) {
      if ((await engine.findWorkflowState(workflowId)) === 'running') return;
    }
    if (await releaseLeaseOfEnded(ended)) {
      logger.warn({ tenantId, promotionId, resource }, 'watchdog: the dead held a lease');
    }
  };
  await inLanes(await listLeasesOfEnded(pool, { limit: PAGE }), look, round);
}
