import { setTimeout as sleep } from 'node:timers/promises';
import type { Stack } from '@sluice/infra';
import { createTemporalClient, loadCodecKeys } from '@sluice/temporal-client';
import { promotionWorkflowId } from '@sluice/temporal-contract';
import type { Turns } from './turns.ts';

type Engine = Awaited<ReturnType<typeof createTemporalClient>>;

/** Connects to a stack's engine; close it. */
export async function connectEngine(stack: Stack): Promise<Engine> {
  return createTemporalClient({
    address: stack.temporalAddress,
    namespace: stack.temporalNamespace,
    codecKeys: await loadCodecKeys(stack.layout.codecKeys),
  });
}

/** Milliseconds between looks at a history's length. */
const LOOK_MS = 10;

/** Longer than a request takes on a busy machine: a client that asks again and again is answered in between. */
const BREATH_MS = 2000;

/**
 * Kills a part with -9, and starts it again, each time that a promotion's history has reached one of these numbers of events.
 * What its run did not reach before it closed is killed at once, and only once, after the close.
 * @returns the positions that were reached while the run was open
 */
export async function killAtEvents(
  stack: Stack,
  engine: Engine,
  turns: Turns,
  input: {
    readonly promotion: string;
    readonly events: readonly number[];
    readonly part: string;
  },
): Promise<readonly number[]> {
  const handle = engine.workflow.getHandle(promotionWorkflowId(stack.tenant, input.promotion));
  const reached: number[] = [];
  for (const event of input.events) {
    const isOpen = await untilLength(handle, event);
    await turns.take(input.part, async () => {
      await stack.kill(input.part);
      await stack.start(input.part);
      // Whoever was killed must get to do something before it is killed again, by this lane or by another.
      await sleep(BREATH_MS);
    });
    if (!isOpen) break;
    reached.push(event);
  }
  return reached;
}

/** True when the run was still open at that length. */
async function untilLength(
  handle: ReturnType<Engine['workflow']['getHandle']>,
  events: number,
): Promise<boolean> {
  const deadline = Date.now() + 180_000;
  while (Date.now() < deadline) {
    const description = await handle.describe().catch(() => undefined);
    if (description !== undefined && description.status.name !== 'RUNNING') return false;
    if ((description?.historyLength ?? 0) >= events) return true;
    await sleep(LOOK_MS);
  }
  throw new Error(`A history did not reach ${events} events within 180 s.`);
}
