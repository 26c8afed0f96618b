import type { ReadHistory } from '@sluice/temporal-client';
import type { Command } from './command.ts';
import { isSameCommand } from './command.ts';
import type { Activation } from './probe.ts';
import type { ChangedInput } from './replay-result.ts';
import { pairTasks } from './task-pairs.ts';

/** A history has this many differences at most in its result; one changed line can bring thousands. */
const MAX_CHANGES = 100;
const MAX_DEPTH = 50;
const COMPARED = new Set(['activity', 'timer', 'child-workflow', 'signal-workflow', 'complete']);

/**
 * Compares what replay itself does not: arguments and task queues of activities, durations of timers, and the workflow's
 * result. As far as the replay came.
 * @param isRedacted texts that were blanked are not compared
 */
export function findChangedInputs(
  history: ReadHistory['history'],
  activations: readonly Activation[],
  isRedacted: boolean,
): readonly ChangedInput[] {
  const changes: ChangedInput[] = [];
  for (const { recorded, made } of pairTasks(history, activations)) {
    for (const [index, expected] of recorded.commands.entries()) {
      const actual = made[index];
      if (actual === undefined || !isSameCommand(expected, actual)) return changes;
      if (!COMPARED.has(expected.kind)) continue;
      const { event, step } = expected;
      const activity = expected.kind === 'complete' ? 'result' : expected.name || expected.kind;
      for (const difference of differencesOf(expected, actual, isRedacted)) {
        if (changes.length === MAX_CHANGES) return changes;
        changes.push({ event: event ?? 0, activity, step, ...difference });
      }
    }
  }
  return changes;
}

type Difference = Pick<ChangedInput, 'path' | 'recorded' | 'now'>;

function differencesOf(
  expected: Command,
  actual: Command,
  isRedacted: boolean,
): readonly Difference[] {
  const found: Difference[] = [];
  for (const path of ['seconds', 'taskQueue'] as const) {
    // A queue that the command leaves to the workflow's own is recorded by name.
    const isSame = expected[path] === actual[path] || !actual[path];
    if (!isSame) found.push({ path, recorded: expected[path], now: actual[path] });
  }
  compare(expected.input, actual.input, [], isRedacted, found);
  return found;
}

function compare(
  recorded: unknown,
  now: unknown,
  path: readonly string[],
  isRedacted: boolean,
  found: Difference[],
): void {
  if (isRedacted && recorded === '' && typeof now === 'string') return;
  if (isHolder(recorded) && isHolder(now) && path.length < MAX_DEPTH) {
    for (const name of new Set([...Object.keys(recorded), ...Object.keys(now)])) {
      compare(recorded[name], now[name], [...path, name], isRedacted, found);
    }
    return;
  }
  if (JSON.stringify(recorded) === JSON.stringify(now)) return;
  found.push({ path: path.join('.'), recorded: recorded ?? null, now: now ?? null });
}

function isHolder(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
