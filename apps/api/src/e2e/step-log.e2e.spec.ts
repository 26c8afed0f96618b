import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { STANDARD_PIPELINE } from '@sluice/domain';
import {
  appendLogChunks,
  closeStepLog,
  openStepLog,
  type StepLogRef,
  setPromotionState,
  setStepState,
  withTenant,
} from '@sluice/persistence';
import { asTemplate, freezePipeline, logKey, writeLog } from '../testing/pipeline-scene.ts';
import { addPromotion, addRelease } from '../testing/scene.ts';
import { Subscriber, type WireMessage } from '../testing/subscriber.ts';
import {
  type Json,
  OTHER_TENANT,
  startTestApi,
  TENANT,
  type TestApi,
  tokenOf,
} from '../testing/test-api.ts';

let api: TestApi;
let releases = 0;

beforeAll(async () => {
  api = await startTestApi();
});

afterAll(async () => {
  await api?.stop();
});

/** A promotion whose step `scan` runs. */
async function runningPromotion(): Promise<string> {
  releases += 1;
  const promotionId = await addPromotion(api, await addRelease(api, `1.0.${releases}`));
  await withTenant(api.workerPool, TENANT, async (tx) => {
    await setPromotionState(tx, { promotionId, state: 'running' });
    await freezePipeline(tx, promotionId, asTemplate(STANDARD_PIPELINE));
    await setStepState(tx, { promotionId, stepId: 'scan', state: 'running' });
  });
  return promotionId;
}

const LOG = 'log { step member round attempt purpose bytes droppedBytes digest endedAt }';

async function read(variables: Json, token?: string): Promise<Json> {
  const query = `query ($promotion: ID!, $step: ID!, $member: String, $attempt: Int, $offset: Int) {
    stepLog(promotion: $promotion, step: $step, member: $member, attempt: $attempt, offset: $offset) {
      offset text nextOffset isEnd ${LOG}
    }
  }`;
  const { data, errors } = await api.ask(query, variables, token);
  expect(errors).toEqual([]);
  return data?.stepLog;
}

test('a log is read by byte offset, while it is written and when it is kept', async () => {
  const promotion = await runningPromotion();
  const text = `${'héllo wörld ✓\n'.repeat(30_000)}end`;
  await writeLog(
    api,
    logKey(promotion, 'scan'),
    [text.slice(0, 9_000), text.slice(9_000, 18_000)],
    false,
  );
  const open = await read({ promotion, step: 'scan' });
  expect(open).toMatchObject({
    offset: 0,
    isEnd: false,
    log: { attempt: 1, digest: null, bytes: null },
  });
  expect(open.text).toBe(text.slice(0, 18_000));
  await writeLog(api, logKey(promotion, 'scan'), [text.slice(0, 9_000), text.slice(9_000, 18_000)]);
  const pieces: string[] = [];
  let offset = 0;
  await writeLog(api, logKey(promotion, 'gate'), []);
  const kept = await api.evidence.put(text, { maxBytes: 10_000_000 });
  await withTenant(api.workerPool, TENANT, async (tx) => {
    const key = logKey(promotion, 'plan');
    const attempt = await openStepLog(tx, key);
    const bytes = Buffer.byteLength(text);
    await closeStepLog(tx, { ...key, attempt }, { digest: kept.digest, bytes, truncatedBytes: 7 });
  });
  for (;;) {
    const page = await read({ promotion, step: 'plan', offset });
    expect(Buffer.byteLength(page.text)).toBeLessThanOrEqual(256 * 1024);
    expect(page.offset).toBe(offset);
    pieces.push(page.text);
    offset = page.nextOffset;
    if (!page.isEnd) continue;
    expect(page.log).toMatchObject({ digest: kept.digest, droppedBytes: 7 });
    break;
  }
  expect(pieces.length).toBeGreaterThan(1);
  expect(pieces.join('')).toBe(text);
  // In the middle of a character means the next one.
  expect((await read({ promotion, step: 'plan', offset: 2 })).offset).toBe(3);
  const behind = await read({ promotion, step: 'plan', offset: 900_000_000 });
  expect(behind).toMatchObject({ text: '', isEnd: true });
  expect(await read({ promotion, step: 'verify' })).toBeNull();
  expect(await read({ promotion, step: 'scan', attempt: 9 })).toBeNull();
  expect(await read({ promotion, step: 'scan' }, tokenOf('viewer'))).not.toBeNull();
  expect(await read({ promotion, step: 'scan' }, tokenOf('admin', OTHER_TENANT))).toBeNull();
});

