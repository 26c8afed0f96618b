import {
  type AnalysisRecord,
  countStageMembers,
  listAnalysesOf,
  listRolloutSteersOf,
  listRolloutsOf,
  listRouteChangesOf,
  listRoutersOf,
  listRoutes,
  listStageMembers,
  type RolloutRecord,
  type RolloutSteerRecord,
  type RouteChangeRecord,
  type RouteRecord,
  type StageMemberCount,
  type StageMemberRecord,
  type StageRange,
  type TargetRecord,
} from '@sluice/persistence';
import { loadMany, loadOne } from '../common/batches.ts';
import type { InTenant } from '../common/in-tenant.ts';

/** Reads of rollouts and of what moves requests; see `Loaders`. */
export interface RolloutLoaders {
  /** Of each step its newest one, in the order in which they began. */
  rolloutsOf(promotion: string): Promise<readonly RolloutRecord[]>;
  /** Oldest first; the newest 200. */
  steersOf(promotion: string): Promise<readonly RolloutSteerRecord[]>;
  /** Oldest first, at most 500. */
  routeChangesOf(promotion: string): Promise<readonly RouteChangeRecord[]>;
  analysesOf(promotion: string): Promise<readonly AnalysisRecord[]>;
  /** The first 100 members of a stage, named by {@link stageKey}. */
  stageMembersOf(stage: string): Promise<readonly StageMemberRecord[]>;
  /** How many members of a stage, named by {@link stageKey}, are in each state. */
  stageCountsOf(stage: string): Promise<readonly StageMemberCount[]>;
  /** Routers of an environment. */
  routersOf(environment: string): Promise<readonly TargetRecord[]>;
  /** What a router's agent confirmed last. */
  routeOf(router: string): Promise<RouteRecord | undefined>;
}

/** The name under which the members of a stage are loaded. */
export function stageKey({ promotionId, stepId, round, from, to }: StageRange): string {
  return [promotionId, stepId, round, from, to].join(' ');
}

/** Loaders for one request. */
export function createRolloutLoaders(inTenant: InTenant): RolloutLoaders {
  return {
    rolloutsOf: loadMany(inTenant, listRolloutsOf, (row) => row.promotionId),
    steersOf: loadMany(inTenant, listRolloutSteersOf, (row) => row.promotionId),
    routeChangesOf: loadMany(inTenant, listRouteChangesOf, (row) => row.promotionId),
    analysesOf: loadMany(inTenant, listAnalysesOf, (row) => row.promotionId),
    stageMembersOf: loadByStage(inTenant, listStageMembers),
    stageCountsOf: loadByStage(inTenant, countStageMembers),
    routersOf: loadMany(inTenant, listRoutersOf, (row) => row.environment),
    routeOf: loadOne(inTenant, listRoutes, (row) => row.router),
  };
}

type Tx = Parameters<typeof listStageMembers>[0];

function loadByStage<R extends { readonly asked: number }>(
  inTenant: InTenant,
  list: (tx: Tx, ranges: readonly StageRange[]) => Promise<readonly R[]>,
): (stage: string) => Promise<readonly R[]> {
  return loadMany(
    inTenant,
    async (tx, keys) => {
      const rows = await list(tx, keys.map(rangeOf));
      return rows.map((row) => ({ ...row, stage: keys[row.asked] ?? '' }));
    },
    (row) => row.stage,
  );
}

function rangeOf(key: string): StageRange {
  const [promotionId = '', stepId = '', round, from, to] = key.split(' ');
  return { promotionId, stepId, round: Number(round), from: Number(from), to: Number(to) };
}
