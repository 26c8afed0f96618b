import { isNothing, type PlanSide } from '@sluice/domain';
import {
  type AgentRecord,
  type CurrentReleaseRecord,
  findKnownSide,
  findVerifiedSide,
  listAgents,
  listCurrentReleases,
  type PromotionRecord,
  type ReleaseRecord,
  type TargetRecord,
  type Tx,
} from '@sluice/persistence';

/** What is on a target now; `unknown` names a release that no record tells how it was put there. */
export type CurrentSide =
  | { readonly known: true; readonly side: PlanSide | null }
  | { readonly known: false; readonly unknown: string; readonly recorded: PlanSide | null };

/** What is on each of these targets now, by name. */
export async function findCurrentSides(
  tx: Tx,
  targets: readonly string[],
): Promise<ReadonlyMap<string, CurrentSide>> {
  const current = new Map((await listCurrentReleases(tx, targets)).map((one) => [one.target, one]));
  const agents = new Map((await listAgents(tx, targets)).map((one) => [one.target, one]));
  const sides = new Map<string, CurrentSide>();
  for (const target of targets) {
    sides.set(target, await currentSideOf(tx, target, current.get(target), agents.get(target)));
  }
  return sides;
}

/**
 * What was verified to run there, unless its agent has said later that something else is active; then the newest side that was planned there
 * with that release.
 */
async function currentSideOf(
  tx: Tx,
  target: string,
  current: CurrentReleaseRecord | undefined,
  agent: AgentRecord | undefined,
): Promise<CurrentSide> {
  const recorded = current?.side ?? null;
  const saidAt = agent?.activeReportedAt ?? null;
  const isNews =
    saidAt !== null && (current === undefined || Date.parse(saidAt) > Date.parse(current.since));
  const active = agent?.activeRelease ?? null;
  if (!isNews || active === (recorded?.release ?? null)) return { known: true, side: recorded };
  if (active === null) return { known: true, side: null };
  const side = await findKnownSide(tx, { target, releaseDigest: active });
  return side === undefined ? { known: false, unknown: active, recorded } : { known: true, side };
}

/**
 * What a promotion puts on a target: the release with the target's settings now. A rollback brings back the side that
 * was verified there with that release, where there is one; nothing empties the target.
 */
export async function findDesiredSide(
  tx: Tx,
  promotion: Pick<PromotionRecord, 'kind' | 'environment'>,
  release: ReleaseRecord,
  target: TargetRecord,
): Promise<PlanSide | null> {
  if (isNothing(release.body)) return null;
  const { releaseDigest } = release;
  const { environment } = promotion;
  const verified =
    promotion.kind === 'rollback'
      ? await findVerifiedSide(tx, { environment, releaseDigest, target: target.name })
      : undefined;
  return (
    verified ?? {
      release: releaseDigest,
      components: release.body.components,
      settings: target.settings,
    }
  );
}
