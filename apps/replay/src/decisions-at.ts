import type { HistoryEvent } from './command.ts';
import { placeOf } from './command.ts';
import { payloadValues } from './payload-value.ts';

/** One decision about a promotion. */
export interface Decided {
  /** Event that brought it. */
  readonly event: number;
  readonly step: string | null;
  readonly kind: 'gate' | 'approval';
  /** Who decided; absent for a gate. */
  readonly by?: string;
  /** `allow` or `deny` of a gate, `approve` or `reject` of a person. */
  readonly outcome: string;
  /** Code and sentence of a gate that said no, a person's comment; null where there is none. */
  readonly reason: string | null;
}

/** Decisions in these first events of a history, in order: answers of gates, and votes once they are recorded. */
export function readDecisions(past: readonly HistoryEvent[]): readonly Decided[] {
  const scheduled = new Map<string, Scheduled>();
  const decisions: Decided[] = [];
  for (const event of past) {
    const activity = event.activityTaskScheduledEventAttributes;
    if (activity != null) {
      const input = payloadValues(activity.input?.payloads);
      const type = activity.activityType?.name ?? '';
      scheduled.set(String(event.eventId), { type, input });
      continue;
    }
    const completed = event.activityTaskCompletedEventAttributes;
    if (completed == null) continue;
    const of = scheduled.get(String(completed.scheduledEventId));
    if (of === undefined) continue;
    const [result] = payloadValues(completed.result?.payloads);
    const found = readGate(of, result) ?? readVote(of);
    if (found !== undefined) decisions.push({ event: Number(event.eventId), ...found });
  }
  return decisions;
}

interface Scheduled {
  readonly type: string;
  readonly input: readonly unknown[];
}

function readGate({ type, input }: Scheduled, result: unknown): Omit<Decided, 'event'> | undefined {
  const [asked] = input as readonly ({ readonly type?: string } | undefined)[];
  if (type !== 'executeStep' || asked?.type !== 'gate') return undefined;
  const { outcome, reason } = (result ?? {}) as {
    outcome?: string;
    reason?: { code: string; message: string } | null;
  };
  const answer = outcome === 'succeeded' ? 'allow' : 'deny';
  const why = reason == null ? null : [reason.code, reason.message].filter(Boolean).join(': ');
  return { step: placeOf(input).step, kind: 'gate', outcome: answer, reason: why };
}

function readVote({ type, input }: Scheduled): Omit<Decided, 'event'> | undefined {
  if (type !== 'recordApproval') return undefined;
  const [asked] = input as readonly ({ readonly ballot?: Ballot } | undefined)[];
  const { voter, decision = '', comment } = asked?.ballot ?? {};
  const by = voter?.personId ?? voter?.principalId ?? '';
  return {
    step: placeOf(input).step,
    kind: 'approval',
    by,
    outcome: decision,
    reason: comment || null,
  };
}

interface Ballot {
  readonly voter?: { readonly personId?: string; readonly principalId?: string };
  readonly decision?: string;
  readonly comment?: string;
}
