import type { CourseStep } from '@sluice/domain';
import type { PromotionResult } from '@sluice/temporal-contract';
import { promotionWorkflowId, WORKFLOWS } from '@sluice/temporal-contract';
import type { WorkflowBundle } from '@temporalio/worker';
import type { CourseSettings } from './course-stage.ts';
import { createFakeActivities } from './fake-activities.ts';
import { composeCourseRules } from './fake-course-rules.ts';
import type { FakeRecords } from './fake-records.ts';
import { openInMemoryEngine } from './in-memory-engine.ts';
import type { Activities, EndedRun, RunningWorkflow } from './in-memory-types.ts';
import { TEST_TENANT } from './workflow-environment.ts';

/** What a course came to that took no time. */
export interface QuickCourse {
  readonly result: PromotionResult;
  readonly records: FakeRecords;
  readonly runs: readonly EndedRun[];
  /** State and code of each step. */
  readonly steps: Readonly<Record<string, string>>;
}

/** Plays a course on an engine whose clock is set forward whenever nothing else is left to do. */
export async function playQuickly(
  bundle: WorkflowBundle,
  steps: readonly CourseStep[],
  {
    rules: changes,
    meanwhile,
    ...settings
  }: Omit<CourseSettings, 'meanwhile'> & {
    readonly meanwhile?: (running: RunningWorkflow, records: FakeRecords) => void;
  } = {},
): Promise<QuickCourse> {
  const rules = composeCourseRules(steps, changes);
  const { activities, records } = createFakeActivities({ rules, ...settings });
  const engine = await openInMemoryEngine(bundle, activities as unknown as Activities);
  const promotion = { tenantId: TEST_TENANT, promotionId: 'dev/1' };
  const input = {
    promotion,
    environment: 'dev',
    releaseDigest: rules.releaseDigest,
    kind: 'promote',
    traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  };
  try {
    const { result, runs } = await engine.execute(
      WORKFLOWS.promoteRelease,
      promotionWorkflowId(promotion.tenantId, promotion.promotionId),
      input,
      (running) => meanwhile?.(running, records),
    );
    const told = [...records.stepStates].map(([id, state]) => {
      const code = records.stepReasons.get(id);
      return [id, code === undefined ? state : `${state} ${code}`] as const;
    });
    return { result: result as PromotionResult, records, runs, steps: Object.fromEntries(told) };
  } finally {
    await engine.close();
  }
}
