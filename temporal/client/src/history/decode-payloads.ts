import type { Payload } from '@temporalio/common';
import type { CodecKeys } from '../codec-keys.ts';
import { CODEC_ENCODING, createPayloadCodec } from '../payload-codec.ts';
import { HistoryFileError } from './history-file-error.ts';
import { type History, isPayload, isVisited, metadataText } from './history-message.ts';

/** Where the codec's refusals come out. */
const MEANINGS: Readonly<Record<string, HistoryFileError['code']>> = {
  'codec-key-unknown': 'history-key-missing',
  'codec-tenant-mismatch': 'history-tenant-mismatch',
  'codec-payload-damaged': 'history-damaged',
};

/**
 * A copy of a history with every payload as it was before the codec; a worker without a codec replays it. What is not
 * encoded stays as it is.
 * @param keys may be left out for a history that has nothing encoded
 * @throws HistoryFileError `history-key-missing`, `history-tenant-mismatch`, `history-damaged`
 */
export async function decodePayloads(
  history: History,
  workflowId: string,
  keys?: CodecKeys,
): Promise<History> {
  const encoded: Payload[] = [];
  const places: ((decoded: Payload) => void)[] = [];
  const copy = (value: unknown): unknown => {
    if (!isVisited(value)) return value;
    if (Array.isArray(value)) return copyMembers(value.entries(), []);
    return copyMembers(Object.entries(value), {});
  };
  const copyMembers = (members: Iterable<[string | number, unknown]>, into: object): object => {
    const made = into as Record<string | number, unknown>;
    for (const [name, member] of members) {
      made[name] = member;
      if (!isVisited(member)) continue;
      if (!isPayload(member)) made[name] = copy(member);
      else if (metadataText(member, 'encoding') === CODEC_ENCODING) {
        encoded.push(member);
        places.push((decoded) => {
          made[name] = decoded;
        });
      }
    }
    return made;
  };
  const decodedHistory = copy(history) as History;
  if (encoded.length === 0) return decodedHistory;
  if (keys === undefined) throw keyMissing(workflowId, encoded[0]);
  const decoded = await decode(encoded, workflowId, keys);
  for (const [index, place] of places.entries()) place(decoded[index] as Payload);
  return decodedHistory;
}

async function decode(
  payloads: Payload[],
  workflowId: string,
  keys: CodecKeys,
): Promise<readonly Payload[]> {
  try {
    const context = { type: 'workflow', namespace: '', workflowId } as const;
    return await createPayloadCodec(keys).decode(payloads, context);
  } catch (error) {
    const { code = '', message } = error as { code?: string; message: string };
    const meaning = MEANINGS[code];
    if (meaning === undefined) throw error;
    throw new HistoryFileError(meaning, message, error);
  }
}

function keyMissing(workflowId: string, payload: Payload | undefined): HistoryFileError {
  const keyId = payload === undefined ? '' : metadataText(payload, 'sluice-key-id');
  return new HistoryFileError(
    'history-key-missing',
    `The payloads of ${workflowId} are encrypted with key "${keyId}", and no keys were given; ` +
      'give the key file, or a redacted export, which needs none.',
  );
}
