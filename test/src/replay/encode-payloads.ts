import {
  type CodecKeys,
  createPayloadCodec,
  decodeHistory,
  encodeHistory,
  type History,
} from '@sluice/temporal-client';
import type { Payload } from '@temporalio/common';

/**
 * A copy of a readable history as the engine would hold it: every payload encrypted, but for search attributes, headers and
 * what the SDK writes into markers, which never go through the codec.
 */
export async function encodePayloads(
  history: History,
  workflowId: string,
  keys: CodecKeys,
): Promise<History> {
  const codec = createPayloadCodec(keys);
  const copy = decodeHistory(encodeHistory(history));
  const context = { type: 'workflow', namespace: '', workflowId } as const;
  const visit = async (value: unknown): Promise<void> => {
    if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return;
    for (const [name, member] of Object.entries(value)) {
      if (name === 'searchAttributes' || name === 'header') continue;
      if (name === 'markerRecordedEventAttributes') continue;
      if (isPayload(member)) {
        const [encoded] = await codec.encode([member], context);
        (value as Record<string, unknown>)[name] = encoded;
      } else await visit(member);
    }
  };
  await visit(copy.events);
  return copy;
}

function isPayload(value: unknown): value is Payload {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, 'metadata');
}
