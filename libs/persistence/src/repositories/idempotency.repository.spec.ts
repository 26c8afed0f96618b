import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import type { Pool } from '../pool.ts';
import { createTestDatabase, type TestDatabase } from '../testing/index.ts';
import { withTenant } from '../transaction.ts';
import { answerOnce } from './idempotency.repository.ts';

let database: TestDatabase;
let app: Pool;

beforeAll(async () => {
  database = await createTestDatabase();
  await database.addTenant('acme');
  await database.addTenant('other');
  app = database.poolOf('sluice_app', { max: 12 });
});

afterAll(() => database.drop());

function ask<T>(key: string, give: () => Promise<T>, payloadDigest = 'sha256:a', tenant = 'acme') {
  const names = { principalId: 'alice', operation: 'createRelease', key, payloadDigest };
  return withTenant(app, tenant, (tx) => answerOnce(tx, names, give));
}

test('the same key and payload give the first answer, and do nothing a second time', async () => {
  const give = jest.fn(async () => ({ id: 1, none: null }));
  expect(await ask('same', give)).toEqual({ kind: 'first', answer: { id: 1, none: null } });
  expect(await ask('same', give)).toEqual({ kind: 'repeated', answer: { id: 1, none: null } });
  expect(give).toHaveBeenCalledTimes(1);
});

test('another payload with the key is a conflict and does nothing', async () => {
  const give = jest.fn(async () => 1);
  await ask('conflict', give);
  expect(await ask('conflict', give, 'sha256:b')).toEqual({ kind: 'conflict' });
  expect(give).toHaveBeenCalledTimes(1);
});

test('the key of another tenant, principal or mutation is another key', async () => {
  expect(await ask('apart', async () => 1)).toMatchObject({ kind: 'first' });
  expect(await ask('apart', async () => 2, 'sha256:b', 'other')).toMatchObject({ kind: 'first' });
});

test('of many at the same time one gives the answer and the others wait for it', async () => {
  let running = 0;
  const give = jest.fn(async () => {
    running += 1;
    await new Promise((resolve) => setTimeout(resolve, 100));
    return running;
  });
  const answers = await Promise.all(Array.from({ length: 10 }, () => ask('many', give)));
  expect(give).toHaveBeenCalledTimes(1);
  expect(answers.map(({ kind }) => kind).sort()).toEqual(['first', ...Array(9).fill('repeated')]);
  expect(answers.every((one) => one.kind !== 'conflict' && one.answer === 1)).toBe(true);
});

test('an answer that fails leaves the key free, and the waiter does the work', async () => {
  const failing = ask('failing', async () => {
    await new Promise((resolve) => setTimeout(resolve, 50));
    throw new Error('no');
  });
  await new Promise((resolve) => setTimeout(resolve, 20));
  const waiting = ask('failing', async () => 2);
  await expect(failing).rejects.toThrow('no');
  expect(await waiting).toEqual({ kind: 'first', answer: 2 });
});
