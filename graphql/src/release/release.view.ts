import type { ReleaseRecord, ReleaseRequestRecord } from '@sluice/persistence';
import { enumName } from '../common/enum-name.ts';

/** A release as the schema has it; its promotions are resolved apart. */
export interface ReleaseView {
  readonly id: string;
  readonly name: string;
  readonly version: string;
  readonly components: readonly {
    readonly name: string;
    readonly kind: string;
    readonly digest: string;
    readonly version: string;
  }[];
  readonly createdBy: string;
  readonly createdAt: string;
}

/** Shows a stored release. */
export function releaseView(record: ReleaseRecord): ReleaseView {
  const { releaseDigest, name, version, body, createdBy, createdAt } = record;
  const components = body.components.map((part) => ({ ...part, kind: enumName(part.kind) }));
  return { id: releaseDigest, name, version, components, createdBy, createdAt };
}

/** A request for a release as the schema has it; its release is resolved apart. */
export interface ReleaseRequestView {
  readonly __typename: 'ReleaseRequest';
  readonly id: string;
  readonly state: string;
  readonly releaseDigest: string | null;
  readonly refusal: { readonly code: string; readonly message: string } | null;
  readonly requestedBy: string;
  readonly createdAt: string;
}

/** Shows a stored request. */
export function releaseRequestView(record: ReleaseRequestRecord): ReleaseRequestView {
  const { requestId, state, releaseDigest, refusal, requestedBy, createdAt } = record;
  return {
    __typename: 'ReleaseRequest',
    id: requestId,
    state: enumName(state),
    releaseDigest,
    refusal,
    requestedBy,
    createdAt,
  };
}
