import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { createFolderStore, type EvidenceStore } from '@sluice/evidence-store';
import { createLogger } from '@sluice/observability';
import {
  findEvidence,
  listLogChunksAfter,
  listOpenStepLogs,
  listStepLogs,
  type StepLogKey,
  type StepLogRecord,
  type Tx,
  withTenant,
} from '@sluice/persistence';
import {
  createPromotionScene,
  type PromotionScene,
  SCENE_TENANT,
} from '../testing/promotion-scene.ts';
import { keepOpenStepLogs } from './keep-step-log.ts';
import { createStepLog, type StepLog, type StepLogOptions, type StepLogParts } from './step-log.ts';
import { createStepLogRecords } from './step-log-records.ts';

let folder: string;
let evidence: EvidenceStore;
let scene: PromotionScene;
let release: string;
let key: StepLogKey;
let problems: string[];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-step-log-'));
  evidence = createFolderStore(folder);
  scene = await createPromotionScene();
  release = await scene.addRelease('1.0.0');
});

beforeEach(async () => {
  const { promotionId } = await scene.addPromotion(release);
  key = { promotionId, stepId: 'scan', round: 1, memberKey: '', stream: 'run' };
  problems = [];
});

afterAll(async () => {
  await scene.database.drop();
  await rm(folder, { recursive: true });
});

function parts(): StepLogParts {
  return {
    pool: scene.worker,
    evidence,
    logger: createLogger({ service: 'test', level: 'silent' }),
    observe: (activity, outcome) => problems.push(`${activity} ${outcome}`),
  };
}

function open(options?: StepLogOptions, changed: Partial<StepLogParts> = {}): StepLog {
  return createStepLog({ ...parts(), ...changed }, { tenantId: SCENE_TENANT, ...key }, options);
}

const asWorker = <T>(work: (tx: Tx) => Promise<T>): Promise<T> =>
  withTenant(scene.worker, SCENE_TENANT, work);

async function listAll(): Promise<readonly StepLogRecord[]> {
  const { promotionId } = key;
  const page = await asWorker((tx) => listStepLogs(tx, { promotionId, first: 100 }));
  return page.edges.map(({ node }) => node);
}

const chunksOf = (attempt: number, afterOffset = 0) =>
  asWorker((tx) => listLogChunksAfter(tx, { ...key, attempt }, { afterOffset, limit: 1000 }));

async function readBlob({ digest }: StepLogRecord): Promise<string> {
  const bytes = await evidence.getBytes(digest ?? '', { maxBytes: 1e9 });
  return Buffer.from(bytes).toString('utf8');
}

test('a log that is short in time is kept by its digest alone', async () => {
  const log = open();
  log.write('one\n');
  log.write(Buffer.from('two\xff\n', 'latin1'));
  await log.close();
  await log.close();
  log.write('late');
  const [record, ...others] = await listAll();
  expect(others).toEqual([]);
  expect(record).toMatchObject({ ...key, attempt: 1, bytes: 12, truncatedBytes: 0 });
  expect(await readBlob(record as StepLogRecord)).toBe('one\ntwo\\xff\n');
  const noted = await asWorker((tx) => findEvidence(tx, record?.digest ?? ''));
  expect(noted).toMatchObject({ mediaType: 'text/plain', size: 12 });
  expect(await chunksOf(1)).toEqual([]);
  expect(problems).toEqual([]);
});

test('logs of one promotion are bounded together: what is cut says so, and the first lines of each are kept', async () => {
  const of = (memberKey: string, text: string): StepLog => {
    const log = createStepLog(
      parts(),
      { tenantId: SCENE_TENANT, ...key, memberKey },
      { promotionLimitBytes: 10_000, flushMilliseconds: 10 },
    );
    log.write(text);
    return log;
  };
  await of('a', 'a'.repeat(6000)).close();
  // One that is being written counts up to its last chunk.
  const open = of('b', 'b'.repeat(1000));
  const stored = () => asWorker((tx) => listOpenStepLogs(tx, { promotionId: key.promotionId }));
  await until(async () => (await stored()).length === 1);
  open.write('B'.repeat(1000));
  const offsetsOfB = async (): Promise<readonly number[]> => {
    const ref = { ...key, memberKey: 'b', attempt: 1 };
    const chunks = await asWorker((tx) =>
      listLogChunksAfter(tx, ref, { afterOffset: 0, limit: 10 }),
    );
    return chunks.map(({ byteOffset }) => byteOffset);
  };
  await until(async () => (await offsetsOfB()).includes(1000));
  await of('c', `${'c'.repeat(2999)}€${'c'.repeat(500)}`).close();
  await open.close();
  await of('d', 'd'.repeat(1000)).close();
  await of('e', 'e'.repeat(2000)).close();
  const logs = await listAll();
  expect(logs.map(({ truncatedBytes }) => truncatedBytes)).toEqual([0, 0, 503, 0, 976]);
  expect(await readBlob(logs[2] as StepLogRecord)).toBe(
    `${'c'.repeat(2999)}\n[sluice: 503 bytes are left out here; of all logs of a promotion about 10000 are kept]\n`,
  );
  expect(problems).toEqual([]);
});

