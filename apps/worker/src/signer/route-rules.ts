import {
  type ComposedRoute,
  composeRoute,
  composeRoutePayload,
  type FrozenCourses,
  isPuttingBack,
  parseRouteKey,
  type RouteKey,
  serversOf,
} from '@sluice/activities';
import { openCommand } from '@sluice/agent-protocol';
import type { RouteServer, RouteTable, TrustRoot } from '@sluice/domain';
import {
  type EnvironmentRecord,
  findDeployment,
  findTarget,
  hasEnded,
  listNewestOutcomes,
  listRouteCommands,
  type PromotionRecord,
  type Tx,
} from '@sluice/persistence';
import { canonicalJson, digestOf, digestOfBytes } from '@sluice/pure';
import type { SignCommandRequest } from '@sluice/signing';
import type { FrozenRules } from '@sluice/temporal-contract';
import { isConfirmedHere } from './confirmed-target.ts';
import { findPromoteProblem } from './promote-rules.ts';
import { type Refused, refusal } from './refusal.ts';
import { findUnpermitted } from './rollback-rules.ts';

/** Whose command it is, and what it is judged by. */
export interface RoutePromotion {
  readonly courses: Pick<FrozenCourses, 'find'>;
  readonly promotion: PromotionRecord;
  readonly rules: FrozenRules;
  readonly environment: EnvironmentRecord;
  readonly trustRoot: TrustRoot;
}

/** Commands of a router that are looked at: what was in force is among the newest. */
const MAX_LOOKED_AT = 200;

/**
 * Why the requests of a router may not be moved so; undefined when they may. The table must be what the stored rollout and the configured targets make,
 * whoever gets requests of the new version must have it by a signed report, and the promotion may go there by all that a deployment asks. Requests may
 * always be taken back by whoever moved them, to a table that was signed here before, or to all targets alike; and by a rollback that may be. Refusals:
 * `route-unknown`, `route-differs`, `payload-differs`, `nothing-to-put-back`, `route-before-unknown`, `promotion-cancelled`, `rollout-ended`,
 * `canary-not-confirmed`, `plan-unknown`, `rollback-not-permitted`, those of `composeRoute` (`router-unknown`, `router-not-in-rollout`,
 * `rollout-unknown`, `stage-unknown`, `target-unknown`, `route-invalid`), and of {@link findPromoteProblem}.
 */
export async function findRouteProblem(
  tx: Tx,
  place: RoutePromotion,
  request: SignCommandRequest,
): Promise<Refused | undefined> {
  const { courses, promotion } = place;
  const { promotionId } = promotion;
  const key = parseRouteKey(promotionId, request.idempotencyKey);
  if (key === undefined) {
    const what = `"${request.idempotencyKey}" names no place of a rollout of ${promotionId}.`;
    return refusal('route-unknown', what);
  }
  const answer = await composeRoute(tx, courses, { ...key, promotion });
  if (answer.kind === 'problem') return refusal(answer.reason.code, answer.reason.message);
  if (answer.kind === 'nothing') {
    const what = `No rollout that moved requests of ${request.target} is unfinished.`;
    return refusal('nothing-to-put-back', what);
  }
  const { route } = answer;
  if (route.digest !== request.planDigest) {
    const what = `The records make the route table ${route.digest} of it, not ${request.planDigest}.`;
    return refusal('route-differs', what);
  }
  const payload = await composeRoutePayload(tx, promotion, key.place, route);
  if (digestOfBytes(canonicalJson(payload)) !== request.payloadDigest) {
    const what = `The payload for ${request.target} is not what the rollout of ${promotionId} and the records make.`;
    return refusal('payload-differs', what);
  }
  return isPuttingBack(key.place)
    ? findPutBackProblem(tx, place, request, route)
    : findMoveProblem(tx, place, request, route, key);
}

