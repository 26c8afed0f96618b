import { BUILT_IN_STEP_TYPES } from '@sluice/pipeline';
import {
  type InterpreterActivities,
  type ReleaseActivities,
  type RevertActivities,
  type RolloutActivities,
  type ShardActivities,
  type StepActivities,
  TASK_QUEUES,
  type TaskQueue,
  type WatchActivities,
} from '@sluice/temporal-contract';
import { createWatchStageActivities } from './analysis/watch-stage.activities.ts';
import { createApprovalActivities } from './approval/approval.activities.ts';
import type { ActivityDependencies } from './dependencies.ts';
import { createRevertActivities } from './deploy/revert.activities.ts';
import { createSealActivities } from './evidence/seal.activities.ts';
import { createStalePlanActivities } from './plan/stale-plan.activities.ts';
import { createLeaseActivities } from './records/lease.activities.ts';
import { createMatrixActivities } from './records/matrix.activities.ts';
import { createRulesActivities } from './records/rules.activities.ts';
import { createStateActivities } from './records/state.activities.ts';
import { createReleaseRecordActivities } from './release/record.activities.ts';
import { createResolveActivities } from './release/resolve.activities.ts';
import {
  createRolloutActivities,
  createStageGateActivities,
} from './rollout/rollout.activities.ts';
import { createRouteActivities } from './route/route-traffic.activities.ts';
import { partsForStep } from './step/capability-parts.ts';
import { createStepActivities } from './step/execute-step.ts';
import { frozenCoursesOf } from './step/frozen-course.ts';
import { createStepRegistry } from './step/step-registry.ts';
import type { StepType } from './step/step-type.ts';
import { STEP_CREATORS } from './steps.generated.ts';
import { createCloseActivities } from './watch/close-watch.ts';
import { createLookActivities } from './watch/look-at-release.ts';

/**
 * The built-in step types, each built of what its manifest's capabilities name.
 * @throws TypeError for a type that calls itself something else than its file is called
 */
export function listStepTypes(parts: ActivityDependencies): readonly StepType[] {
  return STEP_CREATORS.map(([name, create]) => {
    const built = create(partsForStep(parts, name, BUILT_IN_STEP_TYPES));
    if (`${built.type}@${built.version}` === name) return built;
    throw new TypeError(
      `The step type ${built.type}@${built.version} stands in the file of ${name}: name file and type the same.`,
    );
  });
}

/** All activities, by the task queue that a worker serves them on. */
export type ActivitiesByQueue = Readonly<
  Record<
    TaskQueue,
    Partial<
      InterpreterActivities &
        ReleaseActivities &
        RevertActivities &
        RolloutActivities &
        ShardActivities &
        StepActivities &
        WatchActivities
    >
  >
>;

/**
 * Builds every activity.
 * @param extraSteps step types besides the built-in ones, such as a bench's
 */
export function createActivities(
  parts: ActivityDependencies,
  extraSteps: readonly StepType[] = [],
): ActivitiesByQueue {
  const courses = frozenCoursesOf(parts.pool);
  const registry = createStepRegistry([...listStepTypes(parts), ...extraSteps]);
  // On every queue: a promotion sends a step where it froze it, also when the type has moved since.
  const steps = createStepActivities(parts, registry, courses);
  return {
    [TASK_QUEUES.control]: {
      ...createRulesActivities(parts),
      ...createLeaseActivities(parts),
      ...createStateActivities(parts),
      ...createMatrixActivities(parts, courses),
      ...createStalePlanActivities(parts),
      ...createApprovalActivities(parts),
      ...createRolloutActivities(parts),
      ...createSealActivities(parts),
      ...createResolveActivities(parts),
      ...createReleaseRecordActivities(parts),
      ...createCloseActivities(parts),
      ...steps,
    },
    [TASK_QUEUES.scan]: steps,
    [TASK_QUEUES.gate]: { ...steps, ...createStageGateActivities(parts, courses) },
    [TASK_QUEUES.deploy]: {
      ...steps,
      ...createRevertActivities(parts),
      ...createRouteActivities(parts),
    },
    [TASK_QUEUES.verify]: steps,
    [TASK_QUEUES.build]: steps,
    [TASK_QUEUES.script]: steps,
    [TASK_QUEUES.outbound]: {
      ...steps,
      ...createWatchStageActivities(parts),
      ...createLookActivities(parts),
    },
  };
}
