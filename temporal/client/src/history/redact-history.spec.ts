import { randomBytes } from 'node:crypto';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { historyFromJSON } from '@temporalio/common/lib/proto-utils.js';
import { DefaultLogger, Runtime } from '@temporalio/worker';
import { encodePayloads } from '../../../../test/src/replay/encode-payloads.ts';
import { type HistoryFile, listHistoryFiles } from '../../../../test/src/replay/history-file.ts';
import { replayHistories } from '../../../../test/src/replay/replay-histories.ts';
import { bundleSources } from '../../../../test/src/workflows/bundle-workflows.ts';
import { parseCodecKeys } from '../codec-keys.ts';
import { findHead } from './history-head.ts';
import { encodeHistory, type History, isPayload, isVisited } from './history-message.ts';
import { readHistoryFile } from './read-history-file.ts';
import { redactedHistoryText, redactHistory } from './redact-history.ts';

const keys = parseCodecKeys({
  tenants: { acme: { keyId: 'acme-1', key: randomBytes(32).toString('base64') } },
});

let files: readonly HistoryFile[];

beforeAll(async () => {
  try {
    Runtime.install({ logger: new DefaultLogger('ERROR') });
  } catch (error) {
    if ((error as Error).name !== 'IllegalStateError') throw error;
  }
  files = await listHistoryFiles();
});

async function redact(history: History, workflowId: string): Promise<string> {
  return redactedHistoryText(await redactHistory(history, findHead({ workflowId, history }), keys));
}

/** Every text in a document, those inside of payloads too. */
function textsOf(document: string): string {
  const { history } = JSON.parse(document) as { history: unknown };
  const payloads = [...document.matchAll(/"data":"([A-Za-z0-9+/=]*)"/g)].map(([, data]) =>
    Buffer.from(data ?? '', 'base64').toString(),
  );
  return [JSON.stringify(history), ...payloads].join('\n');
}

function sample(name: string): HistoryFile {
  const file = files.find((candidate) => candidate.name === name);
  if (file === undefined) throw new Error(`no history ${name}`);
  return file;
}

test('every recorded history replays when it was redacted', async () => {
  const redacted = await Promise.all(
    files.map(async (file) => {
      const text = await redact(file.history, file.workflowId);
      return { ...file, ...(await readHistoryFile(Buffer.from(text))) };
    }),
  );
  expect(new Set(redacted.map(({ form }) => form))).toEqual(new Set(['redacted']));
  const outcomes = await replayHistories(await bundleSources(), redacted);
  expect(outcomes).toEqual(files.map(({ name }) => ({ name })));
  // It bundles first.
}, 300_000);

test('no text that people or failures wrote, and nobody, stands in one', async () => {
  const secret = /looks good|otto|\bada\b|\bmia\b|Rejected by|a test|terminated\.|had to approve/;
  const telling: string[] = [];
  for (const { history, workflowId } of files) {
    if (secret.test(textsOf(await redact(history, workflowId)))) telling.push(workflowId);
  }
  // They were there before.
  const { history } = sample('promotion-succeeded-approved');
  expect(Buffer.from(encodeHistory(history)).includes('looks good')).toBe(true);
  expect(telling).toEqual([]);
});

test('who is who stays visible', async () => {
  const { history, workflowId } = sample('promotion-succeeded-approved');
  const texts = textsOf(await redact(history, workflowId));
  expect(texts).toContain('"requester":{"principalId":"person-1","personId":"person-1"}');
  expect(texts).toContain('"updateId":"person-2/key-1"');
  expect(texts).toContain('"acceptedRequestMessageId":"person-2/key-1/request"');
  expect(texts).toContain('"approvalId":"person-2/key-1"');
  expect(texts).toContain(
    '"voter":{"principalId":"person-2","personId":"person-2","kind":"person"',
  );
});

test('the same history gives the same document, encrypted or not, and once more the same', async () => {
  const { history, workflowId } = sample('promotion-denied-rejected');
  const head = findHead({ workflowId, history });
  const document = redactedHistoryText(await redactHistory(history, head));
  const encoded = await encodePayloads(history, workflowId, keys);
  expect(redactedHistoryText(await redactHistory(encoded, head, keys))).toBe(document);
  const again = await readHistoryFile(Buffer.from(document));
  expect(redactedHistoryText(await redactHistory(again.history, again.head))).toBe(document);
});