async function findPutBackProblem(
  tx: Tx,
  { promotion, environment, trustRoot }: RoutePromotion,
  { tenantId, target: router }: SignCommandRequest,
  { basis }: ComposedRoute,
): Promise<Refused | undefined> {
  const { promotionId, kind } = promotion;
  if (kind === 'rollback') {
    const unpermitted = await findUnpermitted(tx, promotion, environment);
    if (unpermitted !== undefined) return unpermitted;
  }
  // The rows are the worker's word: only what was signed here was ever in force, or moved anything.
  const commands = await listRouteCommands(tx, { router, limit: MAX_LOOKED_AT });
  const signed = commands.flatMap(({ envelope }) => {
    const opened = openCommand(envelope, trustRoot);
    const isOurs =
      opened.ok &&
      opened.value.command.kind === 'route' &&
      opened.value.command.tenantId === tenantId &&
      opened.value.command.target === router;
    return isOurs ? [opened.value.command] : [];
  });
  if (kind === 'promote' && !signed.some((command) => command.promotionId === promotionId)) {
    const what = `${promotionId} never moved the requests of ${router}.`;
    return refusal('nothing-to-put-back', what);
  }
  if (basis === null) return undefined;
  const digest = digestOf(basis);
  if (signed.some(({ planDigest }) => planDigest === digest)) return undefined;
  const what = `Nobody ever had the route table ${digest} put in force on ${router}: it is none to go back to.`;
  return refusal('route-before-unknown', what);
}

async function findMoveProblem(
  tx: Tx,
  place: RoutePromotion,
  request: SignCommandRequest,
  { rollout, table }: ComposedRoute,
  key: RouteKey,
): Promise<Refused | undefined> {
  const { promotion, rules, environment, trustRoot } = place;
  const { promotionId } = promotion;
  if (promotion.cancelRequestedAt !== null) {
    const what = `Somebody cancelled ${promotionId}: no requests are moved to it.`;
    return refusal('promotion-cancelled', what);
  }
  if (hasEnded(rollout.state)) {
    const what = `The rollout of step ${key.stepId} of ${promotionId} is ${rollout.state}.`;
    return refusal('rollout-ended', what);
  }
  const { members, strategy } = rollout.layout;
  const exposed = listExposed(table, key, {
    members: new Set(members),
    strategy,
    before: rollout.routeBefore,
  });
  const outcomes = await listNewestOutcomes(tx, { promotionId, targets: exposed });
  const confirmed = new Set(
    outcomes
      .filter((outcome) => isConfirmedHere(promotion, outcome, request.tenantId, trustRoot))
      .map(({ target }) => target),
  );
  const missing = exposed.find((name) => !confirmed.has(name));
  if (missing !== undefined) {
    const what = `No signed report says that ${missing} runs the release of ${promotionId}: no requests are sent there.`;
    return refusal('canary-not-confirmed', what);
  }
  const member = exposed[0] ?? members[0] ?? '';
  const target = await findTarget(tx, member);
  const deployment = await findDeployment(tx, promotionId, member);
  if (target === undefined || deployment === undefined) {
    return refusal('plan-unknown', `${promotionId} has no plan for ${member}.`);
  }
  return findPromoteProblem(tx, promotion, rules, environment, {
    target,
    planDigest: deployment.planDigest,
    idempotencyKey: request.idempotencyKey,
  });
}

/** Servers that a table sends requests to because of what this rollout put there. */
function listExposed(
  table: RouteTable,
  { place }: RouteKey,
  rollout: {
    readonly members: ReadonlySet<string>;
    readonly strategy: string;
    readonly before: RouteTable | null;
  },
): readonly string[] {
  const { members, strategy, before } = rollout;
  const { canaryPermille, match, pools } = table;
  const isShared = canaryPermille > 0 || match.length > 0;
  // Where a stage leaves nobody old, and at the end, the new ones are the stable ones.
  const isNewStable =
    place.kind === 'final' || (place.kind === 'stage' && pools.canary.length === 0);
  const served = new Set(before === null ? [] : receiversOf(before).map(({ name }) => name));
  const isSwitched = strategy === 'blue-green' && before !== null;
  const names = [
    ...(isShared ? pools.canary : []),
    ...pools.stable.filter(
      ({ name }) => members.has(name) && (isNewStable || (isSwitched && !served.has(name))),
    ),
  ].map(({ name }) => name);
  return [...new Set(names)].sort();
}

/** Servers that get requests. */
function receiversOf(table: RouteTable): readonly RouteServer[] {
  const { canaryPermille, match, pools } = table;
  if (canaryPermille === 0 && match.length === 0) return pools.stable;
  return canaryPermille === 1000 ? pools.canary : serversOf(table);
}
