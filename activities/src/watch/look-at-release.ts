import {
  countLook,
  judgeWatch,
  nextLookAt,
  type Refusal,
  type WatchLook,
  type WatchProgress,
} from '@sluice/domain';
import type { Logger } from '@sluice/observability';
import {
  findHolder,
  findSuccessor,
  findWatch,
  getPromotionHead,
  listWatchedTargets,
  noteWatchProgress,
  type Tx,
  withTenant,
} from '@sluice/persistence';
import {
  FAILURES,
  WATCH_SHIFT_SECONDS,
  type WatchActivities,
  type WatchEnd,
  type WatchReleaseInput,
} from '@sluice/temporal-contract';
import { type ActivityScope, withHeartbeats } from '../activity-scope.ts';
import type { ActivityDependencies } from '../dependencies.ts';
import { activityFailure } from '../failures.ts';
import { pause } from '../pause.ts';
import { recordEventOf } from '../records/promotion-event.ts';
import { runActivity } from '../run-activity.ts';
import { WATCH_ACTOR } from './open-watch.ts';
import { type LookedRound, lookOnce, type WatchedRelease } from './watch-round.ts';

type WatchParts = Pick<
  ActivityDependencies,
  'pool' | 'logger' | 'scope' | 'observe' | 'outbound' | 'secrets' | 'analysisProviders' | 'now'
>;

/** When it is looked; fakes stand here in tests. */
export interface WatchTiming {
  /** The contract's when absent. */
  readonly shiftSeconds?: number;
  readonly wait?: typeof pause;
}

/**
 * `lookAtRelease`: looks at a release each time that its rules say, until the shift is over. Each look is noted in the records before the
 * next one, and another attempt goes on from there: time in which nobody looked counts as unseen.
 */
export function createLookActivities(
  parts: WatchParts,
  times: WatchTiming = {},
): Pick<WatchActivities, 'lookAtRelease'> {
  return {
    lookAtRelease: (input) =>
      runActivity(
        parts,
        'lookAtRelease',
        { ...input.promotion, traceparent: input.traceparent },
        (log, scope) =>
          withHeartbeats(scope, 'watching', () => watch(parts, input, times, log, scope)),
      ),
  };
}

async function watch(
  parts: WatchParts,
  input: WatchReleaseInput,
  { shiftSeconds = WATCH_SHIFT_SECONDS, wait = pause }: WatchTiming,
  log: Logger,
  scope: ActivityScope,
): Promise<WatchEnd> {
  const { now = Date.now } = parts;
  const { tenantId, promotionId } = input.promotion;
  const shiftEnd = now() + shiftSeconds * 1000;
  for (;;) {
    const found = await withTenant(parts.pool, tenantId, (tx) => findSubject(tx, promotionId), {
      readOnly: true,
    });
    if (found.kind !== 'watched') return found;
    const { rules, progress, since, until } = found.watch;
    const span = { since: Date.parse(since), until: Date.parse(until) };
    // Looked at the very end: nothing is left to see.
    if ((progress.lookedAt ?? 0) >= span.until) return { kind: 'over' };
    const due = nextLookAt(rules, progress, span);
    await wait(Math.min(due, shiftEnd) - now(), scope.cancellation);
    scope.cancellation.throwIfAborted();
    // A timer may wake a moment early.
    if (shiftEnd < due) return { kind: 'again' };
    const at = Math.max(due, now());
    const looked = await lookUnlessUnderway(parts, input, found, at, scope.cancellation);
    const { failing, look } = looked;
    const verdict = judgeWatch(rules, look, (at - span.since) / 1000);
    const next = countLook(rules, progress, { at, since: span.since, failing, blind: look.blind });
    if (!(await note(parts, input, progress, next))) return { kind: 'over' };
    log.debug({ round: next.rounds, verdict: verdict.kind }, 'release looked at');
    if (verdict.kind === 'alarm') {
      log.warn({ ...verdict.reason }, 'alarm over a watched release');
      return verdict;
    }
  }
}

type Found =
  | ({ readonly kind: 'watched'; readonly underway: string | null } & WatchedRelease)
  | WatchEnd;

async function findSubject(tx: Tx, promotionId: string): Promise<Found> {
  const watch = await findWatch(tx, promotionId);
  if (watch === undefined) {
    throw activityFailure(FAILURES.notFound, `The release of ${promotionId} is not watched.`);
  }
  if (watch.state !== 'watching') return { kind: 'over' };
  const successor = await findSuccessor(tx, promotionId);
  if (successor !== undefined) return { kind: 'superseded', by: successor };
  const holder = (await findHolder(tx, watch.environment))?.promotionId ?? null;
  const underway = holder === promotionId ? null : holder;
  return { kind: 'watched', watch, targets: await listWatchedTargets(tx, promotionId), underway };
}

/** While something else is deployed there, nobody can say whose fault a failure is. */
async function lookUnlessUnderway(
  parts: WatchParts,
  { promotion: { tenantId, promotionId } }: WatchReleaseInput,
  found: Extract<Found, { readonly kind: 'watched' }>,
  at: number,
  cancellation: AbortSignal,
): Promise<LookedRound> {
  const { watch } = found;
  if (found.underway !== null) {
    const message = `${found.underway} is being deployed to ${watch.environment}: what fails there may be its doing.`;
    return unseen({ code: 'watch-promotion-underway', message });
  }
  const { environment, releaseDigest } = watch;
  const reach = { tenantId, environment, promotionId, releaseDigest, cancellation };
  const looked = await lookOnce(parts, found, reach, at);
  // Something may have begun while it was asked: then the failures are not this release's alone.
  const later = await withTenant(parts.pool, tenantId, (tx) => findHolder(tx, environment));
  if (later === undefined || later.promotionId === promotionId) return looked;
  const message = `${later.promotionId} began to be deployed to ${environment} meanwhile.`;
  return unseen({ code: 'watch-promotion-underway', message });
}

function unseen(blind: Refusal): LookedRound {
  const look: WatchLook = { failing: [], burns: null, blind };
  return { look, failing: {} };
}

/** Stores how far it has come, with an event where it no longer sees, or sees again; false when the watch has ended meanwhile. */
async function note(
  { pool }: WatchParts,
  { promotion: { tenantId, promotionId } }: WatchReleaseInput,
  before: WatchProgress,
  next: WatchProgress,
): Promise<boolean> {
  return withTenant(pool, tenantId, async (tx) => {
    if (!(await noteWatchProgress(tx, promotionId, next))) return false;
    const wasBlind = before.blind !== null;
    const isBlind = next.blind !== null;
    if (wasBlind !== isBlind) {
      const promotion = await getPromotionHead(tx, promotionId);
      const data = {
        blindSeconds: Math.round(next.blindMs / 1000),
        ...(next.blind === null ? {} : { reason: next.blind.code, message: next.blind.message }),
      };
      const type = isBlind ? 'watch.blinded' : 'watch.sighted';
      await recordEventOf(tx, type, promotion, data, WATCH_ACTOR);
    }
    return true;
  });
}
