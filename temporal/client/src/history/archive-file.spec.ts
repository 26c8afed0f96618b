import { randomBytes } from 'node:crypto';
import { beforeAll, describe, expect, test } from '@jest/globals';
import type { HistoryHead } from '@sluice/domain';
import { digestOfBytes } from '@sluice/pure';
import { encodePayloads } from '../../../../test/src/replay/encode-payloads.ts';
import { listHistoryFiles } from '../../../../test/src/replay/history-file.ts';
import { parseCodecKeys } from '../codec-keys.ts';
import { openHistory, readHistoryHead, sealHistory } from './archive-file.ts';
import { headOf } from './history-head.ts';
import { encodeHistory, type History, MAX_HISTORY_BYTES } from './history-message.ts';

const entry = (keyId: string) => ({ keyId, key: randomBytes(32).toString('base64') });
const old = { tenant: 'acme', ...entry('acme-0') };
const keys = parseCodecKeys({
  tenants: { acme: entry('acme-1'), beta: entry('beta-1') },
  previous: [old],
});
const RUN = '01a1fee3-4383-7c1f-8062-96a5dcaab727';
const BUILD_DIGEST = `sha256:${'b'.repeat(64)}`;

let history: History;
let head: HistoryHead;
let sealed: Uint8Array;

beforeAll(async () => {
  const files = await listHistoryFiles();
  const file = files.find(({ name }) => name === 'promotion-succeeded-approved');
  if (file === undefined) throw new Error('the sample is gone');
  history = await encodePayloads(file.history, file.workflowId, keys);
  const { workflowId } = file;
  const bundleDigestOf = (): string => BUILD_DIGEST;
  head = headOf({ tenantId: 'acme', workflowId, runId: RUN, history, bundleDigestOf });
  sealed = await sealHistory({ history, head, keys });
});

describe('the head', () => {
  test('says what the events say', () => {
    expect(head).toEqual({
      tenantId: 'acme',
      workflowId: 'promotion/acme/dev/2',
      runId: RUN,
      workflowType: 'promoteRelease',
      status: 'completed',
      eventCount: history.events?.length,
      startedAt: '2026-11-21T16:14:29.251Z',
      closedAt: expect.stringMatching(/^2026-11-21T16:14:\d\d\.\d{3}Z$/),
      buildIds: [expect.stringMatching(/^@temporalio\/worker@1\.23\.0\+[0-9a-f]{64}$/)],
      bundleDigests: [BUILD_DIGEST],
      historyDigest: digestOfBytes(encodeHistory(history)),
    });
  });

  test('of a run that goes on is refused', () => {
    const open = { events: history.events?.slice(0, -1) ?? [] };
    const { workflowId } = head;
    const bundleDigestOf = (): undefined => undefined;
    expect(() =>
      headOf({ tenantId: 'acme', workflowId, runId: RUN, history: open, bundleDigestOf }),
    ).toThrow(expect.objectContaining({ code: 'history-not-closed' }));
  });

  test.each([
    ['workflowExecutionFailedEventAttributes', 'failed'],
    ['workflowExecutionCanceledEventAttributes', 'cancelled'],
    ['workflowExecutionTerminatedEventAttributes', 'terminated'],
    ['workflowExecutionTimedOutEventAttributes', 'timed-out'],
    ['workflowExecutionContinuedAsNewEventAttributes', 'continued-as-new'],
  ])('%s means %s', (attributes, status) => {
    const events = [...(history.events?.slice(0, -1) ?? [])];
    const closed = { events: [...events, { ...history.events?.at(-1), [attributes]: {} }] };
    delete (closed.events.at(-1) as Record<string, unknown>)[
      'workflowExecutionCompletedEventAttributes'
    ];
    const { workflowId } = head;
    const bundleDigestOf = (): undefined => undefined;
    const made = headOf({
      tenantId: 'acme',
      workflowId,
      runId: RUN,
      history: closed,
      bundleDigestOf,
    });
    expect(made).toMatchObject({ status, bundleDigests: [] });
  });

  test('the digest does not depend on the order in which the engine gives maps', () => {
    const turned = turnMaps(history) as History;
    expect(JSON.stringify(turned)).not.toBe(JSON.stringify(history));
    expect(digestOfBytes(encodeHistory(turned))).toBe(head.historyDigest);
  });
});

