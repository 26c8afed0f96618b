import {
  type CourseStep,
  composeRoutes,
  findRouteTableProblem,
  isCourse,
  isRouter,
  type MatchInput,
  type RouteMatch,
  type RoutePlace,
  type RouteServer,
  type RouteTable,
} from '@sluice/domain';
import {
  findRollout,
  findTarget,
  listCurrentReleases,
  listDeployments,
  listTargetsByName,
  type PromotionRecord,
  type RolloutRecord,
  type TargetRecord,
  type Tx,
} from '@sluice/persistence';
import { digestOf } from '@sluice/pure';
import type { FrozenRules, Reason } from '@sluice/temporal-contract';
import { type FrozenCourses, requireRules } from '../step/frozen-course.ts';
import { findLastRollout, findLikelyRoute } from './route-facts.ts';
import { isPuttingBack } from './route-key.ts';

/** Which table is wanted. */
export interface WantedRoute {
  readonly promotion: PromotionRecord;
  readonly stepId: string;
  readonly round: number;
  readonly place: RoutePlace;
  /** Target name of the router; that of the rollout's layout when absent. */
  readonly router?: string | undefined;
}

/** The table that is to be in force. */
export interface ComposedRoute {
  readonly router: TargetRecord;
  readonly table: RouteTable;
  /** SHA-256 of the canonical table. */
  readonly digest: string;
  /** Index of the stage; null where it puts back. */
  readonly stage: number | null;
  /** The rollout that it is of; a rollback undoes that of another promotion. */
  readonly rollout: RolloutRecord;
  /** A table that was in force, which this one is or is made of; null where it is made of targets alone. */
  readonly basis: RouteTable | null;
}

/** What a router is to serve, or why that cannot be said. `nothing` is left to do where a rollback finds no rollout that it must undo. */
export type RouteAnswer =
  | { readonly kind: 'route'; readonly route: ComposedRoute }
  | { readonly kind: 'nothing' }
  | { readonly kind: 'problem'; readonly reason: Reason };

/**
 * What a router is to serve at one place of a rollout, made of the stored rollout and the configured targets; worker and signer make it alike. A
 * rollback asks for `off` and `restore` alone: it undoes the newest rollout that moved the router and did not complete, whosever that was. Reasons:
 * `router-unknown`, `router-not-in-rollout`, `rollout-unknown`, `stage-unknown`, `target-unknown`, `route-invalid`.
 */
export async function composeRoute(
  tx: Tx,
  courses: Pick<FrozenCourses, 'find'>,
  wanted: WantedRoute,
): Promise<RouteAnswer> {
  const { promotion, place } = wanted;
  if (promotion.kind === 'rollback') return composeUndo(tx, courses, wanted);
  const rollout = await findRollout(tx, {
    promotionId: promotion.promotionId,
    stepId: wanted.stepId,
    round: wanted.round,
  });
  const where = `step ${wanted.stepId} of ${promotion.promotionId}`;
  if (rollout === undefined) {
    return problem('rollout-unknown', `No rollout is stored of ${where}: plan it again.`);
  }
  const { layout } = rollout;
  if (layout.router === null || (wanted.router ?? layout.router) !== layout.router) {
    const own = layout.router === null ? 'no router' : `router ${layout.router}`;
    return problem('router-not-in-rollout', `The rollout of ${where} moves requests of ${own}.`);
  }
  if ('stage' in place && layout.stages[place.stage] === undefined) {
    return problem('stage-unknown', `The rollout of ${where} has no stage ${place.stage}.`);
  }
  const router = await readRouter(tx, promotion, layout.router);
  if ('code' in router) return { kind: 'problem', reason: router };
  return composeOf(tx, promotion, requireRules(promotion), rollout, place, router);
}

async function composeUndo(
  tx: Tx,
  courses: Pick<FrozenCourses, 'find'>,
  { promotion, place, router: name }: WantedRoute,
): Promise<RouteAnswer> {
  const { promotionId } = promotion;
  if (!isPuttingBack(place) || name === undefined) {
    const what = `${promotionId} is a rollback: it puts back the requests of a named router, and moves none.`;
    return problem('router-not-in-rollout', what);
  }
  const router = await readRouter(tx, promotion, name);
  if ('code' in router) return { kind: 'problem', reason: router };
  const rollout = await findLastRollout(tx, name);
  if (rollout === undefined || rollout.state === 'completed') return { kind: 'nothing' };
  const owner = await courses.find(tx, rollout.promotionId);
  if (owner === undefined || owner.rules === null) return { kind: 'nothing' };
  const served = place.kind === 'off' ? await findLikelyRoute(tx, name) : null;
  if (served !== null && served.pools.stable.length > 0) {
    return routeOf(owner, rollout, place, router, withoutCanary(served), served);
  }
  return composeOf(tx, owner, requireRules(owner), rollout, { kind: 'restore' }, router);
}

