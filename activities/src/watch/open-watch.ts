import {
  enqueueOutbox,
  findWatchRules,
  insertWatch,
  type PromotionRecord,
  type Tx,
} from '@sluice/persistence';
import { startOfWatch } from '@sluice/temporal-contract';
import { recordEventOf } from '../records/promotion-event.ts';

/** Who does what a watch does. */
export const WATCH_ACTOR = 'system:watch';

/**
 * Begins to watch the release of a promotion that succeeded, in the transaction that seals it. Not so of a rollback, where the environment
 * asks for no watch, and where nothing was deployed.
 * @param endedAt RFC 3339
 */
export async function openWatch(
  tx: Tx,
  promotion: Pick<
    PromotionRecord,
    'promotionId' | 'environment' | 'releaseDigest' | 'kind' | 'traceparent'
  >,
  endedAt: string,
): Promise<void> {
  const { promotionId, environment, releaseDigest, kind, traceparent } = promotion;
  if (kind !== 'promote') return;
  const rules = await findWatchRules(tx, environment);
  if (rules === null) return;
  if (!(await insertWatch(tx, { promotionId, rules, since: endedAt }))) return;
  const until = new Date(Date.parse(endedAt) + rules.seconds * 1000).toISOString();
  const { seconds, onAlarm } = rules;
  await recordEventOf(tx, 'watch.opened', promotion, { seconds, onAlarm, until }, WATCH_ACTOR);
  await enqueueOutbox(tx, {
    kind: 'start-workflow',
    body: startOfWatch({
      promotion: { tenantId: tx.tenantId, promotionId },
      environment,
      until,
      traceparent,
      releaseDigest,
    }),
  });
}
