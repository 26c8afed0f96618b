import type { ReadHistory } from '@sluice/temporal-client';
import { type Command, describeCommand, eventTypeOf, isSameCommand } from './command.ts';
import type { Mismatch } from './replay-result.ts';
import type { Replayed } from './replay-worker.ts';
import type { SourceFinder } from './source-position.ts';
import { pairTasks, type TaskPair } from './task-pairs.ts';

/** Where code and history part, before anybody looked for the build that brought it. */
export type FoundMismatch = Omit<Mismatch, 'brokenBy'>;

/** Longest part of what the engine's library says. Characters. */
const MAX_MESSAGE = 600;

/** Finds where a replay that did not fit went another way. The replay must have watched with sources. */
export function findMismatch(
  history: ReadHistory['history'],
  replayed: Replayed,
  sources: SourceFinder,
): FoundMismatch {
  const text = replayed.problem?.text ?? '';
  const pairs = pairTasks(history, replayed.activations);
  for (const pair of pairs) {
    const found = partingOf(pair);
    if (found === undefined) continue;
    const { expected, actual, thrown } = found;
    const event = expected?.event ?? found.event;
    // A failure that was encoded says nothing; what was thrown does.
    const said = thrown === null ? text : thrown.message;
    const [source = null, ...callers] = sources.placesOf(thrown?.stack ?? actual?.stack ?? '');
    return {
      event,
      eventType: typeAt(history, event),
      expected: describeCommand(expected),
      actual: thrown === null ? describeCommand(actual) : `an error: ${thrown.message}`,
      step: actual?.step ?? expected?.step ?? onlyOpenStep(pair),
      target: actual?.target ?? expected?.target ?? null,
      source,
      callers,
      message: cut(said),
    };
  }
  return unseen(history, pairs, cut(text));
}

interface Parting {
  readonly expected: Command | undefined;
  readonly actual: Command | undefined;
  /** Where there is no expected command: the event that stands there. */
  readonly event: number;
  readonly thrown: TaskPair['thrown'];
}

function partingOf({ recorded, made, thrown }: TaskPair): Parting | undefined {
  const { commands, completed } = recorded;
  const last = commands.at(-1)?.event ?? completed;
  const length = Math.max(commands.length, made.length);
  for (let at = 0; at < length; at += 1) {
    const expected = commands[at];
    const actual = made[at];
    if (expected !== undefined && actual !== undefined && isSameCommand(expected, actual)) continue;
    return { expected, actual, event: last + 1, thrown: actual === undefined ? thrown : null };
  }
  return thrown === null
    ? undefined
    : { expected: undefined, actual: undefined, event: completed, thrown };
}

/** Of commands that name no step, such as the lease's: the step that was under way, where it was the only one. */
function onlyOpenStep({ status }: TaskPair): string | null {
  const open = (status?.steps ?? []).filter(
    ({ state }) => state === 'running' || state === 'waiting',
  );
  const [step] = open;
  return step !== undefined && open.length === 1 ? step.id : null;
}

function cut(text: string): string {
  return text.length > MAX_MESSAGE ? `${text.slice(0, MAX_MESSAGE)}…` : text;
}

/** Differs in something that the comparison above does not see, or before the first task: all there is is the message. */
function unseen(
  history: ReadHistory['history'],
  pairs: readonly TaskPair[],
  message: string,
): FoundMismatch {
  const last = pairs.at(-1)?.recorded;
  const named = /\bevent (\d+)/.exec(message)?.[1];
  const event = named === undefined ? (last?.completed ?? 1) : Number(named);
  const expected = pairs
    .flatMap(({ recorded }) => recorded.commands)
    .find((command) => command.event === event);
  return {
    event,
    eventType: typeAt(history, event),
    expected: expected === undefined ? typeAt(history, event) : describeCommand(expected),
    actual: message.split('\n')[0] ?? '',
    step: expected?.step ?? null,
    target: expected?.target ?? null,
    source: null,
    callers: [],
    message,
  };
}

function typeAt(history: ReadHistory['history'], event: number): string {
  const found = history.events?.[event - 1];
  return found === undefined ? 'EndOfHistory' : eventTypeOf(found);
}
