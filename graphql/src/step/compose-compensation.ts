import {
  isPromotionEnd,
  type PromotionState,
  type ResolvedPipeline,
  type ResolvedStep,
  type StepType,
  type StepTypes,
} from '@sluice/domain';
import type { DeploymentRecord, MemberCounts, StepRecord } from '@sluice/persistence';

/** The code of a step's reason when it could not be put back. */
export const COMPENSATION_FAILED = 'compensation-failed';

/** What a person does about an effect that nobody puts back and that may have happened. */
const LOOK =
  'Look at its log and at what it works on: it began and did not succeed, so what it does may have happened all the same.';

/** What is known of a promotion whose effects are looked at. */
export interface CompensationFacts {
  readonly state: PromotionState;
  readonly pipeline: ResolvedPipeline;
  readonly steps: readonly StepRecord[];
  /** Of the steps that have members. */
  readonly counts: ReadonlyMap<string, MemberCounts>;
  /** Of the steps that have members: how many of these have a target that was changed, or may have been, and was not put back. */
  readonly touched: ReadonlyMap<string, number>;
  /** Of the steps that have members: how many executions of these began, were not done and not put back. */
  readonly unsure: ReadonlyMap<string, number>;
  readonly deployments: readonly Pick<DeploymentRecord, 'state'>[];
  readonly stepTypes: StepTypes;
}

/** What became of one step's effects. */
export interface CompensatedStep {
  readonly step: string;
  readonly type: string;
  readonly state: 'UNDONE' | 'FAILED' | 'OPEN' | 'LEFT' | 'STAYS';
  readonly undoes: string | null;
  readonly byHand: string | null;
  readonly reason: { readonly code: string; readonly message: string } | null;
  readonly undoneMembers: number | null;
  readonly memberCount: number | null;
}

/** What a promotion put back, and what remains. */
export interface CompensationView {
  readonly complete: boolean;
  readonly steps: readonly CompensatedStep[];
}

/** Null while nothing is undone and all may still go well, and where nothing was done that could be put back. */
export function composeCompensation(facts: CompensationFacts): CompensationView | null {
  const { state, steps } = facts;
  const isUndoing = steps.some((step) => isUndone(step) || isFailed(step));
  if (state === 'succeeded' || (!isPromotionEnd(state) && !isUndoing)) return null;
  const resolved = new Map(facts.pipeline.steps.map((step) => [step.id, step]));
  const shown = [...steps]
    .sort(lastDoneFirst)
    .flatMap((step) => composeStep(facts, step, resolved.get(step.stepId)));
  if (shown.length === 0) return null;
  const complete = shown.every((step) => step.state === 'UNDONE' || step.state === 'STAYS');
  return { complete, steps: shown };
}

function composeStep(
  facts: CompensationFacts,
  record: StepRecord,
  step: ResolvedStep | undefined,
): readonly CompensatedStep[] {
  const type = facts.stepTypes.get(record.type);
  if (step === undefined || type === undefined) return [];
  const state = stateOf(facts, record, step, type);
  if (state === null) return [];
  const counts = facts.counts.get(record.stepId);
  const total = Object.values(counts ?? {}).reduce((sum, count) => sum + count, 0);
  return [
    {
      step: record.stepId,
      type: record.type,
      state,
      undoes: state === 'STAYS' ? null : (type.compensation?.undoes ?? null),
      byHand: byHandOf(facts, record, type, state),
      reason: state === 'FAILED' ? record.reason : null,
      undoneMembers: counts === undefined ? null : (counts.reverted ?? 0),
      memberCount: counts === undefined ? null : total,
    },
  ];
}

function stateOf(
  facts: CompensationFacts,
  record: StepRecord,
  step: ResolvedStep,
  type: StepType,
): CompensatedStep['state'] | null {
  if (isUndone(record)) return 'UNDONE';
  if (isFailed(record)) return 'FAILED';
  const { compensation } = type;
  const { onlyWith } = compensation ?? {};
  const canBeUndone =
    compensation !== null &&
    step.compensate &&
    (onlyWith === undefined || step.inputs[onlyWith] !== undefined);
  // A step that a stale plan sent back to pending had begun all the same, and surely did nothing that could be undone.
  const wasSentBack = record.startedAt === null;
  const isDone = !wasSentBack && hasEffect(facts, record, type);
  if (!isDone && ((wasSentBack && canBeUndone) || !isUnsure(facts, record, type))) return null;
  if (canBeUndone) return isPromotionEnd(facts.state) ? 'LEFT' : 'OPEN';
  // Found by its key and done once: records of Sluice's own, which harm nobody.
  return compensation !== null || type.effect === 'at-least-once' ? 'STAYS' : null;
}

function byHandOf(
  facts: CompensationFacts,
  record: StepRecord,
  type: StepType,
  state: CompensatedStep['state'],
): string | null {
  if (state === 'FAILED' || state === 'LEFT') return type.compensation?.byHand ?? null;
  return state === 'STAYS' && isUnsure(facts, record, type) ? LOOK : null;
}

/** What has changed something outside. */
function hasEffect(
  { counts, touched, deployments }: CompensationFacts,
  { stepId, state }: StepRecord,
  type: StepType,
): boolean {
  const members = counts.get(stepId);
  // A member that failed after its command went out has changed its target all the same.
  if (members !== undefined) return (members.succeeded ?? 0) > 0 || (touched.get(stepId) ?? 0) > 0;
  if (type.changesTargets) return deployments.some((each) => TOUCHED.has(each.state));
  return state === 'succeeded' || state === 'partial';
}

/** What began and was not recorded as done, and may have changed something outside: of its effect nobody knows. */
function isUnsure(
  { counts, unsure }: CompensationFacts,
  { stepId, state, hasBegun }: StepRecord,
  type: StepType,
): boolean {
  if (type.effect !== 'at-least-once' || type.changesTargets || state === 'running') return false;
  if (counts.has(stepId)) return (unsure.get(stepId) ?? 0) > 0;
  return hasBegun && state !== 'succeeded';
}

const TOUCHED: ReadonlySet<DeploymentRecord['state']> = new Set([
  'dispatched',
  'confirmed',
  'lost',
]);

function isUndone({ state }: StepRecord): boolean {
  return state === 'reverted';
}

function isFailed({ reason }: StepRecord): boolean {
  return reason?.code === COMPENSATION_FAILED;
}

function lastDoneFirst(a: StepRecord, b: StepRecord): number {
  const [first, second] = [a.endedAt ?? '', b.endedAt ?? ''];
  return first === second ? b.ordinal - a.ordinal : first < second ? 1 : -1;
}
