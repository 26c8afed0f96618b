import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { digestOfBytes } from '@sluice/pure';
import { createListener } from '../listener.ts';
import { createScene, createTestDatabase, type TestDatabase } from '../testing/index.ts';
import { type Tx, withTenant } from '../transaction.ts';
import {
  appendLogChunks,
  closeStepLog,
  findStepLog,
  listLogChunksAfter,
  listOpenStepLogs,
  listStepLogs,
  openStepLog,
  STEP_LOGS_CHANNEL,
  type StepLogKey,
  stepLogsPayload,
  sumStepLogs,
} from './step-log.repository.ts';

let database: TestDatabase;
let promotionId: string;
beforeAll(async () => {
  database = await createTestDatabase();
  promotionId = (await createScene(database)).promotion.promotionId;
});
afterAll(() => database.drop());

const inTenant = <T>(work: (tx: Tx) => Promise<T>): Promise<T> =>
  withTenant(database.poolOf('sluice_worker', { max: 2 }), 'acme', work);

const keyOf = (stepId: string, memberKey = ''): StepLogKey => ({
  promotionId,
  stepId,
  round: 1,
  memberKey,
  stream: 'run',
});

test('chunks are read from any byte on, and give way to the whole log', async () => {
  const heard: string[] = [];
  const listener = createListener({
    connectionString: database.urlOf('sluice_app'),
    channels: [STEP_LOGS_CHANNEL],
    onNotify: ({ payload }) => heard.push(payload),
  });
  await listener.ready;
  const key = keyOf('scan');
  const log = { ...key, attempt: await inTenant((tx) => openStepLog(tx, key)) };
  const chunks = [
    { seq: 1, byteOffset: 0, text: 'grüße\n' },
    { seq: 2, byteOffset: 8, text: 'more\n' },
  ];
  expect(await inTenant((tx) => appendLogChunks(tx, log, chunks))).toBe(true);
  expect(await inTenant((tx) => appendLogChunks(tx, log, chunks))).toBe(true);
  const after = (afterOffset: number) =>
    inTenant((tx) => listLogChunksAfter(tx, log, { afterOffset, limit: 10 }));
  expect(await after(0)).toEqual(chunks);
  expect(await after(7)).toEqual(chunks);
  expect(await after(8)).toEqual(chunks.slice(1));
  expect(await after(13)).toEqual([]);
  expect(await inTenant((tx) => findStepLog(tx, log))).toMatchObject({ digest: null, bytes: 0 });
  expect(await inTenant((tx) => listOpenStepLogs(tx, { promotionId }))).toEqual([log]);

  const kept = { digest: digestOfBytes('log'), bytes: 13, truncatedBytes: 2 };
  expect(await inTenant((tx) => closeStepLog(tx, log, kept))).toBe(true);
  expect(await inTenant((tx) => closeStepLog(tx, log, kept))).toBe(false);
  expect(await inTenant((tx) => appendLogChunks(tx, log, chunks))).toBe(false);
  expect(await after(0)).toEqual([]);
  expect(await inTenant((tx) => findStepLog(tx, log))).toMatchObject({
    ...kept,
    endedAt: expect.any(String),
  });
  for (let tries = 0; heard.length < 3 && tries < 50; tries += 1) {
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  await listener.close();
  // Equal ones of one transaction are one; each chunk's transaction and the end tell.
  expect(heard).toEqual([1, 2, 3].map(() => stepLogsPayload('acme', promotionId, 'scan')));
});

test('what a promotion’s logs take up is counted as each ends, and looked up for those that are open', async () => {
  const { promotion } = await createScene(database, 'initech');
  const inOther = <T>(work: (tx: Tx) => Promise<T>): Promise<T> =>
    withTenant(database.poolOf('sluice_worker', { max: 2 }), 'initech', work);
  const of = (stepId: string, memberKey: string) => ({
    ...keyOf(stepId, memberKey),
    promotionId: promotion.promotionId,
  });
  const sum = () => inOther((tx) => sumStepLogs(tx, promotion.promotionId));
  const end = (key: StepLogKey, attempt: number, bytes: number) =>
    inOther((tx) =>
      closeStepLog(
        tx,
        { ...key, attempt },
        { digest: digestOfBytes('x'), bytes, truncatedBytes: 5 },
      ),
    );
  expect(await sum()).toBe(0);
  for (const [key, bytes] of [
    [of('scan', 'a'), 100],
    [of('scan', 'b'), 20],
    [of('gate', ''), 3],
  ] as const) {
    const attempt = await inOther((tx) => openStepLog(tx, key));
    expect(await Promise.all([1, 2].map(() => end(key, attempt, bytes)))).toContain(true);
    expect(await end(key, attempt, bytes)).toBe(false);
  }
  expect(await sum()).toBe(123);
  const open = of('gate', 'c');
  const log = { ...open, attempt: await inOther((tx) => openStepLog(tx, open)) };
  expect(await sum()).toBe(123);
  const chunks = [
    { seq: 1, byteOffset: 0, text: 'x'.repeat(1000) },
    { seq: 2, byteOffset: 1000, text: 'y' },
  ];
  await inOther((tx) => appendLogChunks(tx, log, chunks));
  expect(await sum()).toBe(1123);
  await end(open, log.attempt, 1001);
  expect(await sum()).toBe(1124);
});

test('attempts are counted, also when two begin at once, and listed in their order', async () => {
  const attempts = await Promise.all(
    [1, 2, 3].map(() => inTenant((tx) => openStepLog(tx, keyOf('gate')))),
  );
  expect(attempts.sort()).toEqual([1, 2, 3]);
  await inTenant((tx) => openStepLog(tx, keyOf('gate', 'dev-1')));
  const first = await inTenant((tx) => listStepLogs(tx, { promotionId, stepId: 'gate', first: 3 }));
  expect(first.edges.map(({ node }) => [node.memberKey, node.attempt])).toEqual([
    ['', 1],
    ['', 2],
    ['', 3],
  ]);
  const { endCursor: after } = first;
  const rest = await inTenant((tx) =>
    listStepLogs(tx, { promotionId, stepId: 'gate', first: 3, after }),
  );
  expect(rest.edges.map(({ node }) => node.memberKey)).toEqual(['dev-1']);
  const open = await inTenant((tx) => listOpenStepLogs(tx, { promotionId, stepId: 'gate' }));
  expect(open).toHaveLength(4);
  const behind = await inTenant((tx) =>
    listOpenStepLogs(tx, { promotionId, stepId: 'gate', after: open[1] }),
  );
  expect(behind).toEqual(open.slice(2));
});
