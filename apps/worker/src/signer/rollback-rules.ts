import { isNothing, isPermitted, WATCH_REQUESTER } from '@sluice/domain';
import {
  type EnvironmentRecord,
  findPrincipal,
  findWatchOfRollback,
  findWatchRules,
  hasSucceeded,
  type PromotionRecord,
  type ReleaseRecord,
  type Tx,
} from '@sluice/persistence';
import { readPlanSet } from './promote-rules.ts';
import { isRefusal, type Refused, refusal } from './refusal.ts';

/**
 * Why a rollback may not act on a target; undefined when it may: it needs no gate and no approval, but a release that was
 * verified in this very environment (or nothing), and a requester who may roll it back now; or the alarm of a watch there, where the
 * environment wants that to roll back. Refusals: `release-not-verified-here`, `rollback-not-permitted`, `plan-not-in-set`.
 */
export async function findRollbackProblem(
  tx: Tx,
  promotion: PromotionRecord,
  release: ReleaseRecord,
  environment: EnvironmentRecord,
  place: { readonly target: string; readonly planDigest: string },
): Promise<Refused | undefined> {
  const { releaseDigest } = promotion;
  const verified =
    isNothing(release.body) ||
    (await hasSucceeded(tx, { environment: environment.name, releaseDigest }));
  if (!verified) {
    const what = `Release ${releaseDigest} was never verified in ${environment.name}: no promotion of it there succeeded with every target confirmed.`;
    return refusal('release-not-verified-here', what);
  }
  const unpermitted = await findUnpermitted(tx, promotion, environment);
  if (unpermitted !== undefined) return unpermitted;
  const set = await readPlanSet(tx, promotion, place);
  return isRefusal(set) ? set : undefined;
}

/**
 * Why whoever asked for a rollback, a person or the alarm of a watch, may not have it now; undefined when they may. Refusal:
 * `rollback-not-permitted`.
 */
export function findUnpermitted(
  tx: Tx,
  promotion: PromotionRecord,
  environment: EnvironmentRecord,
): Promise<Refused | undefined> {
  return promotion.requestedBy === WATCH_REQUESTER
    ? findAlarmProblem(tx, promotion, environment)
    : findRequesterProblem(tx, promotion, environment);
}

async function findRequesterProblem(
  tx: Tx,
  { promotionId, requestedBy }: PromotionRecord,
  { name, rollbackRoles }: EnvironmentRecord,
): Promise<Refused | undefined> {
  const requester = await findPrincipal(tx, requestedBy);
  const owner = requester?.ownerId == null ? undefined : await findPrincipal(tx, requester.ownerId);
  const isEnabled =
    requester !== undefined &&
    requester.disabledAt === null &&
    (requester.ownerId === null || owner?.disabledAt === null);
  const mayRollBack =
    isEnabled &&
    isPermitted(requester.role, 'environment.rollback') &&
    rollbackRoles.includes(requester.role);
  if (mayRollBack) return undefined;
  const what = `${requestedBy}, who asked for ${promotionId}, may not roll ${name} back now.`;
  return refusal('rollback-not-permitted', what);
}

/** Nobody asked: the records must have an alarm that opened this very rollback, and the environment must want it, then and now. */
async function findAlarmProblem(
  tx: Tx,
  { promotionId, releaseDigest }: PromotionRecord,
  { name }: EnvironmentRecord,
): Promise<Refused | undefined> {
  const watch = await findWatchOfRollback(tx, promotionId);
  const now = await findWatchRules(tx, name);
  const isAlarm =
    watch !== undefined &&
    watch.state === 'alarmed' &&
    watch.environment === name &&
    watch.releaseDigest !== releaseDigest &&
    watch.rules.onAlarm === 'rollback' &&
    now?.onAlarm === 'rollback';
  if (isAlarm) return undefined;
  const what = `No alarm over a release in ${name} opened ${promotionId}, or ${name} does not want one to roll it back.`;
  return refusal('rollback-not-permitted', what);
}
