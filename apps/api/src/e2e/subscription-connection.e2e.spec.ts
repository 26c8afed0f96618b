import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { insertEvent, linkEvents, withTenant } from '@sluice/persistence';
import { digestOfBytes } from '@sluice/pure';
import { addPromotion, addRelease } from '../testing/scene.ts';
import { Subscriber } from '../testing/subscriber.ts';
import { startTestApi, TENANT, type TestApi, tokenOf } from '../testing/test-api.ts';

let api: TestApi;
let promotion: string;

beforeAll(async () => {
  api = await startTestApi({
    subscriptionLimits: { connections: 8, connectionsPerPrincipal: 4, operationsPerConnection: 3 },
  });
  promotion = await addPromotion(api, await addRelease(api, '1.0.0'));
  await linkEvents(api.linkerPool);
});

afterAll(async () => {
  await api?.stop();
});

const PROGRESS =
  'subscription ($promotion: ID!) { promotionProgress(promotion: $promotion) { position } }';
const connect = (by = 'viewer') => Subscriber.connect(api.url, tokenOf(by));
const refusals = (subscriber: Subscriber, id: string) =>
  subscriber.of(id).map(({ type, payload }) => [type, payload?.[0]?.extensions]);

async function nextEvent(): Promise<void> {
  await withTenant(api.workerPool, TENANT, (tx) =>
    insertEvent(tx, {
      type: 'step.state-changed',
      actor: 'system:worker',
      subject: `promotion:${promotion}`,
      promotionId: promotion,
      data: {},
      traceId: null,
    }),
  );
  await linkEvents(api.linkerPool);
}

test('nobody gets in without a token that is known, in whichever place it stands', async () => {
  for (const payload of [
    undefined,
    {},
    { authorization: 'Bearer wrong' },
    { authorization: tokenOf('admin') },
    { authorization: ['Bearer'] },
    { authorization: { a: 1 } },
    { token: tokenOf('admin') },
  ]) {
    const subscriber = new Subscriber(`${api.url}/graphql`);
    await subscriber.open();
    subscriber.send({ type: 'connection_init', ...(payload === undefined ? {} : { payload }) });
    expect(await subscriber.untilClosed()).toBe(4403);
    expect(subscriber.messages).toEqual([]);
  }
  const unsaid = new Subscriber(`${api.url}/graphql`);
  await unsaid.open();
  unsaid.subscribe(PROGRESS, { promotion });
  expect(await unsaid.untilClosed()).toBe(4401);
  const silent = new Subscriber(`${api.url}/graphql`);
  await silent.open();
  expect(await silent.untilClosed()).toBe(4408);
  const header = new Subscriber(`${api.url}/graphql`, {
    authorization: `Bearer ${tokenOf('viewer')}`,
  });
  await header.open();
  header.send({ type: 'connection_init' });
  await header.until(({ messages }) => messages.length > 0);
  expect(header.messages).toEqual([{ type: 'connection_ack' }]);
  header.drop();
}, 30_000);

test('only subscriptions are served, by this protocol, at this path', async () => {
  const subscriber = await connect();
  const cases: readonly (readonly [string, string])[] = [
    ['{ viewer { name } }', 'BAD_REQUEST'],
    ['subscription {', 'GRAPHQL_PARSE_FAILED'],
    ['subscription { nothing }', 'GRAPHQL_VALIDATION_FAILED'],
    [
      'subscription A { approvalNotices { position } } subscription B { approvalNotices { position } }',
      'OPERATION_RESOLUTION_FAILURE',
    ],
    [
      `subscription { approvalNotices { position ${'event { id } '.repeat(2000)} } }`,
      'GRAPHQL_PARSE_FAILED',
    ],
    [
      `subscription { approvalNotices { ${Array.from({ length: 61 }, (_, n) => `a${n}: position`).join(' ')} } }`,
      'QUERY_TOO_LARGE',
    ],
  ];
  for (const [query, code] of cases) {
    const id = subscriber.subscribe(query);
    await subscriber.until(() => subscriber.of(id).length > 0);
    expect(refusals(subscriber, id)).toMatchObject([['error', { code }]]);
  }
  subscriber.drop();
  for (const [path, protocol] of [
    ['/elsewhere', 'graphql-transport-ws'],
    ['/graphql', 'graphql-ws'],
  ] as const) {
    const other = new Subscriber(`${api.url}${path}`, {}, protocol);
    expect(await other.untilClosed()).toBeGreaterThan(1000);
    expect(other.messages).toEqual([]);
  }
});

test('messages that are none, or too large, end the connection and nothing else', async () => {
  for (const text of ['{', 'null', '{"type":"nothing"}', `"${'x'.repeat(70_000)}"`]) {
    const subscriber = await connect();
    subscriber.socket.send(text);
    expect([1009, 4400]).toContain(await subscriber.untilClosed());
  }
  expect((await api.ask('{ viewer { name } }')).status).toBe(200);
});