test('a step that writes nothing leaves nothing', async () => {
  const log = open();
  log.write('');
  await log.close();
  expect(await listAll()).toEqual([]);
});

test('what is written can be read soon, and the chunks are the log', async () => {
  const log = open({ flushMilliseconds: 20 });
  let written = '';
  const write = (text: string): void => {
    log.write(text);
    written += text;
  };
  write('begun ');
  await until(async () => (await chunksOf(1)).length === 1);
  expect(await chunksOf(1)).toEqual([{ seq: 1, byteOffset: 0, text: 'begun ' }]);
  // More than many chunks, with characters that lie across their borders.
  for (let index = 0; index < 200; index += 1) write(`${'é€😀'.repeat(500)}${index}\n`);
  await until(async () => {
    const last = (await chunksOf(1)).at(-1);
    return (
      last !== undefined &&
      last.byteOffset + Buffer.byteLength(last.text) === Buffer.byteLength(written)
    );
  });
  const chunks = await chunksOf(1);
  expect(chunks.map(({ text }) => text).join('')).toBe(written);
  expect(Math.max(...chunks.map(({ text }) => Buffer.byteLength(text)))).toBeLessThanOrEqual(
    32_768,
  );
  write('end');
  await log.close();
  const [record] = await listAll();
  expect(record).toMatchObject({ bytes: Buffer.byteLength(written), truncatedBytes: 0 });
  expect(await readBlob(record as StepLogRecord)).toBe(written);
  expect(await chunksOf(1)).toEqual([]);
});

test('secrets that the step reads are masked, in pieces and encoded', async () => {
  const log = open({ flushMilliseconds: 5 });
  log.write('before\n');
  log.hide('correct-horse');
  for (const letter of 'a correct-horse b') {
    log.write(letter);
    await delay(2);
  }
  log.write(`\n${Buffer.from('x:correct-horse').toString('base64')}\ncorrect-`);
  await log.close();
  const text = await readBlob((await listAll())[0] as StepLogRecord);
  expect(text).toMatch(/^before\na \*\*\* b\n.{2,4}\*\*\*.{0,2}\ncorrect-$/);
});

test('beyond its bound a log is cut, and says so', async () => {
  const log = open({ limitBytes: 100, flushMilliseconds: 5 });
  log.write('€'.repeat(40));
  await delay(30);
  for (let index = 0; index < 1000; index += 1) log.write('more');
  await log.close();
  const [record] = await listAll();
  const text = await readBlob(record as StepLogRecord);
  // No character is cut in two.
  expect(text).toBe(
    `${'€'.repeat(33)}\n[sluice: 4021 bytes are left out here; of a step's log 100 are kept]\n`,
  );
  expect(record).toMatchObject({ truncatedBytes: 4021, bytes: Buffer.byteLength(text) });
});

test('what a worker left that died is kept by the next attempt, and nothing is added to it', async () => {
  const died = open({ flushMilliseconds: 5 });
  died.write('first attempt\n');
  await until(async () => (await chunksOf(1)).length > 0);
  const next = open({ flushMilliseconds: 5 });
  next.write('second attempt\n');
  await until(async () => (await chunksOf(2)).length > 0);
  await until(async () => (await listAll())[0]?.digest !== null);
  // It was cut off and did not die.
  died.write('still there\n');
  await delay(100);
  died.write('and there\n');
  await died.close();
  await next.close();
  const records = await listAll();
  expect(records.map(({ attempt }) => attempt)).toEqual([1, 2]);
  expect(await Promise.all(records.map(readBlob))).toEqual(['first attempt\n', 'second attempt\n']);
  expect([...(await chunksOf(1)), ...(await chunksOf(2))]).toEqual([]);
  expect(problems).toEqual(['stepLog failed']);
});

