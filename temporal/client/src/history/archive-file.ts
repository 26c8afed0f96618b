import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import { HISTORY_ARCHIVE_SCHEMA } from '@sluice/domain';
import { canonicalJson, digestOfBytes } from '@sluice/pure';
import { CodecError } from '../codec-error.ts';
import type { CodecKeys } from '../codec-keys.ts';
import { HistoryFileError } from './history-file-error.ts';
import type { SealedHead } from './history-head.ts';
import { findHeadFault } from './history-head-form.ts';
import type { History } from './history-message.ts';
import { decodeHistory, encodeHistory, MAX_HISTORY_BYTES } from './history-message.ts';

const compress = promisify(gzip);
const expand = promisify(gunzip);

const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const MAX_HEADER_BYTES = 64 * 1024;
const LINE_FEED = 10;

interface Header {
  readonly schema: typeof HISTORY_ARCHIVE_SCHEMA;
  readonly keyId: string;
  readonly head: SealedHead;
}

/**
 * The archive file of a run, or of one that goes on as far as it has come: one line of canonical JSON `{schema, keyId, head}`, then
 * nonce (12 bytes), AES-256-GCM ciphertext and tag (16) of the gzipped protobuf form. Line and tenant are authenticated with it.
 * Payloads inside stay as the engine stored them, under the codec's keys. Never the same bytes twice.
 * @throws CodecError `codec-key-missing`; HistoryFileError `history-too-large`, or `history-damaged` when the head is not this history's
 */
export async function sealHistory(options: {
  readonly history: History;
  readonly head: SealedHead;
  readonly keys: CodecKeys;
}): Promise<Uint8Array> {
  const { history, head, keys } = options;
  const key = keys.current.get(head.tenantId);
  if (key === undefined) {
    throw new CodecError(
      'codec-key-missing',
      `There is no codec key for tenant ${head.tenantId}, so ${head.workflowId} is not archived; ` +
        'add it to the file that SLUICE_CODEC_KEYS names.',
    );
  }
  const plain = encodeHistory(history);
  assertIsOf(head, plain, history);
  const line = Buffer.from(
    canonicalJson({ schema: HISTORY_ARCHIVE_SCHEMA, keyId: key.keyId, head } satisfies Header),
  );
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key.key, nonce);
  cipher.setAAD(additionalData(line, head.tenantId));
  const sealed = [cipher.update(await compress(plain)), cipher.final()];
  return Buffer.concat([line, Buffer.of(LINE_FEED), nonce, ...sealed, cipher.getAuthTag()]);
}

/**
 * Opens an archive file. Payloads in the history are still under the codec's keys: `decodePayloads` opens them.
 * @throws HistoryFileError `history-file-unreadable`, `history-key-missing`, `history-tenant-mismatch`, `history-damaged`,
 * `history-too-large`
 */
export async function openHistory(
  bytes: Uint8Array,
  keys: CodecKeys,
): Promise<{ readonly head: SealedHead; readonly history: History }> {
  const { header, line } = readHeader(bytes);
  const { head, keyId } = header;
  const key = keys.all.get(keyId);
  if (key === undefined) {
    throw new HistoryFileError(
      'history-key-missing',
      `The history of ${head.workflowId} is encrypted with key "${keyId}", which was not given; ` +
        'use the key file that has it, as current or previous key.',
    );
  }
  if (key.tenantId !== head.tenantId) {
    throw new HistoryFileError(
      'history-tenant-mismatch',
      `The history of ${head.workflowId} is encrypted with a key of tenant ${key.tenantId}: somebody else put it there.`,
    );
  }
  const sealed = bytes.subarray(line.length + 1);
  const plain = await unpack(sealed, key.key, additionalData(line, head.tenantId), head);
  const history = decodeHistory(plain);
  assertIsOf(head, plain, history);
  return { head, history };
}

/**
 * What an archive file says of itself, without a key and so without proof: {@link openHistory} proves it.
 * @throws HistoryFileError `history-file-unreadable`
 */
export function readHistoryHead(bytes: Uint8Array): SealedHead {
  return readHeader(bytes).header.head;
}

/** True for what begins as an archive file does. */
export function isArchiveFile(bytes: Uint8Array): boolean {
  return findHeader(bytes)?.header.schema === HISTORY_ARCHIVE_SCHEMA;
}

function readHeader(bytes: Uint8Array): { readonly header: Header; readonly line: Uint8Array } {
  const found = findHeader(bytes);
  if (found === undefined || found.header.schema !== HISTORY_ARCHIVE_SCHEMA) {
    throw new HistoryFileError(
      'history-file-unreadable',
      `This is no archived history: its first line is no header of ${HISTORY_ARCHIVE_SCHEMA}.`,
    );
  }
  const { head, keyId } = found.header;
  const isOurs = findHeadFault(head) === undefined && head.tenantId !== null;
  if (typeof keyId !== 'string' || !isOurs) {
    throw new HistoryFileError(
      'history-file-unreadable',
      'The header of this archived history lacks its key id or a whole head; fetch the file again.',
    );
  }
  return found;
}

function findHeader(
  bytes: Uint8Array,
): { readonly header: Header; readonly line: Uint8Array } | undefined {
  const end = bytes.subarray(0, MAX_HEADER_BYTES).indexOf(LINE_FEED);
  if (end <= 0) return undefined;
  const line = bytes.subarray(0, end);
  try {
    const header = JSON.parse(Buffer.from(line).toString('utf8')) as Header | null;
    return header === null ? undefined : { header, line };
  } catch {
    // Most files are none: the caller says what it makes of that.
    return undefined;
  }
}

async function unpack(
  sealed: Uint8Array,
  key: Uint8Array,
  authenticated: Uint8Array,
  { workflowId }: SealedHead,
): Promise<Uint8Array> {
  try {
    if (sealed.length < NONCE_BYTES + TAG_BYTES) throw new RangeError('too short');
    const nonce = sealed.subarray(0, NONCE_BYTES);
    const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES });
    decipher.setAAD(authenticated);
    decipher.setAuthTag(sealed.subarray(sealed.length - TAG_BYTES));
    const ciphertext = sealed.subarray(NONCE_BYTES, sealed.length - TAG_BYTES);
    const packed = Buffer.concat([decipher.update(ciphertext), decipher.final()]);
    return await expand(packed, { maxOutputLength: MAX_HISTORY_BYTES });
  } catch (error) {
    if ((error as { code?: string }).code === 'ERR_BUFFER_TOO_LARGE') {
      throw new HistoryFileError(
        'history-too-large',
        `The history of ${workflowId} is larger than ${MAX_HISTORY_BYTES} bytes, so it is not opened.`,
      );
    }
    throw new HistoryFileError(
      'history-damaged',
      `The archived history of ${workflowId} does not open: it or its header was changed. Fetch it again, or restore it.`,
      error,
    );
  }
}

function assertIsOf(head: SealedHead, plain: Uint8Array, { events }: History): void {
  if (head.historyDigest === digestOfBytes(plain) && head.eventCount === events?.length) return;
  throw new HistoryFileError(
    'history-damaged',
    `The head of ${head.workflowId} is not that of its history; make it with headOf from this very history.`,
  );
}

function additionalData(line: Uint8Array, tenantId: string): Uint8Array {
  return Buffer.concat([line, Buffer.from(tenantId)]);
}
