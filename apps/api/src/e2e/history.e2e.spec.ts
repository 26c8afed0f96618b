import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { digestOfBytes } from '@sluice/pure';
import { parseCodecKeys, readHistoryFile } from '@sluice/temporal-client';
import {
  type ArchivedRun,
  addBundle,
  addHistory,
  addLiveHistory,
  expire,
} from '../testing/history-scene.ts';
import { addPromotion, addRelease } from '../testing/scene.ts';
import {
  type Json,
  OTHER_TENANT,
  startTestApi,
  TEST_CODEC_KEYS,
  type TestApi,
  tokenOf,
} from '../testing/test-api.ts';

let api: TestApi;
let release: string;

beforeAll(async () => {
  api = await startTestApi();
  release = await addRelease(api, '1.0.0');
}, 60_000);

afterAll(async () => {
  await api?.stop();
});

const EXPORT = `mutation ($input: ExportHistoriesInput!) {
  exportHistories(input: $input) {
    __typename
    ... on ExportedHistories {
      form promotion { id } documents { fileName workflowId runId archived digest content }
    }
    ... on Refusal { code message }
  }
}`;

let keys = 0;

async function exportOf(
  promotion: string,
  form: 'ENCRYPTED' | 'REDACTED',
  change: Record<string, unknown> = {},
): Promise<Json> {
  keys += 1;
  const input = { promotion, form, reason: 'it failed', idempotencyKey: `key-${keys}`, ...change };
  const answer = await api.ask(EXPORT, { input }, tokenOf('release-manager'));
  expect(answer.errors).toEqual([]);
  return answer.data?.exportHistories;
}

const readEvents = (promotion: string): Promise<readonly Json[]> =>
  api.database.query(
    `select actor, subject, data from sluice.events where promotion_id = $1 and type = 'history.read' order by arrival`,
    [promotion],
  );

async function archived(): Promise<{ readonly promotion: string; readonly run: ArchivedRun }> {
  const promotion = await addPromotion(api, release);
  return { promotion, run: await addHistory(api, promotion) };
}

test('hands a history out redacted: it can be read without a key, and is the same each time', async () => {
  const { promotion, run } = await archived();
  const exported = await exportOf(promotion, 'REDACTED');
  expect(exported).toMatchObject({
    __typename: 'ExportedHistories',
    form: 'REDACTED',
    promotion: { id: promotion },
    documents: [{ workflowId: run.workflowId, runId: run.runId, archived: true }],
  });
  const [{ fileName, digest, content }] = exported.documents;
  expect(fileName).toBe(`${promotion.replace('/', '-')}.${run.runId}.json`);
  expect(digestOfBytes(content)).toBe(digest);
  expect(content).not.toContain('recorder');
  const { form, head } = await readHistoryFile(Buffer.from(content));
  expect(form).toBe('redacted');
  expect(head).toMatchObject({ workflowId: run.workflowId, runId: run.runId });
  expect((await exportOf(promotion, 'REDACTED')).documents).toEqual(exported.documents);
});

test('hands a history out as it lies in the archive: the key of its tenant opens it, and no other', async () => {
  const { promotion, run } = await archived();
  const exported = await exportOf(promotion, 'ENCRYPTED');
  const [{ fileName, digest, content }] = exported.documents;
  expect(fileName).toBe(`${promotion.replace('/', '-')}.${run.runId}.history`);
  expect(digest).toBe(run.archiveDigest);
  const bytes = Buffer.from(content, 'base64');
  expect(digestOfBytes(bytes)).toBe(digest);
  const opened = await readHistoryFile(bytes, { keys: TEST_CODEC_KEYS });
  expect(opened).toMatchObject({ form: 'archived', head: { runId: run.runId } });
  await expect(readHistoryFile(bytes)).rejects.toMatchObject({ code: 'history-key-missing' });
});

test('that it is read is one event per key, with who, why and which runs', async () => {
  const { promotion, run } = await archived();
  const change = { idempotencyKey: 'the same', reason: 'replay in CI' };
  const first = await exportOf(promotion, 'REDACTED', change);
  expect(await exportOf(promotion, 'REDACTED', change)).toEqual(first);
  expect(await readEvents(promotion)).toEqual([
    {
      actor: 'principal:release-manager',
      subject: `promotion:${promotion}`,
      data: { form: 'redacted', reason: 'replay in CI', runs: [run.runId] },
    },
  ]);
});

