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

/**
 * Waits until a promotion's history has so many events, or is closed, then kills a part with -9 and starts it again.
 * @returns events that were there when it was killed
 */
export async function killAtEvent(
  stack: Stack,
  engine: Engine,
  turns: Turns,
  input: { readonly promotion: string; readonly event: number; readonly part: string },
): Promise<number> {
  const handle = engine.workflow.getHandle(promotionWorkflowId(stack.tenant, input.promotion));
  const deadline = Date.now() + 120_000;
  let events = 0;
  while (Date.now() < deadline) {
    const description = await handle.describe().catch(() => undefined);
    events = description?.historyLength ?? 0;
    const closed = description !== undefined && description.status.name !== 'RUNNING';
    if (events >= input.event || closed) break;
    await sleep(LOOK_MS);
  }
  await turns.take(input.part, async () => {
    await stack.kill(input.part);
    await stack.start(input.part);
  });
  return events;
}
