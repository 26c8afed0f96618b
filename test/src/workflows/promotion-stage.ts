import { randomUUID } from 'node:crypto';
import type {
  DecideApprovalInput,
  DecideApprovalResult,
  PromoteReleaseInput,
  PromotionResult,
  Reason,
} from '@sluice/temporal-contract';
import {
  environmentLease,
  PROMOTION_MESSAGES,
  settlementWorkflowId,
  TASK_QUEUES,
  WORKFLOWS,
} from '@sluice/temporal-contract';
import type { Client, WorkflowHandle } from '@temporalio/client';
import { bundleSources } from './bundle-workflows.ts';
import type { FakeSettings, PromotionActivities } from './fake-activities.ts';
import { createFakeActivities, holderOf } from './fake-activities.ts';
import type { FakeRecords } from './fake-records.ts';
import { routeByEnvironment } from './route-by-environment.ts';
import { pause, until } from './waiting.ts';
import type { WorkflowEnvironment } from './workflow-environment.ts';
import { openWorkflowEnvironment, startPromotion } from './workflow-environment.ts';

/** A promotion that runs over fakes of its own. */
export interface PlayedPromotion {
  readonly handle: WorkflowHandle;
  readonly input: PromoteReleaseInput;
  readonly records: FakeRecords;
  /** As the lease knows it. */
  readonly holder: string;
  readonly resource: string;
  result(): Promise<PromotionResult>;
}

/** One set of workers for all promotions of a suite. */
export interface PromotionStage {
  /** @param wrap changes the activities, for faults */
  start(
    settings: FakeSettings,
    wrap?: (activities: PromotionActivities) => PromotionActivities,
  ): Promise<PlayedPromotion>;
  /** Starts the settlement of a promotion, over the fakes of that one. */
  settle(promotion: PlayedPromotion, reason: Reason): Promise<WorkflowHandle>;
  close(): Promise<void>;
}

/** Connects to the dev server of the test run and starts workers that serve until the stage is closed. */
export async function openPromotionStage(): Promise<PromotionStage> {
  const env = await openWorkflowEnvironment(await bundleSources());
  return createPromotionStage(env);
}

/**
 * A {@link PromotionStage} in an environment that is there; closing it closes that.
 * @param served its workers start then
 */
export function createPromotionStage(
  env: WorkflowEnvironment,
  served: Promise<void> = Promise.resolve(),
): PromotionStage {
  const routes = new Map<string, PromotionActivities>();
  let end = (): void => undefined;
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  const working = served.then(() => env.withWorkers(routeByEnvironment(routes), () => ended));
  return {
    start: async (settings, wrap = (activities) => activities) => {
      const { activities, records } = createFakeActivities(settings);
      const environment = `env-${randomUUID().slice(0, 13)}`;
      routes.set(environment, wrap(activities));
      const { releaseDigest, kind = 'promote' } = settings.rules;
      const { handle, input } = await startPromotion(env.client, releaseDigest, environment, kind);
      return {
        handle,
        input,
        records,
        holder: holderOf(input.promotion),
        resource: environmentLease(environment),
        result: async () => (await handle.result()) as PromotionResult,
      };
    },
    settle: ({ input }, reason) => startSettlement(env.client, input, reason),
    close: async () => {
      end();
      await working;
      await env.close();
    },
  };
}

/** Starts the settlement of a promotion as the watchdog does. */
export function startSettlement(
  client: Client,
  input: PromoteReleaseInput,
  reason: Reason,
): Promise<WorkflowHandle> {
  const { tenantId, promotionId } = input.promotion;
  return client.workflow.start(WORKFLOWS.settlePromotion, {
    workflowId: settlementWorkflowId(tenantId, promotionId),
    taskQueue: TASK_QUEUES.control,
    args: [{ ...input, reason }],
  });
}

/** Waits until people are asked, in this round. */
export async function untilAsked({ records }: PlayedPromotion, round = 1): Promise<void> {
  await until(() => records.approvals.requests.get(round)?.state === 'waiting');
  // The row is there a moment before the workflow knows it; a vote may come in between, but not in every test.
  await pause(100);
}

/** What an eligible person says to the newest request, with what a test changes. */
export function ballotFor(
  { input, records }: PlayedPromotion,
  changes: Partial<DecideApprovalInput> & { readonly person?: string } = {},
): DecideApprovalInput {
  const { person = 'otto', ...rest } = changes;
  const newest = [...records.approvals.requests.values()].at(-1);
  return {
    approvalId: `${person}/${randomUUID()}`,
    voter: { principalId: person, personId: person, kind: 'person', role: 'approver' },
    decision: 'approve',
    comment: 'looks good',
    releaseDigest: input.releaseDigest,
    planDigest: newest?.planDigest ?? '',
    ...rest,
  };
}

/** Sends a real Update; its id is the approval's. */
export function decide(
  { handle }: PlayedPromotion,
  ballot: DecideApprovalInput,
): Promise<DecideApprovalResult> {
  return handle.executeUpdate<DecideApprovalResult, [DecideApprovalInput]>(
    PROMOTION_MESSAGES.decideApproval,
    { args: [ballot], updateId: ballot.approvalId },
  );
}

/** The code that refused an Update, or what it answered. */
export async function answerOf(deciding: Promise<DecideApprovalResult>): Promise<string> {
  try {
    return (await deciding).state;
  } catch (error) {
    const { cause, name } = error as { cause?: { type?: string }; name?: string };
    return cause?.type ?? name ?? 'no answer';
  }
}
