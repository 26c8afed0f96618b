import type { RolloutRecord, RolloutSteerRecord } from '@sluice/persistence';

/** Where one stage of a rollout is. */
export type StageState = 'pending' | 'running' | 'held' | 'failed' | 'skipped';

/** Where a stage is, by where its rollout stands and by what people did to it. */
export function stageStateOf(
  { stepId, round, state, stage, phase }: RolloutRecord,
  steers: readonly RolloutSteerRecord[],
  index: number,
): StageState {
  const isOver = state !== 'running' && state !== 'paused';
  if (index > stage) return isOver ? 'skipped' : 'pending';
  const isCurrent = index === stage;
  if (isCurrent && isOver && state !== 'completed') return 'failed';
  if (isCurrent && !isOver && phase !== 'held') return 'running';
  const wasSkipped = steers.some(
    (steer) =>
      steer.state === 'recorded' &&
      steer.stepId === stepId &&
      steer.round === round &&
      steer.stage !== null &&
      ((steer.action === 'skip' && steer.stage === index) ||
        (steer.action === 'promote' && steer.stage <= index)),
  );
  return wasSkipped ? 'skipped' : 'held';
}