describe('an archive file', () => {
  test('gives back head and history', async () => {
    const opened = await openHistory(sealed, keys);
    expect(opened.head).toEqual(head);
    expect(Buffer.from(encodeHistory(opened.history))).toEqual(Buffer.from(encodeHistory(history)));
  });

  test('says what it is without a key, and nothing else', () => {
    expect(readHistoryHead(sealed)).toEqual(head);
    const text = Buffer.from(sealed).toString('latin1');
    expect(text.split('\n')[0]).toContain('"keyId":"acme-1"');
    for (const word of ['executeStep', 'otto', 'sluice-deploy', 'looks good']) {
      expect({ word, shows: text.includes(word) }).toEqual({ word, shows: false });
    }
  });

  test('is smaller than the history', () => {
    expect(sealed.length).toBeLessThan(encodeHistory(history).length);
  });

  test('opens with a previous key', async () => {
    const before = parseCodecKeys({ tenants: { acme: old } });
    const file = await sealHistory({ history, head, keys: before });
    expect((await openHistory(file, keys)).head).toEqual(head);
  });

  test('every changed byte is noticed', async () => {
    const line = sealed.indexOf(10);
    const places = [...sealed.keys()].filter(
      (at) => at % 97 === 0 || (at > line && at < line + 40),
    );
    for (const at of [...places, sealed.length - 1]) {
      const changed = Uint8Array.from(sealed);
      changed[at] = (changed[at] ?? 0) ^ 1;
      await expect(openHistory(changed, keys)).rejects.toMatchObject({
        code: expect.stringMatching(/^history-(damaged|file-unreadable|key-missing)$/),
      });
    }
  });

  test.each([0, 1, 27])('%i bytes behind the header are too few', async (length) => {
    const cut = sealed.slice(0, sealed.indexOf(10) + 1 + length);
    await expect(openHistory(cut, keys)).rejects.toMatchObject({ code: 'history-damaged' });
  });

  test('a header that names another history is not believed', async () => {
    const line = sealed.indexOf(10);
    const header = Buffer.from(sealed.subarray(0, line)).toString().replace('dev/2', 'dev/3');
    const forged = Buffer.concat([Buffer.from(header), sealed.subarray(line)]);
    await expect(openHistory(forged, keys)).rejects.toMatchObject({ code: 'history-damaged' });
  });

  test('an unknown key and a key of another tenant are named', async () => {
    const strangers = parseCodecKeys({ tenants: { acme: entry('acme-9') } });
    await expect(openHistory(sealed, strangers)).rejects.toMatchObject({
      code: 'history-key-missing',
      message: expect.stringContaining('"acme-1"'),
    });
    const turned = parseCodecKeys({ tenants: { beta: { ...entry('acme-1') } } });
    await expect(openHistory(sealed, turned)).rejects.toMatchObject({
      code: 'history-tenant-mismatch',
    });
  });

  test.each([
    ['nothing', ''],
    ['a text', 'hello'],
    ['another schema', '{"schema":"sluice.history-archive/v2","keyId":"acme-1","head":{}}\n'],
    ['no head', '{"schema":"sluice.history-archive/v1","keyId":"acme-1"}\nxxxx'],
    ['no JSON', '{"schema":"sluice.history-archive/v1"\nxxxx'],
  ])('%s is no archive file', async (_what, text) => {
    await expect(openHistory(Buffer.from(text), keys)).rejects.toMatchObject({
      code: 'history-file-unreadable',
    });
  });
});

describe('sealing', () => {
  test('a tenant without a key is refused', async () => {
    const other = { ...head, tenantId: 'nobody' };
    await expect(sealHistory({ history, head: other, keys })).rejects.toMatchObject({
      code: 'codec-key-missing',
    });
  });

  test("a head that is not this history's is refused", async () => {
    const other = { events: history.events?.slice(0, -1) ?? [] };
    await expect(sealHistory({ history: other, head, keys })).rejects.toMatchObject({
      code: 'history-damaged',
    });
  });

  test('a history over the limit is refused', async () => {
    const data = new Uint8Array(MAX_HISTORY_BYTES);
    const payloads = [{ metadata: { encoding: Buffer.from('binary/plain') }, data }];
    const [first, ...others] = history.events ?? [];
    const started = { ...first?.workflowExecutionStartedEventAttributes, input: { payloads } };
    const large = {
      events: [{ ...first, workflowExecutionStartedEventAttributes: started }, ...others],
    };
    await expect(sealHistory({ history: large, head, keys })).rejects.toMatchObject({
      code: 'history-too-large',
    });
  });
});

/** Members of maps in the opposite order. */
function turnMaps(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value;
  if (Object.getPrototypeOf(value)?.constructor?.name === 'Long') return value;
  if (Array.isArray(value)) return value.map(turnMaps);
  const members = Object.entries(value).map(([name, member]) => [name, turnMaps(member)] as const);
  return Object.fromEntries(members.reverse());
}