test('members of a memo get the same names in any order, and once more the same', async () => {
  const payload = { metadata: { encoding: Buffer.from('json/plain') }, data: Buffer.from('"x"') };
  const made = (names: readonly string[]) => ({
    events: [
      {
        eventId: 1,
        eventType: 1,
        workflowExecutionStartedEventAttributes: {
          memo: { fields: Object.fromEntries(names.map((name) => [name, payload])) },
        },
      },
    ],
  });
  const names = Array.from({ length: 12 }, (_, at) => `own ${at}`);
  const id = 'promotion/acme/dev/1';
  const document = await redact(made(names) as unknown as History, id);
  const bodyOf = (text: string) => JSON.stringify(JSON.parse(text).history);
  expect(document).toContain('member-12');
  expect(document).not.toContain('own');
  const turned = await redact(made(names.toReversed()) as unknown as History, id);
  expect(bodyOf(turned)).toBe(bodyOf(document));
  const again = historyFromJSON(JSON.parse(document).history);
  expect(bodyOf(await redact(again, id))).toBe(bodyOf(document));
});

test('what is encrypted is not exported without the key', async () => {
  const { history, workflowId } = sample('release-refused');
  const encoded = await encodePayloads(history, workflowId, keys);
  const head = findHead({ workflowId, history });
  await expect(redactHistory(encoded, head)).rejects.toMatchObject({ code: 'history-key-missing' });
});

