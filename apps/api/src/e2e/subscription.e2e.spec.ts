import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { EventType } from '@sluice/domain';
import { insertEvent, linkEvents, setPromotionState, withTenant } from '@sluice/persistence';
import { addWaitingApproval } from '../testing/approval-scene.ts';
import { addPromotion, addRelease } from '../testing/scene.ts';
import { Subscriber } from '../testing/subscriber.ts';
import {
  type Json,
  OTHER_TENANT,
  startTestApi,
  TENANT,
  type TestApi,
  tokenOf,
} from '../testing/test-api.ts';

let api: TestApi;
let release: string;

beforeAll(async () => {
  api = await startTestApi();
  release = await addRelease(api, '1.0.0');
});

afterAll(async () => {
  await api?.stop();
});

const PROGRESS = `subscription ($promotion: ID!, $after: String) {
  promotionProgress(promotion: $promotion, after: $after) {
    position event { id type data } promotion { id state }
  }
}`;
const NOTICES = `subscription ($after: String) {
  approvalNotices(after: $after) { position event { type } approval { id state blockedForMe { code } } }
}`;

const link = () => linkEvents(api.linkerPool);
const connect = (by = 'viewer', tenant = TENANT) =>
  Subscriber.connect(api.url, tokenOf(by, tenant));

async function tell(
  promotionId: string,
  n: number,
  type: EventType = 'step.state-changed',
): Promise<void> {
  await withTenant(api.workerPool, TENANT, (tx) =>
    insertEvent(tx, {
      type,
      actor: 'system:worker',
      subject: `promotion:${promotionId}`,
      promotionId,
      data: { n },
      traceId: null,
    }),
  );
}

const valuesOf = (subscriber: Subscriber, id: string): readonly Json[] =>
  subscriber.of(id).flatMap(({ type, payload }) => {
    if (type !== 'next') return [];
    expect(payload.errors).toBeUndefined();
    return [Object.values(payload.data)[0]];
  });
const isComplete = (subscriber: Subscriber, id: string) =>
  subscriber.of(id).some(({ type }) => type === 'complete');

test('a promotion is told from its first event, as it happens, to behind its seal', async () => {
  const promotion = await addPromotion(api, release);
  const subscriber = await connect();
  const id = subscriber.subscribe(PROGRESS, { promotion });
  await link();
  await subscriber.until(() => valuesOf(subscriber, id).length === 1);
  await tell(promotion, 1);
  // Not told before it has its place in the chain.
  await link();
  await subscriber.until(() => valuesOf(subscriber, id).length === 2);
  await withTenant(api.workerPool, TENANT, async (tx) => {
    await setPromotionState(tx, { promotionId: promotion, state: 'cancelled' });
    await insertEvent(tx, {
      type: 'promotion.sealed',
      actor: 'system:worker',
      subject: `promotion:${promotion}`,
      promotionId: promotion,
      data: {},
      traceId: null,
    });
  });
  await tell(promotion, 2, 'lease.released');
  await link();
  await subscriber.until(() => isComplete(subscriber, id));
  const values = valuesOf(subscriber, id);
  expect(values.map(({ event }) => event.type)).toEqual([
    'promotion.requested',
    'step.state-changed',
    'promotion.sealed',
  ]);
  // As it is when the event is told, not as it was when somebody subscribed.
  expect(values.map((value) => value.promotion.state)).toEqual([
    'REQUESTED',
    'REQUESTED',
    'CANCELLED',
  ]);
  const positions = values.map(({ position }) => Number(position));
  expect(positions).toEqual([...new Set(positions)].sort((a, b) => a - b));
  // From behind the seal there is nothing more to tell.
  const late = subscriber.subscribe(PROGRESS, { promotion, after: values.at(-1).position });
  await subscriber.until(() => isComplete(subscriber, late));
  expect(valuesOf(subscriber, late)).toEqual([]);
  const rest = subscriber.subscribe(PROGRESS, { promotion, after: values[0].position });
  await subscriber.until(() => isComplete(subscriber, rest));
  expect(valuesOf(subscriber, rest)).toEqual(
    values.slice(1).map((value) => ({
      ...value,
      promotion: { id: promotion, state: 'CANCELLED' },
    })),
  );
  subscriber.drop();
});

