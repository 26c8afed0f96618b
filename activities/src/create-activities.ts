import {
  type InterpreterActivities,
  type ReleaseActivities,
  type RevertActivities,
  type StepActivities,
  TASK_QUEUES,
  type TaskQueue,
} from '@sluice/temporal-contract';
import { createApprovalActivities } from './approval/approval.activities.ts';
import type { ActivityDependencies } from './dependencies.ts';
import { createDeployStep } from './deploy/deploy.step.ts';
import { createRevertActivities } from './deploy/revert.activities.ts';
import { createSealActivities } from './evidence/seal.activities.ts';
import { createGateStep } from './gate/gate.step.ts';
import { createNoopStep } from './noop/noop.step.ts';
import { createPlanStep } from './plan/plan.step.ts';
import { createStalePlanActivities } from './plan/stale-plan.activities.ts';
import { createLeaseActivities } from './records/lease.activities.ts';
import { createRulesActivities } from './records/rules.activities.ts';
import { createStateActivities } from './records/state.activities.ts';
import { createReleaseRecordActivities } from './release/record.activities.ts';
import { createResolveActivities } from './release/resolve.activities.ts';
import { createScanStep } from './scan/scan.step.ts';
import { createStepActivities } from './step/execute-step.ts';
import { createStepRegistry } from './step/step-registry.ts';
import type { StepType } from './step/step-type.ts';
import { createVerifyStep } from './verify/verify.step.ts';

/** The built-in step types. A new type is one folder and one line here. */
export function listStepTypes(parts: ActivityDependencies): readonly StepType[] {
  return [
    createScanStep(parts),
    createGateStep(parts),
    createPlanStep(parts),
    createDeployStep(parts),
    createVerifyStep(parts),
    createNoopStep(),
  ];
}

/** All activities, by the task queue that a worker serves them on. */
export type ActivitiesByQueue = Readonly<
  Record<
    TaskQueue,
    Partial<InterpreterActivities & ReleaseActivities & RevertActivities & StepActivities>
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
  const registry = createStepRegistry([...listStepTypes(parts), ...extraSteps]);
  const stepsOn = (queue: TaskQueue): Partial<StepActivities> =>
    registry.listFor(queue).length === 0 ? {} : createStepActivities(parts, registry);
  return {
    [TASK_QUEUES.control]: {
      ...createRulesActivities(parts),
      ...createLeaseActivities(parts),
      ...createStateActivities(parts),
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
  };
}
