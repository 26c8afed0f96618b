import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Stack } from '@sluice/infra';
import { decide, readApprovals, rollBack } from '../deciders.ts';
import { type PromotionAnswer, REQUEST_PROMOTION } from '../documents.ts';
import type { Answered, StackClient } from '../stack-client.ts';
import type { StoryName } from './kill-cases.ts';

/** Where a story is told. */
export interface Stage {
  readonly stack: Stack;
  readonly environment: string;
  readonly target: string;
  readonly manager: StackClient;
  readonly approver: StackClient;
  readonly admin: StackClient;
  /** Digests by what becomes of them. */
  readonly releases: {
    readonly good: string;
    readonly better: string;
    readonly leaking: string;
    readonly unverifiable: string;
  };
}

/** How a story ends when nothing disturbs it. */
export const ENDINGS: Readonly<Record<StoryName, readonly string[]>> = {
  approved: ['SUCCEEDED'],
  rejected: ['DENIED'],
  denied: ['DENIED'],
  reverted: ['REVERTED'],
  // The cancellation may come when all is done.
  cancelled: ['CANCELLED', 'SUCCEEDED'],
  'rolled-back': ['SUCCEEDED'],
};

/** Begins a story; gives its promotion. Repeats what a killed process left unanswered, with one key. */
export async function beginStory(stage: Stage, story: StoryName): Promise<string> {
  const { environment, admin, releases } = stage;
  const idempotencyKey = randomUUID();
  if (story === 'rolled-back') {
    const answer = await rollBack(admin, {
      environment,
      to: 'RELEASE',
      release: (await runs(stage)) === releases.good ? releases.better : releases.good,
      idempotencyKey,
    });
    if (!('id' in answer)) throw new Error(`No rollback: ${JSON.stringify(answer)}`);
    return answer.id;
  }
  const release =
    story === 'denied'
      ? releases.leaking
      : story === 'reverted'
        ? releases.unverifiable
        : (await runs(stage)) === releases.good
          ? releases.better
          : releases.good;
  const { requestPromotion } = await stage.manager.ask<{
    requestPromotion: Answered<{ readonly id: string }>;
  }>(REQUEST_PROMOTION, { input: { release, environment, idempotencyKey } });
  if (!('id' in requestPromotion)) throw new Error(JSON.stringify(requestPromotion));
  return requestPromotion.id;
}

async function runs({ manager, target }: Stage): Promise<string | undefined> {
  return (await manager.target(target)).currentRelease?.id;
}

/** Plays the people of a story until its promotion is sealed. */
export async function endStory(
  stage: Stage,
  story: StoryName,
  id: string,
): Promise<PromotionAnswer> {
  if (story === 'cancelled') await cancelWhenDeploying(stage, id);
  else if (story !== 'denied' && story !== 'rolled-back') await decideWhenAsked(stage, story, id);
  return stage.manager.untilSealed(id, 300);
}

async function cancelWhenDeploying({ manager, approver }: Stage, id: string): Promise<void> {
  await decideUntilCounted(approver, manager, id, 'APPROVE');
  await manager.untilPromotion(
    id,
    'deploys or has ended',
    ({ deployments, endedAt }) =>
      endedAt !== null || deployments.some(({ state }) => state !== 'PLANNED'),
    300,
  );
  await manager.cancel(id);
}

async function decideWhenAsked(
  { approver, manager }: Stage,
  story: StoryName,
  id: string,
): Promise<void> {
  await decideUntilCounted(approver, manager, id, story === 'rejected' ? 'REJECT' : 'APPROVE');
}

/** Long: all this time the process that must answer is killed again and again. */
const DECIDE_MS = 300_000;

/** The same key until it is answered: whatever dies meanwhile, it counts once. */
async function decideUntilCounted(
  approver: StackClient,
  manager: StackClient,
  id: string,
  decision: 'APPROVE' | 'REJECT',
): Promise<void> {
  const idempotencyKey = randomUUID();
  const deadline = Date.now() + DECIDE_MS;
  while (Date.now() < deadline) {
    const { endedAt } = await manager.glance(id);
    if (endedAt !== null) return;
    const { approval } = await readApprovals(approver, id);
    if (approval !== null) {
      const answer = await decide(approver, id, { decision, idempotencyKey }).catch(
        () => undefined,
      );
      if (answer?.__typename === 'ApprovalRequest') return;
    }
    await sleep(250);
  }
  throw new Error(`Nobody could decide on ${id}.`);
}