async function composeOf(
  tx: Tx,
  promotion: PromotionRecord,
  rules: FrozenRules,
  rollout: RolloutRecord,
  place: RoutePlace,
  router: TargetRecord,
): Promise<RouteAnswer> {
  const { layout, inputs, routeBefore: before } = rollout;
  const found = await readServers(tx, promotion, rules, rollout);
  const gone = layout.members.find((name) => !found.has(name));
  if (gone !== undefined && !isPuttingBack(place)) {
    const what = `Target ${gone} of ${promotion.promotionId} is no longer configured in ${promotion.environment}: promote again.`;
    return problem('target-unknown', what);
  }
  const members = layout.members.flatMap((name) => found.get(name) ?? []);
  const names = new Set(layout.members);
  const others = [...found.values()].filter(({ name }) => !names.has(name));
  const composed = composeRoutes({
    layout,
    place,
    members,
    others,
    before,
    backend: String(router.settings['backend'] ?? router.name),
    match: readMatch(inputs['match'] as readonly MatchInput[] | undefined),
  });
  const basis = place.kind === 'restore' ? before : null;
  const isWhole = basis !== null || place.kind === 'final';
  const table = isWhole ? composed : await withoutEmpty(tx, rollout, composed, place);
  return routeOf(promotion, rollout, place, router, table, basis);
}

function routeOf(
  { promotionId }: PromotionRecord,
  rollout: RolloutRecord,
  place: RoutePlace,
  router: TargetRecord,
  table: RouteTable,
  basis: RouteTable | null,
): RouteAnswer {
  const wrong = findRouteTableProblem(table);
  if (wrong !== undefined) {
    const what = `The route table of ${router.name} for ${promotionId} can not be: ${wrong}.`;
    return problem('route-invalid', what);
  }
  const last = rollout.layout.stages.length - 1;
  const stage = isPuttingBack(place) ? null : 'stage' in place ? place.stage : last;
  const route = { router, table, digest: digestOf(table), stage, rollout, basis };
  return { kind: 'route', route };
}

/** Nobody is sent to the canary pool. */
function withoutCanary({ sticky: _sticky, ...table }: RouteTable): RouteTable {
  return { ...table, canaryPermille: 0, match: [] };
}

async function readRouter(
  tx: Tx,
  { promotionId, environment }: PromotionRecord,
  name: string,
): Promise<TargetRecord | Reason> {
  const router = await findTarget(tx, name);
  if (router !== undefined && isRouter(router) && router.environment === environment) {
    return router;
  }
  const what = `${name} is no router that the configuration names for ${environment}, where ${promotionId} goes: add it under routers.`;
  return { code: 'router-unknown', message: what };
}

/**
 * Every server that requests can go to, by name: targets of the step as they are configured now, and what was served before. Those that a step's
 * matrix leaves out were never behind this router.
 */
async function readServers(
  tx: Tx,
  { environment }: PromotionRecord,
  { pipeline, targets }: FrozenRules,
  { layout, stepId, routeBefore }: RolloutRecord,
): Promise<ReadonlyMap<string, RouteServer>> {
  const step = isCourse(pipeline) ? pipeline.steps.find(({ id }) => id === stepId) : undefined;
  const labels = labelsOf(step);
  const served = routeBefore === null ? [] : serversOf(routeBefore).map(nameOf);
  const kept = new Set([...layout.members, ...served]);
  const records = await listTargetsByName(tx, [...new Set([...targets, ...kept])]);
  return new Map(
    records
      .filter(
        (target) =>
          target.environment === environment &&
          target.removedAt === null &&
          !isRouter(target) &&
          (kept.has(target.name) ||
            labels.every(([label, value]) => target.labels[label] === value)),
      )
      .sort((a, b) => (a.name < b.name ? -1 : 1))
      .map(({ name, address, health }) => [
        name,
        { name, address: address.toLowerCase(), port: health.port },
      ]),
  );
}

function labelsOf(step: CourseStep | undefined): readonly (readonly [string, string])[] {
  const over = step?.matrix?.over;
  return over !== undefined && 'targets' in over ? Object.entries(over.targets) : [];
}

/**
 * Targets that never ran anything, and got no requests before, are no servers to send any to, but for those that the rollout itself filled. Where
 * there would be none at all, they stay.
 */
async function withoutEmpty(
  tx: Tx,
  { promotionId, routeBefore }: RolloutRecord,
  table: RouteTable,
  place: RoutePlace,
): Promise<RouteTable> {
  const { stable, canary } = table.pools;
  const filled = new Set(routeBefore === null ? [] : serversOf(routeBefore).map(nameOf));
  const unknown = stable.map(nameOf).filter((name) => !filled.has(name));
  if (unknown.length === 0) return table;
  for (const { target, releaseDigest } of await listCurrentReleases(tx, unknown)) {
    if (releaseDigest !== null) filled.add(target);
  }
  // What is put back is not sent to the version that it is taken from.
  const own = isPuttingBack(place) ? [] : await listDeployments(tx, promotionId);
  for (const { target, state } of own) if (state === 'confirmed') filled.add(target);
  const left = stable.filter(({ name }) => filled.has(name));
  if (left.length === stable.length) return table;
  if (left.length > 0) return { ...table, pools: { stable: left, canary } };
  // Nobody else serves anything: all requests go where something is.
  const only = canary.length > 0 && !isPuttingBack(place) ? canary : stable;
  return withoutCanary({ ...table, pools: { stable: only, canary: [] } });
}

function nameOf({ name }: RouteServer): string {
  return name;
}

/** All servers of a table, both pools together. */
export function serversOf({ pools }: RouteTable): readonly RouteServer[] {
  return [...pools.stable, ...pools.canary];
}

function readMatch(inputs: readonly MatchInput[] | undefined): readonly RouteMatch[] {
  return (inputs ?? []).flatMap(({ header, cookie }): readonly RouteMatch[] => {
    if (header !== undefined) return [{ header }];
    return cookie === undefined ? [] : [{ cookie }];
  });
}

function problem(code: string, message: string): RouteAnswer {
  return { kind: 'problem', reason: { code, message } };
}
