import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { findDisagreements } from '../support/agreement.ts';
import { REQUEST_PROMOTION } from '../support/documents.ts';
import { startTestStack, type TestStack } from '../support/e2e-stack.ts';
import { serviceImage } from '../support/service-images.ts';
import { type Answered, StackClient } from '../support/stack-client.ts';

const AWAY_SECONDS = 60;
let made: TestStack;
let second: StackClient;

beforeAll(async () => {
  made = await startTestStack({
    images: ['1.0.0', '2.0.0', '3.0.0'].map((tag) => serviceImage(tag)),
    scannerMode: 'clean',
    apis: 2,
    environments: [
      { name: 'first', position: 1 },
      { name: 'second', position: 2 },
      { name: 'third', position: 3 },
      { name: 'aside', position: 9, after: [] },
    ],
    targets: ['first', 'second', 'third', 'aside'].map((environment) => ({
      name: `host-${environment}`,
      environment,
    })),
  });
  const { stack } = made;
  second = new StackClient({ graphqlUrl: stack.graphqlUrls[1] ?? '', tokens: stack.tokens });
}, 120_000);

afterAll(async () => {
  await made?.remove();
});

async function ask(
  client: StackClient,
  release: string,
  environment: string,
  idempotencyKey: string = randomUUID(),
): Promise<Answered<{ readonly id: string }>> {
  const { data, errors } = await client.post<{ requestPromotion: Answered<{ id: string }> }>(
    REQUEST_PROMOTION,
    { input: { release, environment, idempotencyKey } },
  );
  if (data === null) throw new Error(JSON.stringify(errors));
  return data.requestPromotion;
}

test('a release reaches an environment only as the digest that was verified before', async () => {
  const { client, stack } = made;
  const release = await client.release('1.0.0');
  expect(await ask(client, release.id, 'second')).toMatchObject({
    __typename: 'StateConflict',
    code: 'predecessor-not-verified',
  });
  await client.promote(release.id, 'first', 90);
  expect(await ask(client, release.id, 'third')).toMatchObject({
    code: 'predecessor-not-verified',
  });
  for (const environment of ['second', 'third']) {
    const promotion = await client.promote(release.id, environment, 90);
    expect(promotion).toMatchObject({ state: 'SUCCEEDED' });
    expect(await findDisagreements(stack, promotion)).toEqual([]);
  }
}, 180_000);

test('asked twice with one key, at once and through two API processes: one promotion', async () => {
  const { client } = made;
  const release = await client.release('2.0.0');
  const key = randomUUID();
  const answers = await Promise.all(
    [client, second, client, second].map((one) => ask(one, release.id, 'first', key)),
  );
  const ids = new Set(answers.map((answer) => ('id' in answer ? answer.id : answer.code)));
  expect([...ids]).toEqual([expect.stringMatching(/^first\/\d+$/)]);
  const other = await ask(second, release.id, 'aside', key);
  expect(other).toMatchObject({ __typename: 'IdempotencyConflict' });
  const promotion = await second.untilSealed([...ids][0] ?? '', 90);
  expect(promotion).toMatchObject({ state: 'SUCCEEDED' });
}, 120_000);

test('one API process dies while promotions run: the other one serves, also the agents', async () => {
  const { client, stack } = made;
  const release = await client.release('3.0.0');
  const id = await client.request(release.id, 'aside');
  await stack.kill('api-2');
  const promotion = await client.untilSealed(id, 90);
  expect(promotion).toMatchObject({ state: 'SUCCEEDED' });
  await stack.start('api-2');
  expect(await second.promotion(id)).toMatchObject({ state: 'SUCCEEDED' });
  expect(await findDisagreements(stack, promotion)).toEqual([]);
}, 180_000);

test(`the engine is gone for ${AWAY_SECONDS} s with requests arriving: each is run once after it`, async () => {
  const { client, stack } = made;
  const release = await client.release('1.0.0');
  await stack.kill('temporal');
  const ids: string[] = [];
  for (let second_ = 0; second_ < AWAY_SECONDS; second_ += 10) {
    ids.push(await client.request(release.id, 'aside'));
    await sleep(10_000);
  }
  await stack.start('temporal');
  for (const id of ids) {
    const promotion = await client.untilSealed(id, 180);
    expect(promotion).toMatchObject({ state: 'SUCCEEDED' });
    expect(await findDisagreements(stack, promotion)).toEqual([]);
  }
}, 400_000);
