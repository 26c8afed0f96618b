import type { ReadHistory } from '@sluice/temporal-client';
import type { Command } from './command.ts';
import { readMadeCommands } from './made-commands.ts';
import type { Activation } from './probe.ts';
import { type RecordedTask, readRecordedTasks } from './recorded-commands.ts';

/** One workflow task twice: as it was recorded, and as code did it when replayed. */
export interface TaskPair {
  readonly recorded: RecordedTask;
  readonly made: readonly Command[];
  /** What the code threw in it. */
  readonly thrown: Activation['thrown'];
  /** What it was about then, as the code says. */
  readonly status: Activation['status'];
}

/** Pairs a history's tasks with what a replay of it told; only as far as the replay came. */
export function pairTasks(
  history: ReadHistory['history'],
  activations: readonly Activation[],
): readonly TaskPair[] {
  const scheduled = new Map<string, Command>();
  const pairs: TaskPair[] = [];
  let next = 0;
  for (const recorded of readRecordedTasks(history)) {
    // One task can be several activations: patches, signals and Updates have theirs.
    const first = next;
    while ((activations[next]?.event ?? Infinity) <= recorded.started) next += 1;
    const own = activations.slice(first, next);
    if (own.length === 0 && next >= activations.length) break;
    const made = readMadeCommands(own, scheduled);
    const thrown = own.find((activation) => activation.thrown !== null)?.thrown ?? null;
    pairs.push({ recorded, made, thrown, status: own.at(-1)?.status ?? null });
  }
  return pairs;
}