describe('what is not known is not shown', () => {
  const MARKER = 'MARKER';
  const json = (value: unknown) => ({
    metadata: { encoding: Buffer.from('json/plain') },
    data: Buffer.from(JSON.stringify(value)),
  });

  async function redactedEvent(event: object): Promise<string> {
    const started = { eventId: 1, eventType: 1, workflowExecutionStartedEventAttributes: {} };
    const history = { events: [started, { eventId: 2, ...event }] } as unknown as History;
    return textsOf(await redact(history, 'promotion/acme/dev/1'));
  }

  const signal = (value: unknown, more: object = {}) => ({
    workflowExecutionSignaledEventAttributes: {
      signalName: 'kept',
      input: { payloads: [json(value)] },
      ...more,
    },
  });

  test.each<[string, object]>([
    ['a field with a new name', signal({ newField: MARKER, list: [MARKER], deep: { er: MARKER } })],
    ['a text that is a whole payload', signal(MARKER)],
    ['a sentence under a name that stays', signal({ code: `the ${MARKER}`, state: `${MARKER}\n` })],
    ['settings, whatever they are called', signal({ settings: { name: MARKER, id: MARKER } })],
    [
      "a step's literal inputs",
      signal({ steps: [{ inputs: { type: MARKER, a: { id: MARKER } } }] }),
    ],
    ['names of labels', signal({ targets: [{ labels: { [MARKER]: 'x' } }] })],
    ['names in settings', signal({ settings: { a: { [MARKER]: [{ [MARKER]: 1 }] } } })],
    ['a text in the place of settings', signal({ settings: MARKER, labels: [MARKER] })],
    [
      'a memo and its names',
      {
        workflowPropertiesModifiedEventAttributes: {
          upsertedMemo: { fields: { state: json(MARKER), [MARKER]: json(5) } },
        },
      },
    ],
    ['an address with a password', signal({ source: `https://u:${MARKER}@host/x` })],
    ['a reference with an address', signal({ reference: `oci://u:${MARKER}@host` })],
    ['a user and a password', signal({ name: `u:${MARKER}@host`, id: `u:${MARKER}@h` })],
    ['a long text', signal({ id: MARKER.repeat(40), version: MARKER.repeat(40) })],
    [
      'an address that is a type',
      { activityTaskScheduledEventAttributes: { activityType: { name: `a://${MARKER}@b` } } },
    ],
    [
      'what an encoding is not',
      signal(1, {
        input: { payloads: [{ metadata: { encoding: Buffer.from(`${MARKER} of ours`) } }] },
      }),
    ],
    ["somebody's name", signal({ person: { name: MARKER } })],
    ['an identity', signal(1, { identity: `1@${MARKER}` })],
    [
      'metadata of a payload',
      signal(1, { input: { payloads: [{ metadata: { x: Buffer.from(MARKER) } }] } }),
    ],
    [
      'bytes',
      signal(1, {
        input: {
          payloads: [
            { metadata: { encoding: Buffer.from('binary/plain') }, data: Buffer.from(MARKER) },
          ],
        },
      }),
    ],
    [
      'JSON that is none',
      signal(1, { input: { payloads: [{ ...json(1), data: Buffer.from(`{${MARKER}`) }] } }),
    ],
    ['a header', signal(1, { header: { fields: { baggage: json({ user: MARKER }) } } })],
    ['who asked the engine', { principal: { type: 'jwt', name: MARKER }, ...signal(1) }],
    ['a summary for people', { userMetadata: { summary: json(MARKER) }, ...signal(1) }],
    [
      'a failure',
      {
        activityTaskFailedEventAttributes: {
          failure: {
            message: MARKER,
            stackTrace: MARKER,
            encodedAttributes: json({ message: MARKER, stack_trace: MARKER }),
            applicationFailureInfo: { type: 'Kept', details: { payloads: [json(MARKER)] } },
          },
        },
      },
    ],
    ['a termination', { workflowExecutionTerminatedEventAttributes: { reason: MARKER } }],
  ])('%s', async (_what, event) => {
    const before = JSON.stringify(event, (_name, value) =>
      value?.type === 'Buffer' ? Buffer.from(value.data).toString() : value,
    );
    expect(before).toContain(MARKER);
    const texts = await redactedEvent(event);
    expect(texts).not.toContain(MARKER);
  });

  test.each<[string, object, string]>([
    [
      'a failure’s type',
      {
        activityTaskFailedEventAttributes: {
          failure: { applicationFailureInfo: { type: 'NotFound' } },
        },
      },
      '"type":"NotFound"',
    ],
    [
      'a patch that the code took',
      {
        markerRecordedEventAttributes: {
          markerName: 'core_patch',
          details: { 'patch-data': { payloads: [json({ id: 'my-patch', deprecated: false })] } },
        },
      },
      '"id":"my-patch"',
    ],
    [
      'digests and times under any name',
      signal({ report: `sha256:${'a'.repeat(64)}`, at: '2026-11-21T10:00:00.000Z' }),
      `"report":"sha256:${'a'.repeat(64)}","at":"2026-11-21T10:00:00.000Z"`,
    ],
    [
      'where a step is executed, for a replay sends it there again',
      signal({ steps: [{ queue: 'script' }] }),
      '{"queue":"script"}',
    ],
    [
      'numbers and booleans',
      signal({ newField: 5, other: true, none: null }),
      '{"newField":5,"other":true,"none":null}',
    ],
    [
      'the shape of what is hidden',
      signal({
        labels: { zone: 'x', tier: 1 },
        settings: { tier: [true, 2.5, null, { zone: 'y' }], zone: '2026-11-21T10:00:00Z' },
      }),
      '{"labels":{"member-1":"","member-2":0},"settings":{"member-2":[false,0,null,{"member-1":""}],"member-1":""}}',
    ],
    ['the promotion that came before', signal({ by: 'dev/99' }), '"by":"dev/99"'],
    [
      'a trace',
      signal(1, {
        header: { fields: { '_tracer-data': json({ traceparent: '00-1-2-01', baggage: 'x' }) } },
      }),
      '{"traceparent":"00-1-2-01","baggage":""}',
    ],
  ])('but %s stays', async (_what, event, kept) => {
    expect(await redactedEvent(event)).toContain(kept);
  });
});

test('nothing but texts is changed: events, ids and types are those of the original', async () => {
  const { history, workflowId } = sample('promotion-failed-to-revert');
  const document = JSON.parse(await redact(history, workflowId)) as {
    history: { events: object[] };
  };
  const again = historyFromJSON(document.history);
  expect(shapeOf(again)).toEqual(shapeOf(history));
});

/** Everything but texts and bytes; protobuf JSON does not write a text that is blank. */
function shapeOf(value: unknown): unknown {
  if (typeof value === 'string' || value instanceof Uint8Array) return undefined;
  if (!isVisited(value)) return String(value);
  if (Array.isArray(value)) return value.map(shapeOf);
  if (isPayload(value)) return 'payload';
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, member]) => shapeOf(member) !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, member]) => [name, shapeOf(member)]),
  );
}
