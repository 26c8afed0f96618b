import type { Stack } from '@sluice/infra';
import { Connection } from '@temporalio/client';

/** Everything that the engine keeps of a stack's runs. */
export interface EngineContent {
  /** Workflow ids with the number of their events. */
  readonly runs: ReadonlyMap<string, number>;
  /** Every payload, its metadata's encoding and its bytes as Latin-1 text. */
  readonly payloads: readonly { readonly encoding: string; readonly text: string }[];
  /** Every other text in every event (failures' messages, ids, types), without search attributes. */
  readonly texts: readonly string[];
}

/** Reads all histories of a stack as the engine stores them, without any key. */
export async function readEngineContent(
  stack: Pick<Stack, 'temporalAddress' | 'temporalNamespace'>,
): Promise<EngineContent> {
  const connection = await Connection.connect({ address: stack.temporalAddress });
  const { temporalNamespace: namespace } = stack;
  const runs = new Map<string, number>();
  const payloads: { encoding: string; text: string }[] = [];
  const texts: string[] = [];
  try {
    const { workflowService } = connection;
    const { executions } = await workflowService.listWorkflowExecutions({ namespace });
    for (const { execution } of executions ?? []) {
      const { history } = await workflowService.getWorkflowExecutionHistory({
        namespace,
        ...(execution ? { execution } : {}),
        maximumPageSize: 1000,
      });
      const events = history?.events ?? [];
      runs.set(execution?.workflowId ?? '', events.length);
      for (const event of events) gather(event, payloads, texts);
    }
  } finally {
    await connection.close();
  }
  return { runs, payloads, texts };
}

function gather(
  value: unknown,
  payloads: { encoding: string; text: string }[],
  texts: string[],
): void {
  if (typeof value === 'string') texts.push(value);
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return;
  const { metadata, data } = value as { metadata?: Record<string, unknown>; data?: unknown };
  if (metadata?.['encoding'] instanceof Uint8Array) {
    const encoding = Buffer.from(metadata['encoding']).toString('utf8');
    const text = Buffer.from((data as Uint8Array | undefined) ?? []).toString('latin1');
    payloads.push({ encoding, text });
    return;
  }
  for (const [name, inner] of Object.entries(value)) {
    // They hold opaque ids, in plain text on purpose.
    if (name !== 'searchAttributes') gather(inner, payloads, texts);
  }
}
