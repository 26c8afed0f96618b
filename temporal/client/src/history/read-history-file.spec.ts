import { randomBytes } from 'node:crypto';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { encodePayloads } from '../../../../test/src/replay/encode-payloads.ts';
import { type HistoryFile, listHistoryFiles } from '../../../../test/src/replay/history-file.ts';
import { parseCodecKeys } from '../codec-keys.ts';
import { sealHistory } from './archive-file.ts';
import { findHead, headOf } from './history-head.ts';
import { encodeHistory, type History } from './history-message.ts';
import { readHistoryFile } from './read-history-file.ts';
import { redactedHistoryText, redactHistory } from './redact-history.ts';

const key = { keyId: 'acme-1', key: randomBytes(32).toString('base64') };
const keys = parseCodecKeys({ tenants: { acme: key } });
const RUN = '01a1fee3-4383-7c1f-8062-96a5dcaab727';

let file: HistoryFile;
let encoded: History;

beforeAll(async () => {
  const [first] = await listHistoryFiles();
  if (first === undefined) throw new Error('no histories');
  file = first;
  encoded = await encodePayloads(file.history, file.workflowId, keys);
});

async function archive(): Promise<Uint8Array> {
  const { workflowId } = file;
  const bundleDigestOf = (): undefined => undefined;
  const head = headOf({
    tenantId: 'acme',
    workflowId,
    runId: RUN,
    history: encoded,
    bundleDigestOf,
  });
  return sealHistory({ history: encoded, head, keys });
}

const bytesOf = (value: unknown): Uint8Array =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));
const jsonOf = (history: History): { events: object[] } =>
  JSON.parse(historyToJSON(history)) as { events: object[] };

describe('reads', () => {
  test('an archive file, payloads decoded', async () => {
    const { form, head, history } = await readHistoryFile(await archive(), { keys });
    expect(form).toBe('archived');
    expect(head).toMatchObject({ workflowId: file.workflowId, runId: RUN, status: 'completed' });
    expect(Buffer.from(encodeHistory(history))).toEqual(Buffer.from(encodeHistory(file.history)));
  });

  test('a redacted export, with the head of the original', async () => {
    const head = findHead({ workflowId: file.workflowId, history: encoded, runId: RUN });
    const text = redactedHistoryText(await redactHistory(encoded, head, keys));
    expect(await readHistoryFile(bytesOf(text))).toMatchObject({ form: 'redacted', head });
  });

  test.each<[string, () => Uint8Array]>([
    ['{events}, as the Temporal CLI and the SDK write it', () => bytesOf(jsonOf(file.history))],
    ['a list of events', () => bytesOf(jsonOf(file.history).events)],
    ['{history: {events}}', () => bytesOf({ history: jsonOf(file.history) })],
    [
      '{workflowId, history}',
      () => bytesOf({ workflowId: file.workflowId, history: jsonOf(file.history) }),
    ],
    ["the engine's protobuf form", () => encodeHistory(file.history)],
    [
      'a text with a byte order mark',
      () => bytesOf(`\ufeff${JSON.stringify(jsonOf(file.history))}`),
    ],
  ])('%s', async (_what, make) => {
    const { form, head, history } = await readHistoryFile(make());
    const { workflowId } = file;
    expect(form).toBe('raw');
    expect(head).toMatchObject({ tenantId: 'acme', workflowId, status: 'completed' });
    expect(head.runId).toMatch(/^[0-9a-f-]{36}$/);
    expect(Buffer.from(encodeHistory(history))).toEqual(Buffer.from(encodeHistory(file.history)));
  });

  test('enums in the form of older tools', async () => {
    const { events } = jsonOf(file.history);
    const old = JSON.parse(
      JSON.stringify(events)
        .replaceAll('EVENT_TYPE_WORKFLOW_EXECUTION_STARTED', 'WorkflowExecutionStarted')
        .replaceAll('TASK_QUEUE_KIND_NORMAL', 'Normal'),
    ) as object[];
    const { history } = await readHistoryFile(bytesOf({ events: old }));
    expect(Buffer.from(encodeHistory(history))).toEqual(Buffer.from(encodeHistory(file.history)));
  });

  test("the engine's own export with encrypted payloads, given the keys", async () => {
    const { history } = await readHistoryFile(bytesOf(jsonOf(encoded)), { keys });
    expect(Buffer.from(encodeHistory(history))).toEqual(Buffer.from(encodeHistory(file.history)));
  });

  test('a run that goes on', async () => {
    const open = { events: file.history.events?.slice(0, 10) ?? [] };
    const { head } = await readHistoryFile(encodeHistory(open));
    expect(head).toMatchObject({ status: 'running', closedAt: null, eventCount: 10 });
  });

  test("a history that is not Sluice's", async () => {
    const content = { workflowId: 'order-1', history: jsonOf(file.history) };
    const { head } = await readHistoryFile(bytesOf(content));
    expect(head).toMatchObject({ tenantId: null, workflowId: 'order-1' });
  });
});

