import type { Course, CourseStep } from '@sluice/domain';
import { Schedule } from '@sluice/domain';
import type { CourseState, FrozenRules } from '@sluice/temporal-contract';
import { promotionWorkflowId, TASK_QUEUES, WORKFLOWS } from '@sluice/temporal-contract';
import type { WorkflowHandle } from '@temporalio/client';
import { createFakeActivities, type FakeSettings } from '../workflows/fake-activities.ts';
import { composeCourseRules } from '../workflows/fake-course-rules.ts';
import { TEST_TENANT } from '../workflows/workflow-environment.ts';
import type { Story } from './play-promotion.ts';

/** A run that takes over from one before it. */
export interface ResumedRun {
  readonly steps: readonly CourseStep[];
  /** Of the steps, those that have succeeded before; in the order of their ends. */
  readonly done: readonly string[];
  readonly settings?: Omit<FakeSettings, 'rules'>;
  readonly rules?: Partial<FrozenRules>;
  /** What it takes over besides. */
  readonly state?: Partial<CourseState>;
}

/** The state in which a run leaves a course when these of its steps have succeeded. */
export function stateAfter(steps: Course['steps'], done: readonly string[]): CourseState {
  const schedule = new Schedule(
    steps.map((one) => ({ ...one, compensate: one.compensate === true })),
  );
  for (const id of done) schedule.settle(id, { outcome: 'succeeded' }, schedule.begin(id));
  return {
    schedule: schedule.snapshot(),
    values: {},
    plans: {},
    rounds: {},
    reasons: [],
    fencingToken: null,
    leaseSought: true,
    effectsBegun: false,
    targetsChanged: false,
    leftMs: 3_000_000,
    runs: 1,
  };
}

/** The run after a long one: it begins in the middle, and puts back what those before it did. */
export function playResumed(
  { steps, done, settings, rules: changes, state }: ResumedRun,
  meanwhile: (handle: WorkflowHandle) => Promise<unknown> = async () => undefined,
): Story {
  return async (env) => {
    const rules = composeCourseRules(steps, changes);
    const { activities, records } = createFakeActivities({ ...settings, rules });
    records.setPromotion('running');
    for (const id of done) {
      records.begun.push(id);
      records.settleStep(id, 'running', null);
      records.settleStep(id, 'succeeded', null);
    }
    return env.withWorkers(activities, async () => {
      const promotion = { tenantId: TEST_TENANT, promotionId: 'dev/77' };
      const handle = await env.client.workflow.start(WORKFLOWS.promoteRelease, {
        workflowId: promotionWorkflowId(promotion.tenantId, promotion.promotionId),
        taskQueue: TASK_QUEUES.control,
        args: [
          {
            promotion,
            environment: 'dev',
            releaseDigest: rules.releaseDigest,
            kind: 'promote',
            traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
            resume: { ...stateAfter(steps, done), ...state },
          },
        ],
      });
      await meanwhile(handle);
      await handle.result();
      return handle;
    });
  };
}
