import type { ActivityScope } from '../activity-scope.ts';
import type { ActivityDependencies } from '../dependencies.ts';
import { createStepLog } from '../log/step-log.ts';
import { withStepHeartbeats } from './step-heartbeats.ts';
import type { StepOutput, StepRun } from './step-type.ts';

/** What the frame around every step acts through. */
export type StepFrameParts = Pick<
  ActivityDependencies,
  'pool' | 'evidence' | 'logger' | 'scope' | 'observe'
>;

/** One execution, begun. */
export type BegunRun = Omit<StepRun, 'output'>;

/** Of steps of before pipelines were data: nobody could read it. */
export const NO_OUTPUT: StepOutput = { write: () => undefined, hide: () => undefined };

/** Runs something of a step with heartbeats and a log of its own, which is kept whatever comes of it. */
export async function runLogged<T>(
  { pool, evidence, logger, observe }: StepFrameParts,
  run: BegunRun,
  stream: 'run' | 'compensation',
  work: (run: StepRun) => Promise<T>,
): Promise<T> {
  const { tenantId, promotionId } = run.input.promotion;
  const { stepId, round = 1, member } = run.input;
  const output = createStepLog(
    { pool, evidence, logger, ...(observe === undefined ? {} : { observe }) },
    { tenantId, promotionId, stepId, round, memberKey: member?.key ?? '', stream },
  );
  try {
    return await withStepHeartbeats(run.scope, (scope: ActivityScope) =>
      work({ ...run, scope, output }),
    );
  } finally {
    await output.close();
  }
}
