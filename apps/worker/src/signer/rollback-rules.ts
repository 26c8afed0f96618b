import { isNothing, isPermitted } from '@sluice/domain';
import {
  type EnvironmentRecord,
  findPrincipal,
  hasSucceeded,
  type PromotionRecord,
  type ReleaseRecord,
  type Tx,
} from '@sluice/persistence';
import { readPlanSet } from './promote-rules.ts';
import { isRefusal, type Refused, refusal } from './refusal.ts';

/**
 * Why a rollback may not act on a target; undefined when it may: it needs no gate and no approval, but a release that was
 * verified in this very environment (or nothing), and a requester who may roll it back now. Refusals:
 * `release-not-verified-here`, `rollback-not-permitted`, `plan-not-in-set`.
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
  const unpermitted = await findRequesterProblem(tx, promotion, environment);
  if (unpermitted !== undefined) return unpermitted;
  const set = await readPlanSet(tx, promotion, place);
  return isRefusal(set) ? set : undefined;
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