test('what nobody came back for is kept when the promotion is sealed', async () => {
  for (const stepId of ['scan', 'gate']) {
    const died = createStepLog(
      parts(),
      { tenantId: SCENE_TENANT, ...key, stepId },
      { flushMilliseconds: 5 },
    );
    died.write(`of ${stepId}`);
  }
  const { promotionId } = key;
  const isOpen = () => asWorker((tx) => listOpenStepLogs(tx, { promotionId }));
  await until(async () => (await isOpen()).length === 2);
  const sealing = () => keepOpenStepLogs(parts(), { tenantId: SCENE_TENANT, promotionId });
  await sealing();
  await sealing();
  expect(await isOpen()).toEqual([]);
  const texts = await Promise.all((await listAll()).map(readBlob));
  expect(texts.sort()).toEqual(['of gate', 'of scan']);
});

test('logs that cannot be kept do not stand before those behind them', async () => {
  for (const stepId of ['gate', 'scan']) {
    const died = createStepLog(
      parts(),
      { tenantId: SCENE_TENANT, ...key, stepId },
      { flushMilliseconds: 5 },
    );
    died.write(`of ${stepId}`);
  }
  const { promotionId } = key;
  const isOpen = () => asWorker((tx) => listOpenStepLogs(tx, { promotionId }));
  await until(async () => (await isOpen()).length === 2);
  const real = createStepLogRecords(scene.worker, SCENE_TENANT);
  const records = {
    ...real,
    listOpen: async (...open: Parameters<typeof real.listOpen>) =>
      (await real.listOpen(...open)).slice(0, 1),
    close: (...args: Parameters<typeof real.close>) =>
      args[0].stepId === 'gate' ? Promise.reject(new Error('stuck')) : real.close(...args),
  };
  await keepOpenStepLogs({ ...parts(), records }, { tenantId: SCENE_TENANT, promotionId });
  expect((await isOpen()).map(({ stepId }) => stepId)).toEqual(['gate']);
});

test('a database that is away delays a log and loses nothing of it', async () => {
  const real = createStepLogRecords(scene.worker, SCENE_TENANT);
  let away = false;
  const records = {
    ...real,
    append: (...args: Parameters<typeof real.append>) =>
      away ? Promise.reject(new Error('away')) : real.append(...args),
  };
  const log = open({ flushMilliseconds: 5 }, { records });
  log.write('one ');
  await until(async () => (await chunksOf(1)).length === 1);
  away = true;
  log.write('two ');
  await until(async () => problems.length === 1);
  log.write('three ');
  away = false;
  await log.close();
  expect(await readBlob((await listAll())[0] as StepLogRecord)).toBe('one two three ');
  expect(problems).toEqual(['stepLog failed']);
});

test('a log that cannot be kept fails nobody, and its chunks stay for another time', async () => {
  const full = { ...evidence, put: () => Promise.reject(new Error('the disk is full')) };
  const log = open({ flushMilliseconds: 5 }, { evidence: full });
  log.write('kept later');
  await until(async () => (await chunksOf(1)).length === 1);
  await log.close();
  expect(problems).toEqual(['stepLog failed']);
  expect(await chunksOf(1)).toHaveLength(1);
  await keepOpenStepLogs(parts(), { tenantId: SCENE_TENANT, promotionId: key.promotionId });
  expect(await readBlob((await listAll())[0] as StepLogRecord)).toBe('kept later');

  const whole = open(undefined, { evidence: full });
  whole.write('never stored');
  await whole.close();
  expect(problems).toEqual(['stepLog failed', 'stepLog failed']);
});

test('members, rounds and compensations have logs of their own', async () => {
  const texts = ['a', 'b', 'undo', 'again'];
  const keys: Partial<StepLogKey>[] = [
    { memberKey: 'a' },
    { memberKey: 'b' },
    { stream: 'compensation' },
    { round: 2 },
  ];
  await Promise.all(
    keys.map(async (changed, index) => {
      const log = createStepLog(parts(), { tenantId: SCENE_TENANT, ...key, ...changed });
      log.write(texts[index] ?? '');
      await log.close();
    }),
  );
  const records = await listAll();
  expect(records.map(({ attempt }) => attempt)).toEqual([1, 1, 1, 1]);
  expect((await Promise.all(records.map(readBlob))).sort()).toEqual([...texts].sort());
});

async function until(holds: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 500; tries += 1) {
    if (await holds()) return;
    await delay(20);
  }
  throw new Error('It did not come about in 10 s.');
}
