import { LEASED_STEPS, PROMOTION_MESSAGES } from '@sluice/temporal-contract';
import type { Payload, PayloadCodec } from '@temporalio/common';
import type { temporal } from '@temporalio/proto';
import { consequenceOf } from './reset-consequences.ts';

type HistoryEvent = temporal.api.history.v1.IHistoryEvent;

/** Activities beside deployments that do something to a target, or to a router. */
const TOUCHING: ReadonlySet<string> = new Set(['revertTarget', 'routeTraffic']);

/** A history as far as a reset looks at it. */
export type ResettableHistory = Pick<temporal.api.history.v1.IHistory, 'events'>;

/** One activity that is run again after a reset. */
export interface ResetEffect {
  /** Number of the event that scheduled it. */
  readonly event: number;
  readonly activity: string;
  /** The step's id and target; null for what belongs to none, and where the input can't be read. */
  readonly step: string | null;
  readonly target: string | null;
  /** What a second run does; one line. */
  readonly consequence: string;
}

/** What a reset to an event would do. */
export interface ResetPreview {
  /** Where the run goes on: the end of a workflow task. */
  readonly event: number;
  /** Newest event of the run. */
  readonly lastEvent: number;
  /** Ends of workflow tasks, ascending; the newest {@link MAX_POSSIBLE_EVENTS}. */
  readonly possibleEvents: readonly number[];
  readonly runsAgain: readonly ResetEffect[];
  readonly warnings: readonly { readonly code: string; readonly message: string }[];
}

/** `reset-impossible` where the event asked for has no end of a workflow task at or before it, or is not in the history. */
export type ResetAnswer =
  | { readonly ok: true; readonly preview: ResetPreview }
  | { readonly ok: false; readonly code: 'reset-impossible'; readonly message: string };

/** So many possible events are named. */
export const MAX_POSSIBLE_EVENTS = 200;

/** How a history is read. */
export interface PreviewOptions {
  /** Number of an event; absent: the last workflow task that ended well. */
  readonly event?: number | undefined;
  /** Opens the inputs of activities; absent where they are readable as they stand. */
  readonly codec?: PayloadCodec | undefined;
  /** Picks the codec's key. */
  readonly workflowId: string;
}

/**
 * Says what a reset would do, from the run's history alone. The engine keeps what stands before the end of that workflow task and
 * drops the rest: commands of that task and of later ones are made again, and so is what was under way. Signals and
 * accepted Updates that came later are given to the new run.
 */
export async function previewReset(
  history: ResettableHistory,
  { event, codec, workflowId }: PreviewOptions,
): Promise<ResetAnswer> {
  const events = history.events ?? [];
  const lastEvent = numberOf(events.at(-1)?.eventId);
  const ends = events
    .filter(({ workflowTaskCompletedEventAttributes: end }) => end != null)
    .map(({ eventId }) => numberOf(eventId));
  const asked = event ?? lastEvent;
  const at = asked > lastEvent ? undefined : ends.findLast((end) => end <= asked);
  if (at === undefined) return impossible(asked, lastEvent, ends);
  const again = await Promise.all(
    activitiesAgain(events, at).map((one) => effectOf(one, codec, workflowId)),
  );
  const preview = {
    event: at,
    lastEvent,
    possibleEvents: ends.slice(-MAX_POSSIBLE_EVENTS),
    runsAgain: again.map(({ effect }) => effect),
    warnings: warningsOf(
      events.filter(({ eventId }) => numberOf(eventId) >= at),
      again.some(({ touchesTarget }) => touchesTarget),
    ),
  };
  return { ok: true, preview };
}

function impossible(asked: number, lastEvent: number, ends: readonly number[]): ResetAnswer {
  const [first] = ends;
  const message =
    first === undefined
      ? 'No workflow task of this run has ended well yet, so there is nothing to go back to; wait for a worker, or cancel.'
      : `Event ${asked} is no place to go back to; name one from ${first}, where the first workflow task ended, to ${lastEvent}, the newest.`;
  return { ok: false, code: 'reset-impossible', message };
}

/** Activities whose schedule, or whose end, is dropped. */
function activitiesAgain(events: readonly HistoryEvent[], at: number): readonly HistoryEvent[] {
  // The end of the workflow task itself is dropped too; its start stays.
  const ended = new Set(
    events.filter(({ eventId }) => numberOf(eventId) < at).map(scheduledEventOfEnd),
  );
  return events.filter(
    ({ eventId, activityTaskScheduledEventAttributes: scheduled }) =>
      scheduled != null && !ended.has(numberOf(eventId)),
  );
}

