import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import type { Pool } from '../pool.ts';
import { createTestDatabase, type TestDatabase } from '../testing/index.ts';
import { type Tx, withTenant } from '../transaction.ts';
import { findLease, getLease, listLeaseQueues, listUnready } from './lease.read-model.ts';
import {
  enterQueue,
  preemptLease,
  releaseLease,
  takeLease,
  takeLeases,
  yieldLease,
} from './lease.repository.ts';

let database: TestDatabase;
let worker: Pool;
let resource: string;
let count = 0;
const inWorker = <T>(work: (tx: Tx) => Promise<T>) => withTenant(worker, 'acme', work);
const take = (holder: string) => inWorker((tx) => takeLease(tx, { resource, holder }));
const enter = (holder: string) => inWorker((tx) => enterQueue(tx, { resource, holder }));
const giveWay = (holder: string) => inWorker((tx) => yieldLease(tx, { resource, holder }));
const preempt = (holder: string) => inWorker((tx) => preemptLease(tx, { resource, holder }));
const queue = async () => {
  const places = await inWorker((tx) => listLeaseQueues(tx, [resource]));
  return places.map(({ holder, ready }) => [holder.slice('promotion:'.length), ready]);
};
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

test('a place is entered once, is not ready, is overtaken and kept', async () => {
  expect(await enter('promotion:a')).toBe(true);
  expect(await enter('promotion:a')).toBe(false);
  expect(await enter('promotion:b')).toBe(true);
  expect(await enter('promotion:c')).toBe(true);
  expect(await inWorker((tx) => getLease(tx, resource))).toMatchObject({ holder: null });
  expect(await take('promotion:b')).toEqual({ state: 'granted', fencingToken: 1 });
  expect(await enter('promotion:b')).toBe(false);
  expect(await take('promotion:c')).toEqual({
    state: 'queued',
    position: 2,
    holder: 'promotion:b',
  });
  expect(await queue()).toEqual([
    ['a', false],
    ['c', true],
  ]);
  expect(await inWorker((tx) => listUnready(tx, resource))).toEqual(['promotion:a']);
  expect((await release('promotion:b')).grantedTo).toMatchObject({ holder: 'promotion:c' });
  expect(await take('promotion:a')).toMatchObject({ state: 'queued', position: 1 });
  expect(await inWorker((tx) => listUnready(tx, resource))).toEqual([]);
  expect((await release('promotion:c')).grantedTo).toMatchObject({ holder: 'promotion:a' });
});

test('whoever yields goes back to their old place, and the next one that is ready holds it', async () => {
  for (const holder of ['a', 'b', 'c', 'd']) await enter(`promotion:${holder}`);
  const entered = await inWorker((tx) => listLeaseQueues(tx, [resource]));
  await take('promotion:b');
  await take('promotion:d');
  await enter('promotion:e');
  expect(await giveWay('promotion:b')).toEqual({
    grantedTo: { resource, holder: 'promotion:d', fencingToken: 2 },
  });
  expect(await queue()).toEqual([
    ['a', false],
    ['b', false],
    ['c', false],
    ['e', false],
  ]);
  const places = await inWorker((tx) => listLeaseQueues(tx, [resource]));
  expect(places[1]).toEqual(entered[1]);
  // Said twice, and by somebody who holds nothing: nothing happens.
  expect(await giveWay('promotion:b')).toEqual({ grantedTo: null });
  expect(await giveWay('promotion:c')).toEqual({ grantedTo: null });
  await take('promotion:e');
  expect(await take('promotion:b')).toEqual({
    state: 'queued',
    position: 2,
    holder: 'promotion:d',
  });
  expect((await release('promotion:d')).grantedTo).toMatchObject({ holder: 'promotion:b' });
  expect(await giveWay('promotion:b')).toMatchObject({ grantedTo: { holder: 'promotion:e' } });
  expect((await release('promotion:e')).grantedTo).toBeNull();
  expect(await take('promotion:b')).toMatchObject({ state: 'granted', fencingToken: 5 });
});

test('a rollback takes the lease past the queue with a higher token, and learns from whom', async () => {
  for (const holder of ['a', 'b', 'c']) await enter(`promotion:${holder}`);
  await take('promotion:a');
  await take('promotion:b');
  expect(await preempt('promotion:r')).toEqual({ fencingToken: 2, previous: 'promotion:a' });
  expect(await preempt('promotion:r')).toEqual({ fencingToken: 2, previous: null });
  expect(await preempt('promotion:s')).toEqual({ fencingToken: 3, previous: 'promotion:r' });
  expect(await queue()).toEqual([
    ['b', true],
    ['c', false],
  ]);
  expect(await release('promotion:a')).toEqual({ released: false, grantedTo: null });
  expect(await giveWay('promotion:a')).toEqual({ grantedTo: null });
  expect((await release('promotion:s')).grantedTo).toEqual({
    resource,
    holder: 'promotion:b',
    fencingToken: 4,
  });
});

test('a free lease, and one that nobody asked for, are taken by a rollback too', async () => {
  expect(await preempt('promotion:r')).toEqual({ fencingToken: 1, previous: null });
  expect(await giveWay('promotion:r')).toEqual({ grantedTo: null });
  expect(await queue()).toEqual([['r', false]]);
  expect(await preempt('promotion:r')).toEqual({ fencingToken: 2, previous: null });
  expect(await queue()).toEqual([]);
});

test('rollbacks at the same time follow one another, each with a higher token', async () => {
  await take('promotion:a');
  const holders = Array.from({ length: 8 }, (_, n) => `promotion:r${n}`);
  const answers = await Promise.all(holders.map(preempt));
  expect(answers.map(({ fencingToken }) => fencingToken).sort((a, b) => a - b)).toEqual(
    holders.map((_, n) => n + 2),
  );
  const lease = await inWorker((tx) => getLease(tx, resource));
  const everyone = answers.map(({ previous }) => previous).concat(lease.holder);
  expect(everyone.sort()).toEqual(['promotion:a', ...holders]);
});

test('takers, yielders and rollbacks at the same time: one holds it, and the tokens only rise', async () => {
  const holders = Array.from({ length: 10 }, (_, n) => `promotion:${n}`);
  for (const holder of holders) await enter(holder);
  const tokens: number[] = [];
  await Promise.all(
    holders.map(async (holder, n) => {
      for (let turn = 0; turn < 5; turn += 1) {
        const answer = await take(holder);
        if (answer.state === 'granted') tokens.push(answer.fencingToken);
        await (n % 3 === 0 ? giveWay(holder) : take(holder));
        if (n % 5 === 4) tokens.push((await preempt(holder)).fencingToken);
      }
    }),
  );
  const { fencingToken } = await inWorker((tx) => getLease(tx, resource));
  expect(Math.max(...tokens)).toBeLessThanOrEqual(fencingToken);
  const waiting = await queue();
  expect(new Set(waiting.map(([holder]) => holder)).size).toBe(waiting.length);
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
  expect(await giveWay('promotion:a')).toEqual({ grantedTo: null });
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