describe('refuses', () => {
  test.each([
    ['an archive file', archive],
    ["the engine's own export", async () => bytesOf(jsonOf(encoded))],
  ])('%s without the key, naming it', async (_what, make) => {
    await expect(readHistoryFile(await make())).rejects.toMatchObject({
      code: 'history-key-missing',
      message: expect.stringContaining('"acme-1"'),
    });
  });

  test("another tenant's payloads", async () => {
    const others = parseCodecKeys({ tenants: { beta: key } });
    await expect(readHistoryFile(bytesOf(jsonOf(encoded)), { keys: others })).rejects.toMatchObject(
      {
        code: 'history-tenant-mismatch',
      },
    );
  });

  test('a damaged payload', async () => {
    const text = JSON.stringify(jsonOf(encoded)).replace(/"data":"(....)/, '"data":"AAAA');
    await expect(readHistoryFile(bytesOf(text), { keys })).rejects.toMatchObject({
      code: 'history-damaged',
    });
  });

  test.each<[string, object]>([
    ['no build ids', { buildIds: undefined }],
    ['build ids that are none', { buildIds: [5] }],
    ['a number that is a text', { eventCount: '191' }],
    ['another number of events', { eventCount: 1 }],
    ['a run id that is none', { runId: { toString: 1 } }],
    ['a workflow id that is none', { workflowId: 'two words' }],
    ['a type that is none', { workflowType: null }],
    ['a status that is none', { status: '<script>' }],
    ['a time that is none', { startedAt: '2026-99-99T00:00:00Z' }],
    ['a close that is none', { closedAt: 5 }],
    ['digests that are none', { bundleDigests: ['sha256:1'] }],
    ['a digest that is none', { historyDigest: undefined }],
    ['a tenant that is none', { tenantId: 1 }],
  ])('a redacted export whose head has %s', async (_what, wrong) => {
    const head = findHead({ workflowId: file.workflowId, history: file.history, runId: RUN });
    const whole = { ...(await redactHistory(file.history, head)) };
    await expect(readHistoryFile(bytesOf(whole))).resolves.toMatchObject({ head });
    const content = bytesOf({ ...whole, head: { ...head, ...wrong } });
    await expect(readHistoryFile(content)).rejects.toMatchObject({
      name: 'HistoryFileError',
      code: 'history-file-unreadable',
    });
  });

  test.each<[string, () => Uint8Array]>([
    ['an empty file', () => new Uint8Array()],
    ['a text', () => bytesOf('hello')],
    ['a number', () => bytesOf('5')],
    ['an object without events', () => bytesOf({ workflowId: 'x' })],
    ['no events', () => bytesOf({ events: [] })],
    ['events that are none', () => bytesOf({ events: [null, 5] })],
    ['an event without attributes', () => bytesOf({ events: [{ eventId: '1' }] })],
    ['another schema', () => bytesOf({ schema: 'sluice.plan/v1', events: [] })],
    [
      'a redacted export without a head',
      () => bytesOf({ schema: 'sluice.history-export/v1', history: jsonOf(file.history) }),
    ],
    [
      'a missing event',
      () => bytesOf({ events: jsonOf(file.history).events.filter((_event, index) => index !== 3) }),
    ],
    ['a missing beginning', () => bytesOf({ events: jsonOf(file.history).events.slice(1) })],
    ['a cut protobuf', () => encodeHistory(file.history).slice(0, 1000)],
    ['an empty protobuf', () => Buffer.of(10, 0)],
    ['a cut JSON', () => bytesOf(JSON.stringify(jsonOf(file.history)).slice(0, 1000))],
    ['bytes', () => randomBytes(64).fill(255, 0, 1)],
  ])('%s', async (_what, make) => {
    await expect(readHistoryFile(make())).rejects.toMatchObject({
      name: 'HistoryFileError',
      code: 'history-file-unreadable',
    });
  });
});
