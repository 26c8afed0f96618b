import { expect, jest, test } from '@jest/globals';
import type { EvidenceStore } from '@sluice/evidence-store';
import type { StepLogRecord } from '@sluice/persistence';
import type { InTenant } from '../common/in-tenant.ts';
import { openLog } from './read-log-text.ts';

const TEXT = 'aä€😀\n'.repeat(5000);
const BYTES = Buffer.from(TEXT);

function open(holdBytes?: number) {
  const getBytes = jest.fn<EvidenceStore['getBytes']>(async () => BYTES);
  const inTenant = (async () => {
    throw new Error('a kept log is not read from the records');
  }) as InTenant;
  const sources = { inTenant, evidence: { getBytes } as unknown as EvidenceStore };
  const log = { digest: `sha256:${'1'.repeat(64)}` } as StepLogRecord;
  return { reader: openLog(sources, log, holdBytes), getBytes };
}

async function readAll(reader: ReturnType<typeof openLog>, maxBytes: number, from = 0) {
  let text = '';
  for (let offset = from; ; ) {
    const piece = await reader.read(offset, maxBytes);
    if (piece.nextOffset === offset) return text;
    expect(piece.nextOffset - piece.offset).toBeLessThanOrEqual(maxBytes);
    text += piece.text;
    offset = piece.nextOffset;
  }
}

test('a kept log is fetched once, however many pieces are read of it', async () => {
  const { reader, getBytes } = open();
  expect(await readAll(reader, 7)).toBe(TEXT);
  expect(getBytes).toHaveBeenCalledTimes(1);
});

test.each([1, 5, 64, 10_000, 1_000_000])(
  'where %i bytes are held, nothing is missed, and it is fetched as often as needed',
  async (held) => {
    const { reader, getBytes } = open(held);
    expect(await readAll(reader, 1000)).toBe(TEXT);
    const most = Math.ceil(BYTES.length / Math.max(Math.min(held, BYTES.length) - 1000, 1000)) + 2;
    expect(getBytes.mock.calls.length).toBeLessThanOrEqual(most);
  },
);

test('back, behind the end, and in the middle of a character', async () => {
  const { reader } = open(100);
  expect((await reader.read(11_000, 11)).text).toBe(BYTES.subarray(11_000, 11_011).toString());
  expect((await reader.read(0, 10)).text).toBe('aä€😀');
  expect((await reader.read(0, 9)).text).toBe('aä€');
  expect(await reader.read(2, 5)).toMatchObject({ offset: 3, text: '€' });
  const end = BYTES.length;
  expect(await reader.read(end + 10, 5)).toEqual({ offset: end, text: '', nextOffset: end });
  expect((await reader.read(end - 5, 5)).text).toBe('😀\n');
});
