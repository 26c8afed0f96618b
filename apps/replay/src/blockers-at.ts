import type { PromotionStatus } from '@sluice/temporal-contract';
import type { HistoryEvent } from './command.ts';
import { payloadValues } from './payload-value.ts';
import type { PendingActivity } from './pending-at.ts';

/** One thing without which a promotion did not go on. */
export interface Blocker {
  /** Stable, kebab-case. */
  readonly code: string;
  readonly message: string;
}

/** What a promotion's state at an event is read from. */
export interface BlockerFacts {
  readonly past: readonly HistoryEvent[];
  readonly status: PromotionStatus | null | undefined;
  readonly pending: readonly PendingActivity[];
  readonly isClosed: boolean;
}

/** What kept a promotion from going on: people, the lease, agents, whatever else it had asked for. Empty once it is closed. */
export function readBlockers({
  past,
  status,
  pending,
  isClosed,
}: BlockerFacts): readonly Blocker[] {
  if (isClosed) return [];
  const blockers: Blocker[] = [];
  const approval = status?.approval;
  if (approval?.state === 'waiting') {
    const votes = approval.votes.map(({ personId, decision }) => `${personId} said ${decision}`);
    const so = votes.length === 0 ? 'nobody has decided' : votes.join(', ');
    blockers.push({
      code: 'approval-waiting',
      message: `Round ${approval.round} waits for people until ${approval.deadline}: ${so}.`,
    });
  }
  const queued = status?.state === 'queued' ? lastLeaseAnswer(past) : undefined;
  if (queued?.state === 'queued') {
    blockers.push({
      code: 'lease-held',
      message: `The lease is held by ${queued.holder ?? 'another promotion'}; place ${queued.position ?? '?'} in the queue.`,
    });
  }
  for (const activity of pending) blockers.push(readPendingBlocker(activity));
  return blockers;
}

function readPendingBlocker({ event, activity, step, target, attempt }: PendingActivity): Blocker {
  const isAgents = target !== null && (step !== null || activity === 'revertTarget');
  const what = step === null ? `activity ${activity}` : `step ${step}`;
  const where = target === null ? '' : ` on ${target}`;
  const tries = attempt > 1 ? `, attempt ${attempt}` : '';
  return {
    code: isAgents ? 'target-pending' : 'activity-pending',
    message: `${what.charAt(0).toUpperCase()}${what.slice(1)}${where} has no outcome yet (event ${event}${tries}).`,
  };
}

interface LeaseSeen {
  readonly state?: string;
  readonly holder?: string;
  readonly position?: number;
}

/** What the newest `takeLease` answered. */
function lastLeaseAnswer(past: readonly HistoryEvent[]): LeaseSeen | undefined {
  const asked = new Set(
    past
      .filter(
        ({ activityTaskScheduledEventAttributes: activity }) =>
          activity?.activityType?.name === 'takeLease',
      )
      .map(({ eventId }) => String(eventId)),
  );
  const answer = past.findLast(({ activityTaskCompletedEventAttributes: done }) =>
    asked.has(String(done?.scheduledEventId)),
  );
  const result = answer?.activityTaskCompletedEventAttributes?.result;
  return payloadValues(result?.payloads)[0] as LeaseSeen | undefined;
}
