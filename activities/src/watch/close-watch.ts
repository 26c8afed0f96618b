import {
  cutText,
  endOfWatch,
  type Refusal,
  ROLLBACK_PIPELINE,
  traceIdOf,
  WATCH_REQUESTER,
  type WatchState,
} from '@sluice/domain';
import type { Logger } from '@sluice/observability';
import {
  endWatch,
  findLastVerified,
  findSuccessor,
  findWatchRules,
  getPromotionHead,
  insertRequestedPromotion,
  lockOrMakeLease,
  lockWatch,
  type PromotionRecord,
  type ReleaseWatchRecord,
  type Tx,
  withTenant,
} from '@sluice/persistence';
import {
  environmentLease,
  leaseHolder,
  startOfPromotion,
  type WatchActivities,
  type WatchResult,
} from '@sluice/temporal-contract';
import type { ActivityDependencies } from '../dependencies.ts';
import { recordEventOf } from '../records/promotion-event.ts';
import { runActivity } from '../run-activity.ts';
import { WATCH_ACTOR } from './open-watch.ts';

type CloseInput = Parameters<WatchActivities['closeWatch']>[0];

/** How a watch ends. */
interface Closing {
  readonly state: Exclude<WatchState, 'watching'>;
  readonly reason: Refusal | null;
  readonly rollbackId: string | null;
}

/** What a rollback's reason has room for. */
const MAX_REASON = 500;

/** `closeWatch`: the end of a watch, its event, and the rollback that its alarm opens, in one transaction. */
export function createCloseActivities(
  parts: Pick<ActivityDependencies, 'pool' | 'logger' | 'scope' | 'observe'>,
): Pick<WatchActivities, 'closeWatch'> {
  return {
    closeWatch: (input) =>
      runActivity(
        parts,
        'closeWatch',
        { ...input.promotion, traceparent: input.traceparent },
        (log) =>
          withTenant(parts.pool, input.promotion.tenantId, (tx) => closeOnce(tx, input, log)),
      ),
  };
}

async function closeOnce(tx: Tx, input: CloseInput, log: Logger): Promise<WatchResult> {
  const { promotionId } = input.promotion;
  const watch = await lockWatch(tx, promotionId);
  if (watch.state !== 'watching') return resultOf(watch);
  const promotion = await getPromotionHead(tx, promotionId);
  const closing = await decideEnd(tx, input, watch, promotion);
  if (closing === undefined) return resultOf(watch);
  await endWatch(tx, { promotionId, ...closing });
  const { state, reason, rollbackId } = closing;
  const { rounds, blindSeconds } = watch;
  await recordEventOf(
    tx,
    'watch.closed',
    promotion,
    {
      state,
      rounds,
      blindSeconds,
      ...(reason === null ? {} : { reason: reason.code, message: reason.message }),
      ...(rollbackId === null ? {} : { rollback: rollbackId }),
    },
    WATCH_ACTOR,
  );
  log.info({ state, reason: reason?.code ?? null, rollbackId }, 'watch ended');
  return closing;
}

/** Undefined where it cannot end now: something else is being deployed, and an alarm may be its doing. */
async function decideEnd(
  tx: Tx,
  { end }: CloseInput,
  watch: ReleaseWatchRecord,
  promotion: PromotionRecord,
): Promise<Closing | undefined> {
  switch (end.kind) {
    case 'over':
      return { ...endOfWatch(watch.rules, watch.progress), rollbackId: null };
    case 'superseded':
      return superseded(watch, end.by);
    case 'failed':
      return { state: 'failed', reason: end.reason, rollbackId: null };
    case 'alarm': {
      // Nobody takes, gets or gives the lease until this is committed.
      const { holder } = await lockOrMakeLease(tx, environmentLease(watch.environment));
      const successor = await findSuccessor(tx, watch.promotionId);
      if (successor !== undefined) return superseded(watch, successor);
      if (holder !== null && holder !== leaseHolder(watch.promotionId)) return undefined;
      return raiseAlarm(tx, watch, promotion, end.reason);
    }
  }
}

function superseded({ environment }: ReleaseWatchRecord, by: string): Closing {
  const message = `${by} succeeded in ${environment} meanwhile: another release runs there.`;
  return { state: 'superseded', reason: { code: 'watch-superseded', message }, rollbackId: null };
}

async function raiseAlarm(
  tx: Tx,
  watch: ReleaseWatchRecord,
  promotion: PromotionRecord,
  alarm: Refusal,
): Promise<Closing> {
  const { environment, releaseDigest, rules } = watch;
  // What the environment says now counts as well: the signer asks it, too.
  const now = await findWatchRules(tx, environment);
  if (rules.onAlarm !== 'rollback' || now?.onAlarm !== 'rollback') {
    const message = `${alarm.message} Look at it: sluice rollback ${environment} puts the release of before back.`;
    return { state: 'alarmed', reason: { code: alarm.code, message }, rollbackId: null };
  }
  const chosen = await findLastVerified(tx, environment);
  if (chosen === undefined || chosen === releaseDigest) {
    const message = `${alarm.message} No earlier release was verified in ${environment}, so that nothing was rolled back: act by hand.`;
    return { state: 'alarmed', reason: { code: alarm.code, message }, rollbackId: null };
  }
  const rollbackId = await openRollback(tx, watch, promotion, chosen, alarm);
  return { state: 'alarmed', reason: alarm, rollbackId };
}

/** As a person's `rollbackEnvironment` does it; the environment's own policy is who asks. */
async function openRollback(
  tx: Tx,
  { environment, promotionId }: ReleaseWatchRecord,
  { traceparent }: PromotionRecord,
  releaseDigest: string,
  alarm: Refusal,
): Promise<string> {
  const to = 'last-verified';
  const reason = cutText(`Alarm over ${promotionId}: ${alarm.message}`, MAX_REASON);
  return insertRequestedPromotion(
    tx,
    {
      environment,
      releaseDigest,
      kind: 'rollback',
      requestedBy: WATCH_REQUESTER,
      requestedPerson: WATCH_REQUESTER,
      actor: WATCH_ACTOR,
      steps: ROLLBACK_PIPELINE.steps.map(({ id, type }) => ({ id, type })),
      rollback: { to, reason },
      data: { to, reason, watch: promotionId, alarm: alarm.code },
      traceId: traceIdOf(traceparent) ?? null,
      traceparent,
    },
    (rollbackId) =>
      startOfPromotion({
        promotion: { tenantId: tx.tenantId, promotionId: rollbackId },
        environment,
        releaseDigest,
        kind: 'rollback',
        traceparent,
      }),
  );
}

function resultOf({ state, reason, rollbackId }: ReleaseWatchRecord): WatchResult {
  return { state, reason, rollbackId };
}
