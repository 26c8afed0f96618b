import { listWatchesByPromotion, type ReleaseWatchRecord } from '@sluice/persistence';
import { loadOne } from '../common/batches.ts';
import type { InTenant } from '../common/in-tenant.ts';

/** Reads of watches; see `Loaders`. */
export interface WatchLoaders {
  /** How the release of a promotion is watched, or was. */
  watchOf(promotion: string): Promise<ReleaseWatchRecord | undefined>;
}

/** Loaders for one request. */
export function createWatchLoaders(inTenant: InTenant): WatchLoaders {
  return { watchOf: loadOne(inTenant, listWatchesByPromotion, (row) => row.promotionId) };
}