test('of a promotion that goes on it hands out what there is, in both forms, with the same event', async () => {
  const promotion = await addPromotion(api, release);
  const { workflowId, events } = await addLiveHistory(api, promotion);
  for (const form of ['REDACTED', 'ENCRYPTED'] as const) {
    const { documents } = await exportOf(promotion, form);
    expect(documents).toMatchObject([{ workflowId, archived: false }]);
    const [{ digest, content, runId }] = documents;
    const bytes = Buffer.from(content, form === 'ENCRYPTED' ? 'base64' : 'utf8');
    expect(digestOfBytes(bytes)).toBe(digest);
    const { head } = await readHistoryFile(bytes, { keys: TEST_CODEC_KEYS });
    expect(head).toMatchObject({ workflowId, runId, status: 'running', eventCount: events });
    expect(head.closedAt).toBeNull();
  }
  expect(await readEvents(promotion)).toHaveLength(2);
  // While the engine is away: what is archived can be had, what goes on cannot.
  api.engine.lose('engine-unreachable');
  try {
    expect(await exportOf(promotion, 'REDACTED')).toMatchObject({
      __typename: 'EngineUnavailable',
      code: 'engine-unreachable',
    });
    const run = await addHistory(api, promotion);
    const { documents } = await exportOf(promotion, 'REDACTED');
    expect(documents).toMatchObject([{ runId: run.runId, archived: true }]);
  } finally {
    api.engine.lose(undefined);
  }
});

test('what is not archived yet, was removed by rule, is damaged or has no key is refused, by its code', async () => {
  const promotion = await addPromotion(api, release);
  expect(await exportOf(promotion, 'REDACTED')).toMatchObject({ code: 'history-not-archived' });
  const run = await addHistory(api, promotion);
  const change = { idempotencyKey: 'before it expired' };
  expect((await exportOf(promotion, 'REDACTED', change)).documents).toHaveLength(1);
  await expire(api, run);
  for (const again of [{}, change]) {
    expect(await exportOf(promotion, 'REDACTED', again)).toMatchObject({
      __typename: 'StateConflict',
      code: 'history-expired',
    });
  }
  const settled = await addHistory(api, promotion, { settled: true });
  const rest = await exportOf(promotion, 'REDACTED');
  expect(rest.documents.map(({ runId }: Json) => runId)).toEqual([settled.runId]);

  const foreign = await addPromotion(api, release);
  const otherKeys = parseCodecKeys({
    tenants: { acme: { keyId: 'older', key: Buffer.alloc(32, 9).toString('base64') } },
  });
  await addHistory(api, foreign, { keys: otherKeys });
  expect(await exportOf(foreign, 'REDACTED')).toMatchObject({ code: 'history-key-missing' });
  expect((await exportOf(foreign, 'ENCRYPTED')).documents).toHaveLength(1);

  const lost = await archived();
  await api.database.query(
    'update sluice.workflow_histories set archive_digest = $2 where run_id = $1',
    [lost.run.runId, digestOfBytes('no such file')],
  );
  expect(await exportOf(lost.promotion, 'ENCRYPTED')).toMatchObject({ code: 'history-damaged' });
  // A file of another run is not handed out under this one's name.
  await api.database.query(
    'update sluice.workflow_histories set archive_digest = $2 where run_id = $1',
    [lost.run.runId, settled.archiveDigest],
  );
  expect(await exportOf(lost.promotion, 'REDACTED')).toMatchObject({ code: 'history-damaged' });
});

test('shows what is archived of a promotion, also after its file is gone, and to its tenant only', async () => {
  const { promotion, run } = await archived();
  await expire(api, run);
  const query = `query ($id: ID!) { promotion(id: $id) { bundleDigest histories {
    workflowId runId workflowType status eventCount buildIds bundleDigests historyDigest archiveDigest packetDigest
    statement startedAt closedAt archivedAt expiredAt } } }`;
  const answer = await api.ask(query, { id: promotion }, tokenOf('viewer'));
  expect(answer.errors).toEqual([]);
  expect(answer.data?.promotion).toMatchObject({
    bundleDigest: null,
    histories: [
      {
        ...run,
        workflowType: 'promoteRelease',
        status: 'COMPLETED',
        packetDigest: null,
        statement: { payloadType: 'application/vnd.in-toto+json' },
        expiredAt: expect.any(String),
      },
    ],
  });
  const other = await api.ask(query, { id: promotion }, tokenOf('admin', OTHER_TENANT));
  expect(other.data?.promotion).toBeNull();
});

test('workflow code is for those who may read histories', async () => {
  const digest = await addBundle(api, 'build-1', 'gzipped code');
  const query = `query ($digest: Digest!) {
    workflowBundles { digest buildId }
    workflowCode(digest: $digest) { bundle { digest sdkVersion size } content }
  }`;
  const { data, errors } = await api.ask(query, { digest }, tokenOf('release-manager'));
  expect(errors).toEqual([]);
  expect(data).toEqual({
    workflowBundles: [{ digest, buildId: 'build-1' }],
    workflowCode: {
      bundle: { digest, sdkVersion: '1.23.0', size: 1000 },
      content: Buffer.from('gzipped code').toString('base64'),
    },
  });
  const unknown = { digest: digestOfBytes('never kept') };
  expect((await api.ask(query, unknown)).data?.workflowCode).toBeNull();
  for (const field of [
    'workflowBundles { digest }',
    `workflowCode(digest: "${digest}") { content }`,
  ]) {
    const refused = await api.ask(`{ ${field} }`, {}, tokenOf('viewer'));
    expect(refused.errors[0]?.extensions.code).toBe('FORBIDDEN');
    expect(refused.errors[0]?.message).toContain('history.read');
  }
});
