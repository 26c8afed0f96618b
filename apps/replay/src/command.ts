import type { ReadHistory } from '@sluice/temporal-client';
import proto from '@temporalio/proto';

/** One event of a history. */
export type HistoryEvent = NonNullable<ReadHistory['history']['events']>[number];

/** A command as the SDK's workflow runtime writes it. */
export type ProtoCommand = proto.coresdk.workflow_commands.IWorkflowCommand;

/** What a workflow can ask of the engine, as far as replay compares it. */
export type CommandKind =
  | 'activity'
  | 'cancel-activity'
  | 'timer'
  | 'cancel-timer'
  | 'search-attributes'
  | 'memo'
  | 'patch'
  | 'local-activity'
  | 'child-workflow'
  | 'signal-workflow'
  | 'cancel-workflow'
  | 'update-accepted'
  | 'update-completed'
  | 'complete'
  | 'fail'
  | 'cancel'
  | 'continue-as-new'
  | 'other';

/** One thing that a workflow asked of the engine: as a history's event tells it, or as the code gave it when replayed. */
export interface Command {
  readonly kind: CommandKind;
  /** Activity type, workflow type, patch or update: what replay compares beside the kind. Empty where there is none. */
  readonly name: string;
  /** Tells commands of a kind apart within one run: the number by which a cancellation names what it cancels. */
  readonly id: string;
  /** Arguments or results, decoded. */
  readonly input: readonly unknown[];
  /** Of a timer. Seconds. */
  readonly seconds: number | null;
  /** Of an activity. */
  readonly taskQueue: string | null;
  /** Step of the pipeline that its arguments name. */
  readonly step: string | null;
  readonly target: string | null;
  /** Number of the history's event; null for what code gave. */
  readonly event: number | null;
  /** Stack of the code that gave it; empty for what a history tells. */
  readonly stack: string;
}

/** A command of which only the kind is known yet. */
export const BARE: Command = {
  kind: 'other',
  name: '',
  id: '',
  input: [],
  seconds: null,
  taskQueue: null,
  step: null,
  target: null,
  event: null,
  stack: '',
};

/** The first argument's step and target, where an activity of ours names them. */
export function placeOf(input: readonly unknown[]): Pick<Command, 'step' | 'target'> {
  const first = input[0];
  if (typeof first !== 'object' || first === null) return { step: null, target: null };
  const { stepId, target } = first as { stepId?: unknown; target?: unknown };
  return {
    step: typeof stepId === 'string' ? stepId : null,
    target: typeof target === 'string' ? target : null,
  };
}

/** Whether replay takes two commands for the same: it looks at kind and name, not at arguments or durations. */
export function isSameCommand(a: Command, b: Command): boolean {
  return a.kind === b.kind && a.name === b.name;
}

const WORDS: Readonly<Record<CommandKind, string>> = {
  activity: 'activity',
  'cancel-activity': 'cancellation of an activity',
  timer: 'timer',
  'cancel-timer': 'cancellation of a timer',
  'search-attributes': 'search attributes',
  memo: 'memo',
  patch: 'patch',
  'local-activity': 'local activity',
  'child-workflow': 'child workflow',
  'signal-workflow': 'signal to a workflow',
  'cancel-workflow': 'cancellation of a workflow',
  'update-accepted': 'acceptance of update',
  'update-completed': 'answer of update',
  complete: 'completion of the workflow',
  fail: 'failure of the workflow',
  cancel: 'end of the workflow as cancelled',
  'continue-as-new': 'continuation as a new run',
  other: 'command',
};

/** A command in words; what stands where there is none is `nothing`. */
export function describeCommand(command: Command | undefined): string {
  if (command === undefined) return 'nothing';
  const { kind, name, seconds, step, target } = command;
  const words = [WORDS[kind], name].filter((word) => word !== '').join(' ');
  if (seconds !== null) return `${words} of ${seconds} s`;
  const place = [step === null ? '' : `step ${step}`, target === null ? '' : `on ${target}`];
  const where = place.filter((word) => word !== '').join(' ');
  return where === '' ? words : `${words} (${where})`;
}

/** `ActivityTaskScheduled` for an event of type EVENT_TYPE_ACTIVITY_TASK_SCHEDULED. */
export function eventTypeOf({ eventType }: HistoryEvent): string {
  const name = proto.temporal.api.enums.v1.EventType[eventType ?? 0] ?? 'EVENT_TYPE_UNSPECIFIED';
  return name
    .replace(/^EVENT_TYPE_/, '')
    .split('_')
    .map((word) => word.charAt(0) + word.slice(1).toLowerCase())
    .join('');
}
