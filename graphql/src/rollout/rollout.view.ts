import type {
  AnalysisRecord,
  PromotionRecord,
  RolloutRecord,
  RolloutSteerRecord,
  RouteChangeRecord,
  StageMemberRecord,
} from '@sluice/persistence';
import { enumName } from '../common/enum-name.ts';
import { stageKey } from './rollout-loaders.ts';
import { stageStateOf } from './stage-state.ts';

/** A rollout as the schema has it; what hangs on it is resolved apart, by the keys that stand here. */
export interface RolloutView {
  readonly __typename: 'Rollout';
  readonly id: string;
  readonly step: string;
  readonly round: number;
  readonly strategy: string;
  readonly state: string;
  readonly stage: number;
  readonly phase: string;
  readonly reason: { readonly code: string; readonly message: string } | null;
  readonly startedAt: string;
  readonly changedAt: string;
  readonly endedAt: string | null;
  readonly pausedUntil: string | null;
  /** The row that it shows. */
  readonly record: RolloutRecord;
}

/** Shows a rollout. One that its promotion left behind without an end was cancelled with it. */
export function rolloutView(
  stored: RolloutRecord,
  promotion: Pick<PromotionRecord, 'endedAt'>,
): RolloutView {
  const isLeft = stored.endedAt === null && promotion.endedAt !== null;
  const record: RolloutRecord = isLeft
    ? { ...stored, state: 'cancelled', endedAt: promotion.endedAt }
    : stored;
  const { promotionId, stepId, round, state, changedAt, layout } = record;
  const until = Date.parse(changedAt) + layout.pauseSeconds * 1000;
  return {
    __typename: 'Rollout',
    id: `${promotionId}#${round}/${stepId}`,
    step: stepId,
    round,
    strategy: enumName(record.strategy),
    state: enumName(state),
    stage: record.stage,
    phase: enumName(record.phase),
    reason: record.reason,
    startedAt: record.startedAt,
    changedAt,
    endedAt: record.endedAt,
    pausedUntil: state === 'paused' ? new Date(until).toISOString() : null,
    record,
  };
}

/** Shows the stages of a rollout. */
export function stageViews(record: RolloutRecord, steers: readonly RolloutSteerRecord[]) {
  const { promotionId, stepId, round, layout } = record;
  return layout.stages.map((stage, index) => ({
    index,
    name: stage.name,
    state: enumName(stageStateOf(record, steers, index)),
    maxParallel: stage.maxParallel,
    canaryPermille: stage.canaryPermille,
    soakSeconds: stage.soakSeconds,
    analysed: stage.analyse,
    gated: stage.gate,
    pauses: stage.pause,
    key: stageKey({ promotionId, stepId, round, from: stage.from, to: stage.to }),
    rollout: { promotionId, stepId, round },
  }));
}

/** A stage as the schema has it. */
export type RolloutStageView = ReturnType<typeof stageViews>[number];

/** Shows a target of a stage. */
export function stageTargetView({ key, state, reason }: StageMemberRecord) {
  return { name: key, state: enumName(state), reason };
}

/** Shows what watching a stage came to. */
export function analysisView(record: AnalysisRecord) {
  const { outcome, score, reason, documentDigest, startedAt, endedAt } = record;
  return { outcome: enumName(outcome), score, reason, documentDigest, startedAt, endedAt };
}

/** Shows a change of a route table. */
export function routeChangeView(record: RouteChangeRecord) {
  const { router, stage, canaryPermille, state, failure, dispatchedAt, settledAt } = record;
  const change = { router, stage, canaryPermille, failure, dispatchedAt, settledAt };
  return { ...change, state: enumName(state) };
}

/** Shows what somebody did. One that still waits for its answer is neither recorded nor refused. */
export function steerView(record: RolloutSteerRecord) {
  const { steerId, principalId, action, comment, state, refusal, stage, askedAt } = record;
  return {
    id: steerId,
    principal: principalId,
    action: enumName(action),
    comment,
    recorded: state === 'recorded',
    refusal,
    stage,
    at: askedAt,
  };
}
