import type { EnvironmentRecord, QueuePlaceRecord, TargetRecord } from '@sluice/persistence';
import { promotionOfHolder } from '@sluice/temporal-contract';
import { enumName } from '../common/enum-name.ts';
import type { LeaseWithQueue } from '../common/loaders.ts';

/** Shows an environment; what hangs on it is resolved apart. */
export function environmentView(record: EnvironmentRecord) {
  const { name, position, pipeline, policy, predecessors, approval, rollbackRoles } = record;
  const { pipelineVersion, pipelineParameters: parameters } = record;
  return {
    name,
    position,
    pipeline,
    pipelineVersion,
    parameters,
    policy,
    predecessors,
    approval,
    rollbackRoles,
  };
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
export function leaseView({ resource, holder, fencingToken, acquiredAt, queue }: LeaseWithQueue) {
  const holderId = holder === null ? null : promotionOfHolder(holder);
  return {
    resource,
    holder: holderId,
    fencingToken: String(fencingToken),
    acquiredAt,
    queue: queue.map((place, index) => queuePlaceView(place, index + 1, holderId)),
  };
}

/** Shows a place in a queue; its promotion and its reason are resolved apart. */
function queuePlaceView(place: QueuePlaceRecord, position: number, leaseHolder: string | null) {
  const { ready, enqueuedAt, holder } = place;
  return { position, ready, enqueuedAt, promotionId: promotionOfHolder(holder), leaseHolder };
}

/** A place in a queue as the schema has it. */
export type QueuePlaceView = ReturnType<typeof queuePlaceView>;
