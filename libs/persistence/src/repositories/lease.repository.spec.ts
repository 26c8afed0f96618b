import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import type { Pool } from '../pool.ts';
import { createTestDatabase, type TestDatabase } from '../testing/index.ts';
import { type Tx, withTenant } from '../transaction.ts';
import {
  findLease,
  getLease,
  listLeaseQueues,
  releaseLease,
  setLeaseReady,
  takeLease,
  takeLeases,
} from './lease.repository.ts';

let database: TestDatabase;
let worker: Pool;
let resource: string;
let count = 0;
const inWorker = <T>(work: (tx: Tx) => Promise<T>) => withTenant(worker, 'acme', work);
const take = (holder: string) => inWorker((tx) => takeLease(tx, { resource, holder }));
const release = (holder: string) => inWorker((tx) => releaseLease(tx, { resource, holder }));

beforeAll(async () => {
  database = await createTestDatabase();
  await database.addTenant('acme');
  worker = database.poolOf('sluice_worker', { max: 20 });
});

beforeEach(() => {
  count += 1;
  resource = `environment:dev-${count}`;
});

afterAll(() => database.drop());

test('the first holds it with token 1, the others wait in line', async () => {
  expect(await take('promotion:a')).toEqual({ state: 'granted', fencingToken: 1 });
  expect(await take('promotion:b')).toEqual({
    state: 'queued',
    position: 1,
    holder: 'promotion:a',
  });
  expect(await take('promotion:c')).toMatchObject({ state: 'queued', position: 2 });
  expect(await take('promotion:b')).toMatchObject({ state: 'queued', position: 1 });
  expect(await take('promotion:a')).toEqual({ state: 'granted', fencingToken: 1 });
});

test('giving it back grants it to the next, with the next token', async () => {
  await take('promotion:a');
  await take('promotion:b');
  await take('promotion:c');
  expect(await release('promotion:a')).toEqual({
    released: true,
    grantedTo: { resource, holder: 'promotion:b', fencingToken: 2 },
  });
  expect(await take('promotion:b')).toEqual({ state: 'granted', fencingToken: 2 });
  expect(await take('promotion:c')).toMatchObject({ position: 1, holder: 'promotion:b' });
  expect(await release('promotion:a')).toEqual({ released: false, grantedTo: null });
});

test('the token never goes down, also when nobody held it for a while', async () => {
  await take('promotion:a');
  await release('promotion:a');
  expect(await inWorker((tx) => getLease(tx, resource))).toMatchObject({
    holder: null,
    fencingToken: 1,
    acquiredAt: null,
  });
  expect(await take('promotion:a')).toEqual({ state: 'granted', fencingToken: 2 });
});

test('whoever leaves the queue is not granted anything', async () => {
  await take('promotion:a');
  await take('promotion:b');
  await take('promotion:c');
  expect(await release('promotion:b')).toEqual({ released: true, grantedTo: null });
  expect((await release('promotion:a')).grantedTo).toMatchObject({ holder: 'promotion:c' });
});

test('one that is not ready keeps its place and is overtaken', async () => {
  await take('promotion:a');
  await take('promotion:b');
  await take('promotion:c');
  const ready = (holder: string, value: boolean) =>
    inWorker((tx) => setLeaseReady(tx, { resource, holder, ready: value }));
  expect(await ready('promotion:b', false)).toBeNull();
  expect((await release('promotion:a')).grantedTo).toMatchObject({ holder: 'promotion:c' });
  const queue = await inWorker((tx) => listLeaseQueues(tx, [resource]));
  expect(queue.map(({ holder, ready: can }) => [holder, can])).toEqual([['promotion:b', false]]);
  expect((await release('promotion:c')).grantedTo).toBeNull();
  expect(await take('promotion:b')).toEqual({
    state: 'queued',
    position: 1,
    holder: 'promotion:b',
  });
  expect(await ready('promotion:b', true)).toEqual({
    resource,
    holder: 'promotion:b',
    fencingToken: 3,
  });
});

test('of many at the same time one holds it, and all get it in turn with rising tokens', async () => {
  const holders = Array.from({ length: 12 }, (_, n) => `promotion:${n}`);
  const answers = await Promise.all(holders.map(take));
  expect(answers.filter(({ state }) => state === 'granted')).toHaveLength(1);
  const tokens: number[] = [];
  for (;;) {
    const lease = await inWorker((tx) => getLease(tx, resource));
    if (lease.holder === null) break;
    tokens.push(lease.fencingToken);
    await release(lease.holder);
  }
  expect(tokens).toEqual(Array.from({ length: 12 }, (_, n) => n + 1));
});

test('several leases are taken in sorted order, so that nobody waits in a circle', async () => {
  const [a, b] = [`${resource}-a`, `${resource}-b`];
  const takeBoth = (holder: string, resources: string[]) =>
    inWorker((tx) => takeLeases(tx, { resources, holder }));
  const answers = await Promise.all(
    Array.from({ length: 10 }, (_, n) => takeBoth(`promotion:${n}`, n % 2 === 0 ? [a, b] : [b, a])),
  );
  const both = answers.filter(
    (answer) => answer.get(a)?.state === 'granted' && answer.get(b)?.state === 'granted',
  );
  expect(both).toHaveLength(1);
});

test('a lease that nobody asked for is not there', async () => {
  expect(await inWorker((tx) => findLease(tx, resource))).toBeUndefined();
  expect(await release('promotion:a')).toEqual({ released: false, grantedTo: null });
  await expect(inWorker((tx) => getLease(tx, resource))).rejects.toMatchObject({
    code: 'not-found',
  });
});

test('a lease that is taken in a transaction that fails stays free', async () => {
  await expect(
    inWorker(async (tx) => {
      await takeLease(tx, { resource, holder: 'promotion:a' });
      throw new Error('no');
    }),
  ).rejects.toThrow('no');
  expect(await take('promotion:b')).toEqual({ state: 'granted', fencingToken: 1 });
});
