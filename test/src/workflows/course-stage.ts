import type { CourseStep } from '@sluice/domain';
import type {
  ExecuteStepInput,
  FrozenRules,
  PromotionResult,
  PromotionStatus,
  StepResult,
} from '@sluice/temporal-contract';
import { Context } from '@temporalio/activity';
import type { FakeSettings } from './fake-activities.ts';
import { succeeded, unsuccessful } from './fake-activities.ts';
import { composeCourseRules } from './fake-course-rules.ts';
import type { FakeRecords } from './fake-records.ts';
import type { PlayedPromotion, PromotionStage } from './promotion-stage.ts';

/** What a course came to. */
export interface PlayedCourse {
  readonly result: PromotionResult;
  readonly records: FakeRecords;
  readonly status: PromotionStatus;
  /** State and code of each step: `skipped if-false`. */
  readonly steps: Readonly<Record<string, string>>;
}

/** What a test says of a course beside its steps. */
export type CourseSettings = Omit<FakeSettings, 'rules'> & {
  readonly rules?: Partial<FrozenRules> & { readonly failFast?: boolean };
  /** What people do meanwhile. */
  readonly meanwhile?: (promotion: PlayedPromotion) => Promise<unknown>;
};

/** Runs a course to its sealed end. */
export async function playCourse(
  stage: PromotionStage,
  steps: readonly CourseStep[],
  { rules, meanwhile, ...settings }: CourseSettings = {},
): Promise<PlayedCourse> {
  const played = await stage.start({ rules: composeCourseRules(steps, rules), ...settings });
  await meanwhile?.(played);
  const result = await played.result();
  const status = await played.handle.query<PromotionStatus>('promotionStatus');
  const { records } = played;
  const told = [...records.stepStates].map(([id, state]) => {
    const code = records.stepReasons.get(id);
    return [id, code === undefined ? state : `${state} ${code}`] as const;
  });
  return { result, records, status, steps: Object.fromEntries(told) };
}

/** A step that fails. */
export const fails = async (): Promise<StepResult> => unsuccessful('failed', 'broken');

/** A gate that says no. */
export const denies = async (): Promise<StepResult> => unsuccessful('denied', 'not-allowed');

/** A step that gives typed values. */
export const gives =
  (values: NonNullable<StepResult['values']>) => async (): Promise<StepResult> => ({
    ...succeeded('values'),
    values,
  });

/** A step that takes its time. */
export const takes =
  (ms: number) =>
  async ({ stepId }: ExecuteStepInput): Promise<StepResult> => {
    await new Promise((resolve) => setTimeout(resolve, ms));
    return succeeded(stepId);
  };

/** A step that runs until it is cancelled. */
export const hangs =
  (reach: () => void = () => undefined) =>
  async (): Promise<StepResult> => {
    const context = Context.current();
    const timer = setInterval(() => context.heartbeat(), 100);
    reach();
    try {
      return await context.cancelled;
    } finally {
      clearInterval(timer);
    }
  };

/** Somebody cancels. */
export function cancel({ handle }: PlayedPromotion): Promise<void> {
  return handle.signal('cancelPromotion', { requestedBy: 'principal:mia', reason: 'a test' });
}