test('logs are listed, and searched without regard to case', async () => {
  const promotion = await runningPromotion();
  await writeLog(api, logKey(promotion, 'scan'), ['first\nThe ERROR is ', 'here\nlast\n']);
  await writeLog(api, logKey(promotion, 'deploy', 'host-1'), ['no trouble\nan error too'], false);
  const list = await api.ask(
    `query ($promotion: ID!) { stepLogs(promotion: $promotion, first: 1) {
      edges { node { step member } } pageInfo { hasNextPage endCursor } } }`,
    { promotion },
  );
  expect(list.data?.stepLogs).toMatchObject({
    edges: [{ node: { step: 'deploy', member: 'host-1' } }],
    pageInfo: { hasNextPage: true },
  });
  const query = `query ($promotion: ID!, $text: String!, $step: ID) {
    searchStepLogs(promotion: $promotion, text: $text, step: $step) {
      complete matches { line offset text log { step member } }
    }
  }`;
  const found = await api.ask(query, { promotion, text: 'Error' });
  expect(found.data?.searchStepLogs).toEqual({
    complete: true,
    matches: [
      { line: 2, offset: 11, text: 'an error too', log: { step: 'deploy', member: 'host-1' } },
      { line: 2, offset: 6, text: 'The ERROR is here', log: { step: 'scan', member: null } },
    ],
  });
  const one = await api.ask(query, { promotion, text: 'error', step: 'scan' });
  expect(one.data?.searchStepLogs.matches).toHaveLength(1);
  const many = `${'needle\n'.repeat(500)}`;
  await writeLog(api, logKey(promotion, 'plan'), [many]);
  const bounded = await api.ask(query, { promotion, text: 'needle' });
  expect(bounded.data?.searchStepLogs).toMatchObject({ complete: false });
  expect(bounded.data?.searchStepLogs.matches).toHaveLength(200);
});

const FOLLOW = `subscription ($promotion: ID!, $step: ID!, $after: String) {
  stepLogAppended(promotion: $promotion, step: $step, after: $after) { position offset text ${LOG} }
}`;

const messagesOf = (all: readonly WireMessage[]): readonly Json[] =>
  all.filter(({ type }) => type === 'next').map(({ payload }) => payload.data.stepLogAppended);

async function append(
  log: StepLogRef,
  seq: number,
  byteOffset: number,
  text: string,
): Promise<void> {
  await withTenant(api.workerPool, TENANT, (tx) =>
    appendLogChunks(tx, log, [{ seq, byteOffset, text }]),
  );
}

async function close(log: StepLogRef, text: string): Promise<void> {
  const { digest } = await api.evidence.put(text, { maxBytes: 1_000_000 });
  const kept = { digest, bytes: Buffer.byteLength(text), truncatedBytes: 0 };
  await withTenant(api.workerPool, TENANT, (tx) => closeStepLog(tx, log, kept));
}

test('a log is followed as it is written, over a broken connection, a retry and its end', async () => {
  const promotion = await runningPromotion();
  const key = logKey(promotion, 'scan');
  const open = () => withTenant(api.workerPool, TENANT, (tx) => openStepLog(tx, key));
  const first = { ...key, attempt: await open() };
  await append(first, 1, 0, 'one\n');
  const subscriber = await Subscriber.connect(api.url, tokenOf('viewer'));
  const id = subscriber.subscribe(FOLLOW, { promotion, step: 'scan' });
  await subscriber.until(() => messagesOf(subscriber.of(id)).length > 0);
  await append(first, 2, 4, 'two\n');
  await subscriber.until(() => messagesOf(subscriber.of(id)).length > 1);
  const before = messagesOf(subscriber.of(id));
  expect(before.map(({ text }) => text)).toEqual(['one\n', 'two\n']);
  subscriber.drop();
  // Written, ended and kept while nobody listens; the next attempt begins.
  await append(first, 3, 8, 'three\n');
  await close(first, 'one\ntwo\nthree\n');
  const second = { ...key, attempt: await open() };
  await append(second, 1, 0, 'again\n');
  const later = await Subscriber.connect(api.url, tokenOf('viewer'));
  const after = before[1]?.position;
  const next = later.subscribe(FOLLOW, { promotion, step: 'scan', after });
  await later.until(() => messagesOf(later.of(next)).length >= 3);
  await close(second, 'again\n');
  await withTenant(api.workerPool, TENANT, (tx) =>
    setStepState(tx, { promotionId: promotion, stepId: 'scan', state: 'succeeded' }),
  );
  await later.until(() => later.of(next).some(({ type }) => type === 'complete'));
  const got = messagesOf(later.of(next));
  expect(got.map(({ log, offset, text }) => [log.attempt, offset, text])).toEqual([
    [1, 8, 'three\n'],
    [1, 14, ''],
    [2, 0, 'again\n'],
    [2, 6, ''],
  ]);
  expect(got[1]?.log.digest).not.toBeNull();
  // From each position the rest comes, nothing twice and nothing left out.
  const all = [...before, ...got];
  for (const [at, { position }] of all.entries()) {
    const again = later.subscribe(FOLLOW, { promotion, step: 'scan', after: position });
    await later.until(() => later.of(again).some(({ type }) => type === 'complete'));
    const rest = messagesOf(later.of(again));
    const text = (list: readonly Json[]) => list.map((one) => one.text).join('');
    expect(text(rest)).toBe(text(all.slice(at + 1)));
  }
  later.drop();
});