function scheduledEventOfEnd(event: HistoryEvent): number | undefined {
  const end =
    event.activityTaskCompletedEventAttributes ??
    event.activityTaskFailedEventAttributes ??
    event.activityTaskTimedOutEventAttributes ??
    event.activityTaskCanceledEventAttributes;
  return end == null ? undefined : numberOf(end.scheduledEventId);
}

async function effectOf(
  { eventId, activityTaskScheduledEventAttributes: scheduled }: HistoryEvent,
  codec: PayloadCodec | undefined,
  workflowId: string,
): Promise<{ readonly effect: ResetEffect; readonly touchesTarget: boolean }> {
  const activity = scheduled?.activityType?.name ?? '';
  const input = await readInput(scheduled?.input?.payloads?.[0], codec, workflowId);
  const type = activity === 'executeStep' ? (textIn(input, 'type') ?? 'unknown') : undefined;
  const effect = {
    event: numberOf(eventId),
    activity,
    step: textIn(input, 'stepId') ?? null,
    target: textIn(input, 'target') ?? null,
    consequence: consequenceOf(activity, type),
  };
  return { effect, touchesTarget: TOUCHING.has(activity) || LEASED_STEPS.has(type ?? '') };
}

/** An input that can't be read hides step and target only: the preview must be there exactly when something is broken. */
async function readInput(
  payload: Payload | null | undefined,
  codec: PayloadCodec | undefined,
  workflowId: string,
): Promise<unknown> {
  if (payload == null) return undefined;
  try {
    const context = { type: 'workflow', namespace: '', workflowId } as const;
    const [plain] = codec === undefined ? [payload] : await codec.decode([payload], context);
    return JSON.parse(Buffer.from(plain?.data ?? []).toString('utf8'));
  } catch {
    return undefined;
  }
}

function textIn(input: unknown, field: string): string | undefined {
  if (typeof input !== 'object' || input === null || !Object.hasOwn(input, field)) return undefined;
  const value = (input as Readonly<Record<string, unknown>>)[field];
  return typeof value === 'string' ? value : undefined;
}

type Warning = ResetPreview['warnings'][number];

const SIGNAL_WARNINGS: Readonly<Record<string, Warning>> = {
  [PROMOTION_MESSAGES.cancelPromotion]: {
    code: 'cancel-stands',
    message: 'It was asked to cancel after this event: the new run is told so too, and cancels.',
  },
  [PROMOTION_MESSAGES.supersedePromotion]: {
    code: 'superseded',
    message:
      'A rollback took its lease after this event: the new run is told so too, and ends without touching a target.',
  },
};

function warningsOf(dropped: readonly HistoryEvent[], touchesTarget: boolean): readonly Warning[] {
  const signals = new Set(
    dropped.map((event) => event.workflowExecutionSignaledEventAttributes?.signalName ?? ''),
  );
  const has = (is: (event: HistoryEvent) => unknown): boolean =>
    dropped.some((event) => is(event) != null);
  const found: readonly (Warning | undefined | false)[] = [
    ...Object.entries(SIGNAL_WARNINGS).map(([name, warning]) => signals.has(name) && warning),
    has((event) => event.workflowExecutionUpdateAcceptedEventAttributes) && {
      code: 'decisions-stand',
      message:
        'Decisions that people gave after this event stand: the new run is given them again.',
    },
    touchesTarget && {
      code: 'targets-touched',
      message:
        'Targets may have been changed after this event: they stay as they are until its step runs again.',
    },
    dropped.some(isCompensation) && {
      code: 'put-back-stands',
      message:
        'Steps were put back after this event: they stay so, and count as done in the new run. Promote again instead.',
    },
    has((event) => event.timerStartedEventAttributes) && {
      code: 'deadlines-anew',
      message:
        'Waits and deadlines that began after this event begin again, counted from the reset.',
    },
    has(closeOf) && {
      code: 'run-closed',
      message:
        'The run has closed: where the watchdog has begun to settle the promotion, whichever seals it first counts.',
    },
  ];
  return found.filter((warning) => warning !== undefined && warning !== false);
}

function isCompensation({ activityTaskScheduledEventAttributes: one }: HistoryEvent): boolean {
  return one?.activityType?.name === 'compensateStep';
}

function closeOf(event: HistoryEvent): unknown {
  return (
    event.workflowExecutionCompletedEventAttributes ??
    event.workflowExecutionFailedEventAttributes ??
    event.workflowExecutionTimedOutEventAttributes ??
    event.workflowExecutionCanceledEventAttributes ??
    event.workflowExecutionTerminatedEventAttributes
  );
}

/** The engine's numbers are 64 bits wide; those of events are small. */
function numberOf(value: { toString(): string } | number | null | undefined): number {
  return value == null ? 0 : Number(value.toString());
}
