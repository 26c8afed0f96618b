import { setTimeout as sleep } from 'node:timers/promises';
import type { Stack } from '@sluice/infra';
import { Turns } from '../event-kills/turns.ts';
import { kindOf, type PlannedFault } from './chaos-plan.ts';

/** How a run of faults is told and paced. */
export interface InjectOptions {
  /** Share of the work that is done, from 0 to 1. */
  readonly progress: () => number;
  readonly say: (line: string) => void;
}

/** When the work stands still a fault comes nevertheless after so long: it may be what the work waits for. */
const LONGEST_PAUSE_MS = 30_000;

/** At most so many parts are disturbed at the same time. */
const LANES = 2;

/**
 * Disturbs parts of a stack, spread over the work as it goes on, up to two parts at the same time. Each part runs again when
 * this ends.
 * @returns how many faults of each kind there were
 */
export async function injectFaults(
  stack: Stack,
  faults: readonly PlannedFault[],
  { progress, say }: InjectOptions,
): Promise<Readonly<Record<string, number>>> {
  const counts: Record<string, number> = {};
  const turns = new Turns();
  let next = 0;
  let lastAt = Date.now();
  const isDue = (number: number): boolean =>
    progress() >= (number + 1) / (faults.length + 2) || Date.now() - lastAt > LONGEST_PAUSE_MS;
  const lane = async (): Promise<void> => {
    for (;;) {
      const number = next;
      next += 1;
      const fault = faults[number];
      if (fault === undefined) return;
      while (!isDue(number)) await sleep(100);
      lastAt = Date.now();
      say(`${number + 1}/${faults.length} ${fault.part} ${fault.how} (${fault.ms} ms)`);
      // Two lanes may have drawn the same part.
      await turns.take(fault.part, () => disturb(stack, fault));
      const kind = kindOf(fault);
      counts[kind] = (counts[kind] ?? 0) + 1;
    }
  };
  const parts = [...new Set(faults.map(({ part }) => part))];
  let isOver = false;
  /** What ends by itself is started again, as a service manager does, and counted. */
  const supervise = async (): Promise<void> => {
    while (!isOver) {
      for (const part of parts) {
        await turns.take(part, async () => {
          if (runs(stack, part)) return;
          say(`${part} had ended by itself`);
          counts[`${part}-died`] = (counts[`${part}-died`] ?? 0) + 1;
          await startAgain(stack, part);
        });
      }
      await sleep(1000);
    }
  };
  const supervising = supervise();
  await Promise.all(Array.from({ length: LANES }, lane)).finally(() => {
    isOver = true;
  });
  await supervising;
  return Object.fromEntries(Object.entries(counts).sort());
}

function runs(stack: Stack, part: string): boolean {
  try {
    return stack.getPid(part) > 0;
  } catch {
    return false;
  }
}

async function disturb(stack: Stack, { part, how, ms }: PlannedFault): Promise<void> {
  // It may have ended by itself a moment ago; then it is started again like any other.
  if (!runs(stack, part)) return startAgain(stack, part);
  if (how === 'paused') {
    await stack.pause(part);
    await sleep(ms);
    await stack.resume(part);
    return;
  }
  await (how === 'killed' ? stack.kill(part) : stack.stopPart(part));
  await sleep(ms);
  await startAgain(stack, part);
}

/** Long: what it waits for may be away itself. */
const START_ATTEMPTS = 5;

/** Starts a part; one that could not start is started again, as a service manager would. */
export async function startAgain(stack: Stack, part: string): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await stack.start(part);
    } catch (error) {
      if (attempt === START_ATTEMPTS) throw error;
      await sleep(1000);
    }
  }
}
