import { randomUUID } from 'node:crypto';
import type {
  WatchActivities,
  WatchEnd,
  WatchReleaseInput,
  WatchResult,
} from '@sluice/temporal-contract';
import { TASK_QUEUES, WORKFLOWS, watchWorkflowId } from '@sluice/temporal-contract';
import type { FaultScenario } from './fault-scenarios.ts';
import { TEST_TENANT } from './workflow-environment.ts';

/** A watch that looks for two shifts and then raises an alarm. */
export const watchScenario: FaultScenario = {
  workflow: 'watchRelease',
  name: 'a watch that raises an alarm',
  state: 'alarmed',
  interrupted: ['alarmed', 'failed'],
  start: async (stage, wrap) => {
    const promotionId = `env-${randomUUID().slice(0, 13)}/1`;
    const { activities, ends } = createFakeWatch();
    stage.watches.set(promotionId, wrap(activities));
    const input: WatchReleaseInput = {
      promotion: { tenantId: TEST_TENANT, promotionId },
      environment: promotionId.split('/')[0] ?? '',
      until: new Date(Date.now() + 600_000).toISOString(),
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    };
    const handle = await stage.client.workflow.start(WORKFLOWS.watchRelease, {
      ...stage.startOptions,
      workflowId: watchWorkflowId(TEST_TENANT, promotionId),
      taskQueue: TASK_QUEUES.control,
      args: [input],
    });
    return {
      handle,
      result: async () => (await handle.result()) as WatchResult,
      cancel: () => handle.cancel(),
      endState: () => ends,
      findViolations: ({ state }) => {
        const [end] = ends;
        return ends.length === 1 && (end === 'alarm') === (state === 'alarmed')
          ? []
          : [`it ended ${state} and was recorded: ${ends.join(', ')}`];
      },
    };
  },
};

/** An end is recorded once, like the real one: repeated it answers the same. */
function createFakeWatch(): {
  readonly activities: WatchActivities;
  readonly ends: readonly string[];
} {
  const ends: string[] = [];
  let shifts = 0;
  let result: WatchResult | undefined;
  return {
    ends,
    activities: {
      lookAtRelease: async (): Promise<WatchEnd> => {
        shifts += 1;
        if (shifts < 3) return { kind: 'again' };
        return { kind: 'alarm', reason: { code: 'watch-probe-failing', message: 'Sick.' } };
      },
      closeWatch: async ({ end }) => {
        if (result !== undefined) return result;
        ends.push(end.kind);
        const reason = 'reason' in end ? end.reason : null;
        result =
          end.kind === 'alarm'
            ? { state: 'alarmed', reason, rollbackId: 'dev/9' }
            : { state: 'failed', reason, rollbackId: null };
        return result;
      },
    },
  };
}