test('operations of a connection and connections are bounded', async () => {
  const subscriber = await connect();
  const ids = Array.from({ length: 4 }, () => subscriber.subscribe(PROGRESS, { promotion }));
  await subscriber.until(() => ids.every((id) => subscriber.of(id).length > 0));
  const last = ids.at(-1) ?? '';
  expect(refusals(subscriber, last)).toMatchObject([
    ['error', { code: 'QUERY_TOO_LARGE', limit: 'operations' }],
  ]);
  // One that was ended makes room.
  subscriber.send({ id: ids[0] ?? '', type: 'complete' });
  await new Promise((resolve) => setTimeout(resolve, 100));
  const again = subscriber.subscribe(PROGRESS, { promotion });
  await subscriber.until(() => subscriber.of(again).length > 0);
  expect(subscriber.of(again)[0]?.type).toBe('next');

  const more = await Promise.all(Array.from({ length: 3 }, () => connect()));
  expect((await connect()).closeCode).toBe(4429);
  const others = await Promise.all(Array.from({ length: 4 }, () => connect('admin')));
  expect(others.map(({ closeCode }) => closeCode)).toEqual([...Array(4)]);
  const ninth = new Subscriber(`${api.url}/graphql`);
  expect(await ninth.untilClosed()).toBe(1006);
  for (const open of [subscriber, ...more, ...others]) open.drop();
  await new Promise((resolve) => setTimeout(resolve, 200));
  const free = await connect();
  expect(free.closeCode).toBeUndefined();
  free.drop();
});

test('a principal that was disabled is ended at the next event, in all that it opened', async () => {
  const mine = await connect('second-approver');
  const other = await connect('viewer');
  const id = mine.subscribe(PROGRESS, { promotion });
  const theirs = other.subscribe(PROGRESS, { promotion });
  await mine.until(() => mine.of(id).length > 0);
  await other.until(() => other.of(theirs).length > 0);
  const before = other.of(theirs).length;
  await api.database.query(
    "update sluice.principals set disabled_at = now() where principal_id = 'second-approver' and tenant_id = 'acme'",
  );
  const told = mine.messages.length;
  await nextEvent();
  expect(await mine.untilClosed()).toBe(4403);
  expect(mine.messages).toHaveLength(told);
  await other.until(() => other.of(theirs).length > before);
  expect((await connect('second-approver')).closeCode).toBe(4403);
  other.drop();
});

test('a token that was taken away is worth nothing from the next event on', async () => {
  const mine = await connect('approver');
  const id = mine.subscribe('subscription { approvalNotices(after: "0") { position } }');
  await api.database.query('delete from sluice.principal_tokens where token_hash = $1', [
    digestOfBytes(tokenOf('approver')),
  ]);
  await withTenant(api.workerPool, TENANT, (tx) =>
    insertEvent(tx, {
      type: 'approval.requested',
      actor: 'system:worker',
      subject: `promotion:${promotion}`,
      promotionId: promotion,
      data: {},
      traceId: null,
    }),
  );
  await linkEvents(api.linkerPool);
  expect(await mine.untilClosed()).toBe(4403);
  expect(mine.of(id)).toEqual([]);
});

test('the database gone for a moment ends the operation with an error, never as complete', async () => {
  const subscriber = await connect('admin');
  const id = subscriber.subscribe(PROGRESS, { promotion });
  await subscriber.until(() => subscriber.of(id).length > 0);
  await api.database.query('alter table sluice.events rename to events_hidden');
  try {
    await new Promise((resolve) => setTimeout(resolve, 50));
    const failing = subscriber.subscribe(PROGRESS, { promotion });
    await subscriber.until(() => subscriber.of(failing).length > 0);
    expect(refusals(subscriber, failing)).toMatchObject([
      ['error', { code: 'INTERNAL_SERVER_ERROR' }],
    ]);
    expect(JSON.stringify(subscriber.of(failing))).not.toContain('sluice.events');
  } finally {
    await api.database.query('alter table sluice.events_hidden rename to events');
  }
  subscriber.drop();
});

test('a process that stops tells its clients to go on elsewhere', async () => {
  const second = await startTestApi({ beside: api });
  const subscriber = await Subscriber.connect(second.url, tokenOf('admin'));
  const id = subscriber.subscribe(PROGRESS, { promotion });
  await subscriber.until(() => subscriber.of(id).length > 0);
  const started = performance.now();
  await second.stop();
  expect(await subscriber.untilClosed()).toBe(1001);
  expect(subscriber.of(id).some(({ type }) => type === 'complete')).toBe(false);
  expect(performance.now() - started).toBeLessThan(5000);
});
