import { resolve } from 'node:path';
import { printable } from '@sluice/pure';
import { eventTypeOf, type HistoryEvent, placeOf } from './command.ts';
import { findMismatch } from './first-mismatch.ts';
import { readHistory } from './history-replayer.ts';
import { payloadValues } from './payload-value.ts';
import { outcomeOf } from './pending-at.ts';
import type { Activation, PauseEvent } from './probe.ts';
import { readCommandEvent } from './recorded-commands.ts';
import { openReplayWorker } from './replay-worker.ts';
import { describeMismatch } from './run-text.ts';
import { shortName } from './text.ts';
import { readKeys, type ToolIo } from './tool-io.ts';
import { OWN_BUNDLE, readWorkflowBundle } from './workflow-bundle.ts';

/** Options of `inspect`. */
export interface InspectCommand {
  readonly input: string;
  readonly key: string | undefined;
  readonly bundle: string | undefined;
}

/**
 * Replays one history so that a debugger stops after each workflow task, and prints a line per event. Without a debugger it
 * runs through.
 * @returns 0 when it fits, otherwise 1
 */
export async function inspectCommand(command: InspectCommand, io: ToolIo): Promise<number> {
  const keys = await readKeys(command.key);
  const bundle = await readWorkflowBundle(resolve(command.bundle ?? OWN_BUNDLE));
  const { head, history } = await readHistory(command.input, keys);
  const events = describeEvents(history.events ?? []);
  let shown = 0;
  const showUntil = (last: number): void => {
    for (const { event, eventType, what } of events.slice(shown, last)) {
      io.out(`${String(event).padStart(5)}  ${eventType}${what === '' ? '' : `  ${what}`}\n`);
    }
    shown = Math.max(shown, last);
  };
  /** The next task begins here: what it is about to learn is shown before the debugger stops in it. */
  const nextTask = (after: number): number =>
    (history.events ?? []).findIndex(
      ({ eventId, workflowTaskStartedEventAttributes: task }) =>
        task != null && Number(eventId) > after,
    ) + 1 || events.length;
  let last: Activation | undefined;
  const onActivation = (activation: Activation): void => {
    if (activation.event !== last?.event) io.out(`       ${describeState(activation)}\n`);
    last = activation;
    showUntil(nextTask(activation.event));
  };
  io.out(`${shortName(head.workflowId)}, run ${printable(head.runId)}: ${events.length} events.\n`);
  io.out('The debugger stops after each workflow task: see state, steps, event and what.\n');
  showUntil(nextTask(0));
  const worker = openReplayWorker(bundle.code, { watch: 'sources', pauseAt: events, onActivation });
  try {
    const replayed = await worker.replay(history, head.workflowId);
    if (replayed.problem === undefined) {
      showUntil(events.length);
      io.out('It fits: the code did what was recorded.\n');
      return 0;
    }
    const mismatch = findMismatch(history, replayed, bundle.sources);
    io.out('It does not fit:\n');
    for (const [name, text] of describeMismatch({ ...mismatch, brokenBy: 'unknown' })) {
      if (name !== 'broken by') io.out(`  ${name.padEnd(10)}${text}\n`);
    }
    return 1;
  } finally {
    await worker.close();
  }
}

function describeState({ status, commands }: Activation): string {
  const asked = `${commands.length} command${commands.length === 1 ? '' : 's'}`;
  if (status === null) return `→ ${asked}`;
  const steps = status.steps.map(({ id, state }) => `${id} ${state}`).join(', ');
  return printable(`→ ${status.state}${steps === '' ? '' : `: ${steps}`}; ${asked}`);
}

/** One line of what each event is about. */
function describeEvents(events: readonly HistoryEvent[]): readonly PauseEvent[] {
  const about = new Map<string, string>();
  return events.map((event) => {
    const id = String(event.eventId);
    const scheduled = event.activityTaskScheduledEventAttributes;
    if (scheduled != null) {
      const { step, target } = placeOf(payloadValues(scheduled.input?.payloads));
      const words = [scheduled.activityType?.name, step, target].filter((word) => word != null);
      about.set(id, printable(words.join(' ')));
    }
    const of = outcomeOf(event) ?? event.activityTaskStartedEventAttributes;
    const signal = event.workflowExecutionSignaledEventAttributes?.signalName ?? '';
    const update =
      event.workflowExecutionUpdateAcceptedEventAttributes?.acceptedRequest?.input?.name;
    const what = about.get(of == null ? id : String(of.scheduledEventId)) ?? update ?? signal;
    const eventType = eventTypeOf(event);
    const isCause =
      !eventType.startsWith('WorkflowTask') && readCommandEvent(event, new Map()) === undefined;
    return { event: Number(id), eventType, what: printable(what), isCause };
  });
}