test('what is not there can not be followed', async () => {
  const promotion = await runningPromotion();
  const subscriber = await Subscriber.connect(api.url, tokenOf('viewer'));
  const cases = [
    { promotion: 'dev/4711', step: 'scan' },
    { promotion, step: 'nothing' },
    { promotion, step: 'scan', after: '1.run.0.5' },
    { promotion, step: 'scan', after: 'x' },
  ];
  for (const variables of cases) {
    const id = subscriber.subscribe(FOLLOW, variables);
    await subscriber.until(() => subscriber.of(id).length > 0);
    expect(subscriber.of(id)[0]).toMatchObject({
      type: 'error',
      payload: [{ extensions: { code: 'BAD_USER_INPUT' } }],
    });
  }
  subscriber.drop();
});

test('a step that its promotion never had, and one that it never settled, are followed to its end', async () => {
  releases += 1;
  const none = { ...STANDARD_PIPELINE, steps: [] };
  const release = await addRelease(api, `1.0.${releases}`);
  const promotion = await addPromotion(api, release, TENANT, { pipeline: none });
  const subscriber = await Subscriber.connect(api.url, tokenOf('viewer'));
  const id = subscriber.subscribe(FOLLOW, { promotion, step: 'nothing' });
  // Its rules could not be frozen.
  await withTenant(api.workerPool, TENANT, (tx) =>
    setPromotionState(tx, {
      promotionId: promotion,
      state: 'failed',
      reason: { code: 'rules-invalid', message: 'It can not run.' },
    }),
  );
  await subscriber.until(() => subscriber.of(id).some(({ type }) => type === 'complete'));
  expect(messagesOf(subscriber.of(id))).toEqual([]);
  const later = subscriber.subscribe(FOLLOW, { promotion, step: 'nothing' });
  await subscriber.until(() => subscriber.of(later).some(({ type }) => type === 'complete'));
  subscriber.drop();
});

test('outputs are listed and read, those by reference piece by piece; what is not there any more says so', async () => {
  const promotion = await runningPromotion();
  const text = JSON.stringify(Array.from({ length: 30_000 }, (_, n) => `hôst-${n}`));
  const kept = await api.evidence.put(text, { maxBytes: 10_000_000 });
  const lost = await api.evidence.put('"lost"', { maxBytes: 100 });
  await withTenant(api.workerPool, TENANT, (tx) =>
    setStepState(tx, {
      promotionId: promotion,
      stepId: 'scan',
      state: 'succeeded',
      values: { count: 30_000, none: null },
      references: {
        hosts: { digest: kept.digest, bytes: kept.size },
        lost: { digest: lost.digest, bytes: lost.size },
        other: { digest: kept.digest, bytes: 5 },
      },
    }),
  );
  await api.evidence.remove(lost.digest);
  const list = async (step: string, token?: string) => {
    const query = `query ($promotion: ID!, $step: ID!) {
      stepOutputs(promotion: $promotion, step: $step) { name value digest bytes }
    }`;
    const { data, errors } = await api.ask(query, { promotion, step }, token);
    expect(errors).toEqual([]);
    return data?.stepOutputs;
  };
  expect(await list('scan')).toEqual([
    { name: 'count', value: 30_000, digest: null, bytes: 5 },
    { name: 'hosts', value: null, digest: kept.digest, bytes: kept.size },
    { name: 'lost', value: null, digest: lost.digest, bytes: 6 },
    { name: 'none', value: null, digest: null, bytes: 4 },
    { name: 'other', value: null, digest: kept.digest, bytes: 5 },
  ]);
  expect(await list('gate')).toEqual([]);
  expect(await list('scan', tokenOf('admin', OTHER_TENANT))).toEqual([]);
  const page = async (name: string, offset = 0): Promise<Json> => {
    const query = `query ($promotion: ID!, $name: String!, $offset: Int) {
      stepOutput(promotion: $promotion, step: "scan", name: $name, offset: $offset) {
        output { name } offset text nextOffset isEnd problem { code message }
      }
    }`;
    const { data, errors } = await api.ask(query, { promotion, name, offset });
    expect(errors).toEqual([]);
    return data?.stepOutput;
  };
  const texts: string[] = [];
  for (let offset = 0, isEnd = false; !isEnd; ) {
    const { text: piece, nextOffset, isEnd: ended, problem } = await page('hosts', offset);
    expect(problem).toBeNull();
    expect(Buffer.byteLength(piece)).toBeLessThanOrEqual(256 * 1024);
    texts.push(piece);
    [offset, isEnd] = [nextOffset, ended];
  }
  expect(texts.length).toBeGreaterThan(1);
  expect(texts.join('')).toBe(text);
  expect(await page('count')).toMatchObject({ text: '30000', isEnd: true, problem: null });
  expect(await page('unknown')).toBeNull();
  for (const [name, code] of [
    ['lost', 'output-unavailable'],
    ['other', 'output-changed'],
  ] as const) {
    expect(await page(name)).toMatchObject({ text: null, isEnd: true, problem: { code } });
  }
});
