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

/** How long the engine holds a question for what comes next, at most. */
const LONG_POLL_MS = 20_000;
/** Until a run that is not there yet is looked for again, or an engine that did not answer is asked again. */
const LOOK_MS = 50;

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
  const workflowId = promotionWorkflowId(stack.tenant, input.promotion);
  const reached: number[] = [];
  for (const event of input.events) {
    const isOpen = await untilLength(engine, workflowId, event);
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

/** True when the run was still open at that length. The engine tells each event as it writes it. */
async function untilLength(engine: Engine, workflowId: string, events: number): Promise<boolean> {
  const deadline = Date.now() + 180_000;
  while (Date.now() < deadline) {
    const answer = await followHistory(engine, workflowId, events).catch(() => undefined);
    if (answer !== undefined) return answer;
    await sleep(LOOK_MS);
  }
  throw new Error(`A history did not reach ${events} events within 180 s.`);
}

/** Reads a history from its beginning as it grows; throws when there is none, or nothing new for long. */
async function followHistory(engine: Engine, workflowId: string, events: number): Promise<boolean> {
  const { namespace } = engine.options;
  let length = 0;
  let nextPageToken: Uint8Array | undefined;
  for (;;) {
    const page = await engine.connection.withDeadline(Date.now() + LONG_POLL_MS, () =>
      engine.workflowService.getWorkflowExecutionHistory({
        namespace,
        execution: { workflowId },
        waitNewEvent: true,
        ...(nextPageToken === undefined ? {} : { nextPageToken }),
      }),
    );
    length += page.history?.events?.length ?? 0;
    const isClosed = page.nextPageToken === undefined || page.nextPageToken.length === 0;
    if (isClosed) return false;
    if (length >= events) return true;
    nextPageToken = page.nextPageToken;
  }
}
