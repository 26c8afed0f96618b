import { randomUUID } from 'node:crypto';
import type { RunShardInput, ShardResult } from '@sluice/temporal-contract';
import { shardWorkflowId, TASK_QUEUES, WORKFLOWS } from '@sluice/temporal-contract';
import type { PromotionActivities } from './fake-activities.ts';
import { createFakeActivities, succeeded, unsuccessful } from './fake-activities.ts';
import { composeCourseRules, matrix, step } from './fake-course-rules.ts';
import type { FaultScenario } from './fault-scenarios.ts';
import { TEST_TENANT } from './workflow-environment.ts';

const MEMBERS = ['a', 'b', 'c', 'd', 'e', 'f'];
const FAN = step('fan', { matrix: matrix({ failFast: true, maxParallel: 1 }) });

/** A shard of its own, whose fifth member fails, so that the last one never begins. */
export const shardScenario: FaultScenario = {
  workflow: 'runShard',
  name: 'a shard that stops at a failure',
  state: 'counted',
  interrupted: ['counted'],
  start: async (stage, wrap) => {
    const rules = composeCourseRules([FAN]);
    const { activities, records } = createFakeActivities({
      rules,
      members: { fan: MEMBERS },
      steps: {
        fan: async ({ member }) =>
          member?.key === 'e' ? unsuccessful('failed', 'broken') : succeeded('fan'),
      },
    });
    const environment = `env-${randomUUID().slice(0, 13)}`;
    stage.promotions.set(environment, wrap<PromotionActivities>(activities));
    const input: RunShardInput = {
      work: 'execute',
      promotion: { tenantId: TEST_TENANT, promotionId: `${environment}/1` },
      stepId: FAN.id,
      type: FAN.type,
      round: 1,
      from: 0,
      to: MEMBERS.length,
      isOverTargets: false,
      maxParallel: 1,
      failFast: true,
      retry: FAN.retry,
      timeoutSeconds: FAN.timeoutSeconds,
      wants: [],
      releaseDigest: rules.releaseDigest,
      rulesDigest: rules.rulesDigest,
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    };
    const handle = await stage.client.workflow.start(WORKFLOWS.runShard, {
      ...stage.startOptions,
      workflowId: shardWorkflowId(input.promotion, FAN.id, 1, 0),
      taskQueue: TASK_QUEUES.control,
      args: [input],
    });
    return {
      handle,
      result: async () => ({ state: 'counted', ...((await handle.result()) as ShardResult) }),
      cancel: () => handle.cancel(),
      endState: () => Object.fromEntries([...records.members].sort()),
      findViolations: (result) => {
        const { succeeded: good, failed, cancelled, skipped } = result as unknown as ShardResult;
        const counted = good + failed + cancelled + skipped;
        return [
          ...(counted === MEMBERS.length ? [] : [`${counted} members were counted`]),
          ...(records.members.size === MEMBERS.length
            ? []
            : [`only ${records.members.size} members are recorded`]),
        ];
      },
    };
  },
};
