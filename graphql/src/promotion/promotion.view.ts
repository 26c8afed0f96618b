import { type Decision, type JsonValue, traceIdOf } from '@sluice/domain';
import type { DeploymentRecord, PromotionRecord, StepRecord } from '@sluice/persistence';
import { enumName } from '../common/enum-name.ts';

/** A promotion as the schema has it; what hangs on it is resolved apart, by the keys that stand here. */
export interface PromotionView {
  readonly __typename: 'Promotion';
  readonly id: string;
  readonly number: number;
  readonly kind: string;
  readonly state: string;
  readonly reason: { readonly code: string; readonly message: string } | null;
  readonly releaseDigest: string;
  readonly environmentName: string;
  readonly requestedBy: string;
  readonly requestedReason: string | null;
  readonly rollbackTo: string | null;
  readonly requestedAt: string;
  readonly startedAt: string | null;
  readonly endedAt: string | null;
  readonly traceId: string | null;
  readonly packetDigest: string | null;
  readonly bundleDigest: string | null;
  readonly supersededBy: string | null;
  readonly parameters: Readonly<Record<string, JsonValue>>;
}

/** Shows a stored promotion. */
export function promotionView(record: PromotionRecord): PromotionView {
  return {
    __typename: 'Promotion',
    id: record.promotionId,
    number: record.number,
    kind: enumName(record.kind),
    state: enumName(record.state),
    reason: record.reason,
    releaseDigest: record.releaseDigest,
    environmentName: record.environment,
    requestedBy: record.requestedBy,
    requestedReason: record.requestedReason,
    rollbackTo: record.rollbackTo === null ? null : enumName(record.rollbackTo),
    requestedAt: record.requestedAt,
    startedAt: record.startedAt,
    endedAt: record.endedAt,
    traceId: traceIdOf(record.traceparent) ?? null,
    packetDigest: record.packetDigest,
    bundleDigest: record.bundleDigest,
    supersededBy: record.supersededBy,
    parameters: record.parameters,
  };
}

/** Shows a step. */
export function stepView(record: StepRecord) {
  const { promotionId, stepId, type, state, reason, outputs, startedAt, endedAt } = record;
  const seconds =
    startedAt === null || endedAt === null
      ? null
      : Math.max(0, (Date.parse(endedAt) - Date.parse(startedAt)) / 1000);
  const id = stepId;
  const stepState = enumName(state);
  return { promotionId, id, type, state: stepState, reason, outputs, startedAt, endedAt, seconds };
}

/** A step as the schema has it; what its pipeline says of it is resolved apart. */
export type StepView = ReturnType<typeof stepView>;

/** Shows a decision. */
export function decisionView(decision: Decision) {
  return {
    ...decision,
    decision: enumName(decision.decision),
    trace: decision.trace.map((entry) => ({ ...entry, result: enumName(entry.result) })),
  };
}

/** Shows one target's part; the target is resolved apart. */
export function deploymentView(record: DeploymentRecord) {
  const { target, state, planDigest, failure } = record;
  return { targetName: target, state: enumName(state), planDigest, failure };
}

/** One target's part as the schema has it. */
export type DeploymentView = ReturnType<typeof deploymentView>;
