import type { EnvironmentRecord, TargetRecord } from '@sluice/persistence';
import { enumName } from '../common/enum-name.ts';
import type { LeaseWithQueue } from '../common/loaders.ts';

/** Shows an environment; what hangs on it is resolved apart. */
export function environmentView({ name, position, pipeline, policy }: EnvironmentRecord) {
  return { name, position, pipeline, policy };
}

/** An environment as the schema has it. */
export type EnvironmentView = ReturnType<typeof environmentView>;

/** Shows a target; what hangs on it is resolved apart. */
export function targetView(record: TargetRecord) {
  const { name, kind, address, labels, settings, environment } = record;
  return {
    name,
    kind: enumName(kind),
    address,
    labels,
    settings,
    environmentName: environment,
  };
}

/** A target as the schema has it. */
export type TargetView = ReturnType<typeof targetView>;

/** Shows a lease. Holders are `promotion:<id>`; the schema names promotions. */
export function leaseView({ resource, holder, fencingToken, queue }: LeaseWithQueue) {
  return {
    resource,
    holder: holder === null ? null : promotionOf(holder),
    fencingToken: String(fencingToken),
    queue: queue.map(promotionOf),
  };
}

function promotionOf(holder: string): string {
  return holder.startsWith('promotion:') ? holder.slice('promotion:'.length) : holder;
}
