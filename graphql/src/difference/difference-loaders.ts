import type { Plan } from '@sluice/domain';
import { listPlanSetsOf, listPlansByDigest, type PlanSetRecord } from '@sluice/persistence';
import { loadMany, loadOne } from '../common/batches.ts';
import type { GraphqlContext } from '../common/graphql-context.ts';
import type { Loaders } from '../common/loaders.ts';
import { listScansOfReleases, type ReleaseScanRecord } from './scan-list.read-model.ts';

/** Batched reads that only differences need. */
export interface DifferenceLoaders {
  /** A promotion's plan sets, every round of them. */
  planSetsOf(promotion: string): Promise<readonly PlanSetRecord[]>;
  plan(digest: string): Promise<Plan | undefined>;
  /** The newest scan of a release anywhere; undefined when it was never scanned. */
  scanOf(release: string): Promise<ReleaseScanRecord | undefined>;
}

const made = new WeakMap<Loaders, DifferenceLoaders>();

/** The loaders of this request: they live as long as its other loaders. */
export function differenceLoadersOf({ loaders, inTenant }: GraphqlContext): DifferenceLoaders {
  const known = made.get(loaders);
  if (known !== undefined) return known;
  const plan = loadOne(inTenant, listPlansByDigest, (row) => row.digest);
  const fresh: DifferenceLoaders = {
    planSetsOf: loadMany(inTenant, listPlanSetsOf, (row) => row.promotionId),
    plan: async (digest) => (await plan(digest))?.body,
    scanOf: loadOne(inTenant, listScansOfReleases, (row) => row.releaseDigest),
  };
  made.set(loaders, fresh);
  return fresh;
}
