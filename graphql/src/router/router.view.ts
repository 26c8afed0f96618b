import type { RouteRecord, TargetRecord } from '@sluice/persistence';
import { enumName } from '../common/enum-name.ts';

/** Shows a router; what hangs on it is resolved apart. */
export function routerView({ name, kind, labels, settings, environment }: TargetRecord) {
  const { backend } = settings;
  return {
    name,
    kind: enumName(kind),
    backend: typeof backend === 'string' ? backend : '',
    labels,
    environmentName: environment,
  };
}

/** A router as the schema has it. */
export type RouterView = ReturnType<typeof routerView>;

/** Shows a route table that is in force. */
export function routeView({ table, tableDigest, promotionId, since }: RouteRecord) {
  return {
    digest: tableDigest,
    canaryPermille: table.canaryPermille,
    stable: table.pools.stable,
    canary: table.pools.canary,
    match: table.match,
    promotion: promotionId,
    since,
  };
}