test('who reconnects at random points gets everything once, while events are linked', async () => {
  const promotion = await addPromotion(api, release);
  const noise = await addPromotion(api, release);
  const second = await startTestApi({ beside: api });
  const count = 150;
  const seed = Number(process.env.SLUICE_TEST_SEED ?? 20_261_121);
  const random = seededRandom(seed);
  let isWriting = true;
  const write = async (): Promise<void> => {
    for (let n = 0; n < count; n += 1) {
      await Promise.all([tell(promotion, n), tell(noise, n)]);
      if (random() < 0.1) await pause(random() * 20);
    }
    await tell(promotion, count, 'promotion.sealed');
    isWriting = false;
  };
  const linkOften = async (): Promise<void> => {
    for (;;) {
      const isLast = !isWriting;
      // Two linkers at once, as two workers would have them.
      await Promise.all([link(), link()]);
      if (isLast) return;
      await pause(random() * 15);
    }
  };
  const got: { readonly position: number; readonly type: string; readonly n: number }[] = [];
  let connections = 0;
  const read = async (): Promise<void> => {
    for (;;) {
      const process = connections % 2 === 0 ? api : second;
      connections += 1;
      const after = got.at(-1)?.position;
      const subscriber = await Subscriber.connect(process.url, tokenOf('viewer'));
      const id = subscriber.subscribe(PROGRESS, {
        promotion,
        after: after === undefined ? null : String(after),
      });
      const enough = 1 + Math.floor(random() * 12);
      const patience = 20 + random() * 200;
      const isDone = () => valuesOf(subscriber, id).length >= enough || isComplete(subscriber, id);
      await subscriber.until(isDone, patience).catch(() => undefined);
      subscriber.drop();
      for (const { position, event } of valuesOf(subscriber, id)) {
        got.push({ position: Number(position), type: event.type, n: event.data.n });
      }
      if (got.at(-1)?.type === 'promotion.sealed') return;
    }
  };
  try {
    await Promise.all([write(), linkOften(), read()]);
  } finally {
    await second.stop();
  }
  const stored = await api.database.query<{ position: number; type: string }>(
    'select position, type from sluice.events where promotion_id = $1 order by position',
    [promotion],
  );
  expect({ seed, got: got.map(({ position, type }) => ({ position, type })) }).toEqual({
    seed,
    got: stored,
  });
  expect(got.slice(1).map(({ n }) => n)).toEqual(Array.from({ length: count + 1 }, (_, n) => n));
  expect(connections).toBeGreaterThan(10);
}, 120_000);

test('who is asked is told, with what became of it; others are not', async () => {
  const asked = await connect('approver');
  const requester = await connect('release-manager');
  const service = await connect('robot');
  const position = await readPosition('approver');
  const subscriptions = [asked, requester, service].map(
    (subscriber) => [subscriber, subscriber.subscribe(NOTICES, { after: position })] as const,
  );
  const waiting = await addWaitingApproval(api, release);
  await link();
  const [, id] = subscriptions[0] ?? [asked, ''];
  await asked.until(() => valuesOf(asked, id).length === 1);
  await decide(waiting, 'approver');
  await decide(waiting, 'approver');
  await decide(waiting, 'admin');
  await link();
  await asked.until(() => valuesOf(asked, id).length === 5);
  const values = valuesOf(asked, id);
  expect(values.map(({ event }) => event.type)).toEqual([
    'approval.requested',
    'approval.recorded',
    'approval.refused',
    'approval.recorded',
    'approval.closed',
  ]);
  expect(values[0].approval).toEqual({
    id: `${waiting.promotion}#1/approval`,
    state: 'WAITING',
    blockedForMe: null,
  });
  expect(values.at(-1).approval.state).toBe('APPROVED');
  for (const [subscriber, other] of subscriptions.slice(1)) {
    expect(valuesOf(subscriber, other)).toEqual([]);
  }
  // From now on: nothing of what was.
  const fresh = asked.subscribe(NOTICES);
  const another = await addWaitingApproval(api, release);
  await link();
  await asked.until(() => valuesOf(asked, fresh).length > 0);
  expect(valuesOf(asked, fresh)[0].approval.id).toBe(`${another.promotion}#1/approval`);
  for (const subscriber of [asked, requester, service]) subscriber.drop();
});

async function readPosition(by: string): Promise<string> {
  const { data } = await api.ask('{ approvals { position } }', {}, tokenOf(by));
  return data?.approvals.position;
}

async function decide(
  waiting: { readonly promotion: string; readonly release: string; readonly plan: string },
  by: string,
): Promise<void> {
  const input = { ...waiting, decision: 'APPROVE', idempotencyKey: String(Math.random()) };
  await api.ask(
    'mutation ($input: DecideApprovalInput!) { decideApproval(input: $input) { __typename } }',
    { input },
    tokenOf(by),
  );
}

test('another tenant is told nothing', async () => {
  const promotion = await addPromotion(api, release);
  const stranger = await connect('admin', OTHER_TENANT);
  const progress = stranger.subscribe(PROGRESS, { promotion });
  await stranger.until(() => stranger.of(progress).length > 0);
  expect(stranger.of(progress)).toMatchObject([
    { type: 'error', payload: [{ extensions: { code: 'BAD_USER_INPUT' } }] },
  ]);
  const notices = stranger.subscribe(NOTICES, { after: '0' });
  await addWaitingApproval(api, release);
  await link();
  await pause(300);
  expect(stranger.of(notices)).toEqual([]);
  stranger.drop();
});

test('a wrong argument is refused at once, and the connection serves on', async () => {
  const subscriber = await connect();
  const promotion = await addPromotion(api, release);
  for (const variables of [
    { promotion: 'dev' },
    { promotion: 'dev/999999' },
    { promotion, after: '-1' },
    { promotion, after: '1e3' },
    { promotion, after: '999999999999999' },
    { promotion, after: '9'.repeat(100) },
    { promotion, after: 'x\u0000' },
    { promotion: null },
  ]) {
    const id = subscriber.subscribe(PROGRESS, variables);
    await subscriber.until(() => subscriber.of(id).length > 0);
    expect([variables, subscriber.of(id)]).toMatchObject([
      variables,
      [{ type: 'error', payload: [{ extensions: { code: 'BAD_USER_INPUT' } }] }],
    ]);
  }
  await link();
  const id = subscriber.subscribe(PROGRESS, { promotion });
  await subscriber.until(() => valuesOf(subscriber, id).length === 1);
  subscriber.drop();
});

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** Mulberry32: the same seed gives the same run of numbers. */
function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
