import {
  composeRouteTable,
  type RouteMatch,
  type RouteServer,
  type RouteTable,
} from '../route-table.ts';
import type { RolloutLayout, RolloutStage } from './rollout-layout.ts';

/** Holds a visitor's draw of an A/B rollout. */
export const STICKY_COOKIE = 'sluice_variant';

/** A point in a rollout at which requests go somewhere else than before. */
export type RoutePlace =
  /** Before the members of a stage are deployed to: nobody asks them any more, and no share changes. */
  | { readonly kind: 'prepare'; readonly stage: number }
  /** Its members are deployed. */
  | { readonly kind: 'stage'; readonly stage: number }
  /** The rollout is complete. */
  | { readonly kind: 'final' }
  /** It is to be put back: no request goes to the first `exposed` members any more. */
  | { readonly kind: 'off'; readonly exposed: number }
  /** It was put back: as before it. */
  | { readonly kind: 'restore' };

/** What a route table is made of. */
export interface RouteParts {
  readonly layout: RolloutLayout;
  readonly place: RoutePlace;
  /** In the order of exposure: index for index the members of the step. */
  readonly members: readonly RouteServer[];
  /** Targets that get requests beside the members; of `blue-green` the group that served before, where that is not made new. */
  readonly others: readonly RouteServer[];
  /** Of before the rollout; null where the router had none. */
  readonly before: RouteTable | null;
  /** Name of the proxy's backend. */
  readonly backend: string;
  /** Requests that see the new version, of `ab`; empty otherwise. */
  readonly match: readonly RouteMatch[];
}

/**
 * The route table of one place in a rollout; the same parts give the same table. Whoever is exposed stands in the canary pool, all others in
 * the stable one; where nobody else is left, those that are new are the stable ones. Where nobody is known to be good, `off` is `restore`.
 * A complete `blue-green` leaves the new group alone.
 * @throws RangeError for a stage that the layout does not have
 */
export function composeRoutes(parts: RouteParts): RouteTable {
  const { layout, place } = parts;
  switch (place.kind) {
    case 'prepare': {
      const stage = stageOf(layout, place.stage);
      const before = place.stage === 0 ? undefined : stageOf(layout, place.stage - 1);
      const stable = unless([...parts.members.slice(stage.to), ...parts.others]);
      const exposed = parts.members.slice(0, before === undefined ? 0 : reachOf(layout, before));
      if (stable.length > 0) {
        const permille = before?.canaryPermille ?? 0;
        return split(parts, exposed, stable, permille, before === undefined ? [] : fitting(parts));
      }
      // The last ones have nobody who would stand in for them: where all leave at once, those that are new serve alone; else those that have not left
      // yet go on.
      if (before === undefined) return whole(parts, parts.members);
      const size = stage.to - stage.from;
      if (size === 0 || stage.maxParallel < size) return tableOf(parts, before);
      const leaving = unless(parts.members.slice(exposed.length));
      return split(parts, exposed, leaving, 1000, fitting(parts));
    }
    case 'stage':
      return tableOf(parts, stageOf(layout, place.stage));
    case 'final':
      return whole(
        parts,
        layout.strategy === 'blue-green'
          ? parts.members.slice(0, groupOf(layout))
          : [...parts.members, ...parts.others],
      );
    case 'off': {
      const exposed = Math.max(place.exposed, groupOf(layout));
      const good = unless([...parts.members.slice(exposed), ...parts.others]);
      if (good.length === 0) return restored(parts);
      return split(parts, parts.members.slice(0, exposed), good, 0, []);
    }
    case 'restore':
      return restored(parts);
  }
}

function restored(parts: RouteParts): RouteTable {
  const { before, layout, members, others } = parts;
  return before ?? whole(parts, [...members.slice(groupOf(layout)), ...others]);
}

function tableOf(parts: RouteParts, stage: RolloutStage): RouteTable {
  const { layout, members, others } = parts;
  const reach = reachOf(layout, stage);
  const canary = members.slice(0, reach);
  const stable = unless([...members.slice(reach), ...others], canary);
  return split(parts, canary, stable, stage.canaryPermille ?? 0, fitting(parts));
}

/** Requests that see the new version whatever the share. */
function fitting({ layout, match }: RouteParts): readonly RouteMatch[] {
  return layout.strategy === 'ab' ? match : [];
}

function split(
  parts: RouteParts,
  canary: readonly RouteServer[],
  stable: readonly RouteServer[],
  canaryPermille: number,
  match: readonly RouteMatch[],
): RouteTable {
  if (stable.length === 0) return whole(parts, canary);
  if (canary.length === 0) return whole(parts, stable);
  const isSticky = parts.layout.strategy === 'ab' && canaryPermille > 0;
  return composeRouteTable({
    backend: parts.backend,
    pools: { stable, canary },
    canaryPermille,
    match,
    ...(isSticky ? { sticky: { cookie: STICKY_COOKIE } } : {}),
  });
}

function whole({ backend }: RouteParts, stable: readonly RouteServer[]): RouteTable {
  const pools = { stable: unless(stable), canary: [] };
  return composeRouteTable({ backend, pools, canaryPermille: 0, match: [] });
}

/** How many members are new once a stage is deployed; of `blue-green` the group that the requests are switched to. */
function reachOf(layout: RolloutLayout, stage: RolloutStage): number {
  return layout.strategy === 'blue-green' ? groupOf(layout) : stage.to;
}

/** Members of the group that is made new first, of `blue-green`; 0 otherwise. */
function groupOf({ strategy, stages }: RolloutLayout): number {
  if (strategy !== 'blue-green') return 0;
  return stages.find(({ to }) => to > 0)?.to ?? 0;
}

function stageOf({ stages }: RolloutLayout, index: number): RolloutStage {
  const stage = stages[index];
  if (stage === undefined) throw new RangeError(`The rollout has no stage ${index}.`);
  return stage;
}

/** Each server once, without those that are taken. */
function unless(
  servers: readonly RouteServer[],
  taken: readonly RouteServer[] = [],
): readonly RouteServer[] {
  const names = new Set(taken.map(({ name }) => name));
  return servers.filter(({ name }) => !names.has(name) && names.add(name));
}
