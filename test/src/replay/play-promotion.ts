import type { PromotionResult } from '@sluice/temporal-contract';
import { environmentLease } from '@sluice/temporal-contract';
import type { WorkflowHandle } from '@temporalio/client';
import type { FakeSettings } from '../workflows/fake-activities.ts';
import { createFakeActivities, holderOf } from '../workflows/fake-activities.ts';
import type { PlayedPromotion } from '../workflows/promotion-stage.ts';
import type { WorkflowEnvironment } from '../workflows/workflow-environment.ts';
import { startPromotion } from '../workflows/workflow-environment.ts';

/** Runs a workflow to one outcome and gives its closed run. */
export type Story = (env: WorkflowEnvironment) => Promise<WorkflowHandle>;

/**
 * A promotion to `dev` over fakes.
 * @param meanwhile what people and other promotions do while it runs; may give the run that ended it instead
 */
export function playPromotion(
  settings: FakeSettings,
  meanwhile: (
    promotion: PlayedPromotion,
    env: WorkflowEnvironment,
  ) => Promise<unknown> = async () => undefined,
): Story {
  return async (env) => {
    const { activities, records } = createFakeActivities(settings);
    return env.withWorkers(activities, async () => {
      const { releaseDigest, kind = 'promote' } = settings.rules;
      const { handle, input } = await startPromotion(env.client, releaseDigest, 'dev', kind);
      const ended = await meanwhile(
        {
          handle,
          input,
          records,
          holder: holderOf(input.promotion),
          resource: environmentLease('dev'),
          result: async () => (await handle.result()) as PromotionResult,
        },
        env,
      );
      const last = isHandle(ended) ? ended : handle;
      await last.result();
      return last;
    });
  };
}

function isHandle(value: unknown): value is WorkflowHandle {
  return typeof (value as WorkflowHandle | undefined)?.fetchHistory === 'function';
}
