import type { StepTypeRef } from '@sluice/domain';
import { BUILT_IN_STEP_TYPES } from '@sluice/pipeline';
import {
  type InterpreterActivities,
  type ReleaseActivities,
  type RevertActivities,
  type ShardActivities,
  type StepActivities,
  TASK_QUEUES,
  type TaskQueue,
} from '@sluice/temporal-contract';
import { createApprovalActivities } from './approval/approval.activities.ts';
import { createBuildStep } from './build/build.step.ts';
import type { ActivityDependencies } from './dependencies.ts';
import { createDeployStep } from './deploy/deploy.step.ts';
import { createRevertActivities } from './deploy/revert.activities.ts';
import { createSealActivities } from './evidence/seal.activities.ts';
import { createGateStep } from './gate/gate.step.ts';
import { createHttpStep } from './http/http.step.ts';
import { createNoopStep } from './noop/noop.step.ts';
import { createNotifyStep } from './notify/notify.step.ts';
import { createPlanStep } from './plan/plan.step.ts';
import { createStalePlanActivities } from './plan/stale-plan.activities.ts';
import { createLeaseActivities } from './records/lease.activities.ts';
import { createMatrixActivities } from './records/matrix.activities.ts';
import { createRulesActivities } from './records/rules.activities.ts';
import { createStateActivities } from './records/state.activities.ts';
import { createReleaseRecordActivities } from './release/record.activities.ts';
import { createReleaseStep } from './release/release.step.ts';
import { createResolveActivities } from './release/resolve.activities.ts';
import { createScanStep } from './scan/scan.step.ts';
import { createScriptStep } from './script/script.step.ts';
import { createSoakStep } from './soak/soak.step.ts';
import { partsForStep, type StepTypeParts } from './step/capability-parts.ts';
import { createStepActivities } from './step/execute-step.ts';
import { frozenCoursesOf } from './step/frozen-course.ts';
import { createStepRegistry } from './step/step-registry.ts';
import type { StepType } from './step/step-type.ts';
import { createVerifyStep } from './verify/verify.step.ts';

/** The built-in step types. A new type is one folder and one line here. */
const CREATORS: readonly (readonly [StepTypeRef, (parts: StepTypeParts) => StepType])[] = [
  ['scan@1', createScanStep],
  ['gate@1', createGateStep],
  ['plan@1', createPlanStep],
  ['deploy@1', createDeployStep],
  ['verify@1', createVerifyStep],
  ['noop@1', createNoopStep],
  ['build@1', createBuildStep],
  ['release@1', createReleaseStep],
  ['http@1', createHttpStep],
  ['notify@1', createNotifyStep],
  ['soak@1', createSoakStep],
  ['script@1', createScriptStep],
];

/** The built-in step types, each built of what its manifest's capabilities name. */
export function listStepTypes(parts: ActivityDependencies): readonly StepType[] {
  return CREATORS.map(([type, create]) => create(partsForStep(parts, type, BUILT_IN_STEP_TYPES)));
}

/** All activities, by the task queue that a worker serves them on. */
export type ActivitiesByQueue = Readonly<
  Record<
    TaskQueue,
    Partial<
      InterpreterActivities &
        ReleaseActivities &
        RevertActivities &
        ShardActivities &
        StepActivities
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
  const stepsOn = (queue: TaskQueue): Partial<StepActivities> =>
    registry.listFor(queue).length === 0 ? {} : createStepActivities(parts, registry, courses);
  return {
    [TASK_QUEUES.control]: {
      ...createRulesActivities(parts),
      ...createLeaseActivities(parts),
      ...createStateActivities(parts),
      ...createMatrixActivities(parts, courses),
      ...createStalePlanActivities(parts),
      ...createApprovalActivities(parts),
      ...createSealActivities(parts),
      ...createResolveActivities(parts),
      ...createReleaseRecordActivities(parts),
      ...stepsOn(TASK_QUEUES.control),
    },
    [TASK_QUEUES.scan]: stepsOn(TASK_QUEUES.scan),
    [TASK_QUEUES.gate]: stepsOn(TASK_QUEUES.gate),
    [TASK_QUEUES.deploy]: { ...stepsOn(TASK_QUEUES.deploy), ...createRevertActivities(parts) },
    [TASK_QUEUES.verify]: stepsOn(TASK_QUEUES.verify),
    [TASK_QUEUES.build]: stepsOn(TASK_QUEUES.build),
    [TASK_QUEUES.script]: stepsOn(TASK_QUEUES.script),
    [TASK_QUEUES.outbound]: stepsOn(TASK_QUEUES.outbound),
  };
}
