import { cutText } from '@sluice/domain';
import type { Payload } from '@temporalio/common';
import type proto from '@temporalio/proto';
import type { TemporalClient } from './temporal-call.ts';

type Failure = proto.temporal.api.failure.v1.IFailure;

/** What a failure says, in words that a person can read. */
export interface FailureText {
  /** The messages of the failure and its causes, outermost first. */
  readonly message: string;
  /** True when no code failed: the time of an attempt was over. */
  readonly isTimeout: boolean;
  /** With which an activity has thrown it; null for any other failure. */
  readonly type: string | null;
}

const LONGEST = 1000;
const MOST_CAUSES = 5;

/** Reads a failure; texts that were encrypted are decrypted, and one that cannot be is named as such. */
export async function describeFailure(
  client: TemporalClient,
  workflowId: string,
  failure: Failure,
): Promise<FailureText> {
  const messages: string[] = [];
  let current: Failure | null | undefined = failure;
  for (let depth = 0; current != null && depth < MOST_CAUSES; depth += 1) {
    const message = await messageOf(client, workflowId, current);
    if (message !== '' && !messages.some((other) => other.includes(message))) {
      messages.push(message);
    }
    current = current.cause;
  }
  const text = messages.join(': ').replace(/\s+/g, ' ').trim();
  return {
    message: cutText(text === '' ? 'It gave no reason.' : text, LONGEST),
    isTimeout: failure.timeoutFailureInfo != null,
    type: failure.applicationFailureInfo?.type || null,
  };
}

async function messageOf(
  client: TemporalClient,
  workflowId: string,
  { message, encodedAttributes }: Failure,
): Promise<string> {
  if (encodedAttributes == null) return message ?? '';
  try {
    const decoded = await decode(client, workflowId, encodedAttributes);
    const { message: inner } = JSON.parse(Buffer.from(decoded.data ?? []).toString('utf8')) as {
      readonly message?: unknown;
    };
    return typeof inner === 'string' ? inner : '';
  } catch {
    return 'Its text cannot be decrypted with the keys at hand.';
  }
}

async function decode(
  { options }: TemporalClient,
  workflowId: string,
  payload: Payload,
): Promise<Payload> {
  let [decoded]: Payload[] = [payload];
  const context = { type: 'workflow', namespace: options.namespace, workflowId } as const;
  // Encoded by one codec after the other, decoded the other way round.
  for (const codec of [...options.loadedDataConverter.payloadCodecs].reverse()) {
    [decoded] = await codec.decode(decoded === undefined ? [] : [decoded], context);
  }
  return decoded ?? payload;
}
