import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { setPromotionState, withTenant } from '@sluice/persistence';
import { addPromotion, addRelease, fillPromotion } from '../testing/scene.ts';
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

const REQUEST = `mutation ($input: RequestPromotionInput!) {
  requestPromotion(input: $input) {
    __typename
    ... on Promotion {
      id number kind state requestedBy traceId reason { code }
      release { version } environment { name } steps { id type state seconds }
    }
    ... on Refusal { code message }
  }
}`;

const CANCEL = `mutation ($input: CancelPromotionInput!) {
  cancelPromotion(input: $input) {
    __typename
    ... on Promotion { id state }
    ... on Refusal { code message }
  }
}`;

async function mutate(query: string, input: unknown, token = tokenOf('release-manager')) {
  const answer = await api.ask(query, { input }, token);
  expect(answer.errors).toEqual([]);
  return Object.values(answer.data ?? {})[0];
}

async function outboxFor(workflowId: string): Promise<readonly { kind: string; body: Json }[]> {
  return api.database.query(
    "select kind, body from sluice.outbox where body->>'workflowId' = $1 order by outbox_id",
    [workflowId],
  );
}

test('a promotion is requested with its steps, event and one call to the engine', async () => {
  const made = await mutate(REQUEST, { release, environment: 'dev', idempotencyKey: 'p1' });
  expect(made).toMatchObject({
    __typename: 'Promotion',
    id: `dev/${made.number}`,
    kind: 'PROMOTE',
    state: 'REQUESTED',
    requestedBy: 'release-manager',
    release: { version: '1.0.0' },
    environment: { name: 'dev' },
    steps: ['scan', 'gate', 'plan', 'deploy', 'verify'].map((id) => ({
      id,
      type: `${id}@1`,
      state: 'PENDING',
      seconds: null,
    })),
  });
  const again = await mutate(REQUEST, { release, environment: 'dev', idempotencyKey: 'p1' });
  expect(again.id).toBe(made.id);
  expect(await outboxFor(`promotion/acme/${made.id}`)).toEqual([
    {
      kind: 'start-workflow',
      body: {
        workflowId: `promotion/acme/${made.id}`,
        workflowType: 'promoteRelease',
        taskQueue: 'sluice-control',
        searchAttributes: { tenant: 'acme', environment: 'dev', release },
        input: {
          promotion: { tenantId: 'acme', promotionId: made.id },
          environment: 'dev',
          releaseDigest: release,
          kind: 'promote',
          traceparent: expect.stringContaining(made.traceId),
        },
      },
    },
  ]);
  const events = await api.ask(
    'query ($id: ID!) { promotion(id: $id) { events { edges { node { type actor traceId position } } } } }',
    { id: made.id },
  );
  expect(events.data?.promotion.events.edges).toEqual([
    {
      node: {
        type: 'promotion.requested',
        actor: 'principal:release-manager',
        traceId: made.traceId,
        position: null,
      },
    },
  ]);
});

test('numbers grow by one per environment, also when requests come at once', async () => {
  const all = await Promise.all(
    Array.from({ length: 10 }, (_, index) =>
      mutate(REQUEST, { release, environment: 'dev', idempotencyKey: `many-${index}` }),
    ),
  );
  const numbers = all.map(({ number }) => number).sort((a, b) => a - b);
  expect(new Set(numbers).size).toBe(10);
  expect((numbers[9] ?? 0) - (numbers[0] ?? 0)).toBe(9);
});

test('expected refusals are members of the union', async () => {
  const ask = (input: object) => mutate(REQUEST, { idempotencyKey: 'r', ...input });
  expect(await ask({ release: `sha256:${'0'.repeat(64)}`, environment: 'dev' })).toMatchObject({
    __typename: 'NotFound',
    code: 'release-unknown',
  });
  expect(await ask({ release, environment: 'nowhere' })).toMatchObject({
    __typename: 'NotFound',
    code: 'environment-unknown',
  });
  expect(await ask({ release, environment: 'empty' })).toMatchObject({
    __typename: 'StateConflict',
    code: 'environment-without-targets',
  });
  await mutate(REQUEST, { release, environment: 'dev', idempotencyKey: 'taken' });
  expect(
    await mutate(REQUEST, { release, environment: 'empty', idempotencyKey: 'taken' }),
  ).toMatchObject({ __typename: 'IdempotencyConflict' });
});

test('cancelling is noted once, signalled once, and refused after the end', async () => {
  const promotion = await addPromotion(api, release);
  const input = { promotion, reason: 'wrong build', idempotencyKey: 'c1' };
  expect(await mutate(CANCEL, input)).toMatchObject({ __typename: 'Promotion', id: promotion });
  await mutate(CANCEL, input);
  await mutate(CANCEL, { ...input, idempotencyKey: 'c2' });
  expect(await outboxFor(`promotion/acme/${promotion}`)).toEqual([
    {
      kind: 'signal-workflow',
      body: {
        workflowId: `promotion/acme/${promotion}`,
        signal: 'cancelPromotion',
        input: { requestedBy: 'release-manager', reason: 'wrong build' },
      },
    },
  ]);
  expect(await mutate(CANCEL, { ...input, reason: 'other' })).toMatchObject({
    __typename: 'IdempotencyConflict',
  });
  await withTenant(api.workerPool, TENANT, (tx) =>
    setPromotionState(tx, { promotionId: promotion, state: 'cancelled' }),
  );
  expect(await mutate(CANCEL, input)).toMatchObject({ state: 'CANCELLED' });
  expect(await mutate(CANCEL, { ...input, idempotencyKey: 'c3' })).toMatchObject({
    __typename: 'StateConflict',
    code: 'promotion-ended',
  });
  expect(
    await mutate(CANCEL, { ...input, promotion: 'dev/999999', idempotencyKey: 'c4' }),
  ).toMatchObject({ __typename: 'NotFound', code: 'promotion-unknown' });
});

test('everything that hangs on a promotion can be read, and by this tenant only', async () => {
  const promotion = await addPromotion(api, release);
  await fillPromotion(api, promotion, release);
  const packet = '{"schema":"sluice.packet/v1"}';
  const { digest } = await api.evidence.put(packet, { maxBytes: 1000 });
  await api.database.query(
    'update sluice.promotions set packet_digest = $1 where promotion_id = $2',
    [digest, promotion],
  );
  const query = `query ($id: ID!) {
    promotion(id: $id) {
      state startedAt endedAt traceId
      steps { id state seconds outputs }
      decision { decision reasonCodes determinismHash evaluatedAt trace { rule result } }
      deployments { state planDigest failure { code } target { name kind environment { name } agent { state } currentRelease { id } } }
      evidence { digest predicateType envelope createdAt }
      packet { digest document }
      environment { lease { holder fencingToken queue { position } } promotions(first: 1) { edges { node { id } } } }
      events(first: 1) { edges { node { type } } pageInfo { hasNextPage endCursor } }
    }
  }`;
  const { data, errors } = await api.ask(query, { id: promotion }, tokenOf('viewer'));
  expect(errors).toEqual([]);
  expect(data?.promotion).toMatchObject({
    state: 'RUNNING',
    startedAt: expect.stringMatching(/^\d{4}-.*Z$/),
    endedAt: null,
    decision: { decision: 'ALLOW', evaluatedAt: '2030-01-01T00:00:00.000Z' },
    deployments: [
      {
        state: 'PLANNED',
        failure: null,
        target: {
          name: 'acme-host',
          kind: 'LINUX_HOST',
          environment: { name: 'dev' },
          agent: null,
          currentRelease: { id: release },
        },
      },
    ],
    evidence: [{ predicateType: 'urn:sluice:scan:v1' }],
    packet: { digest, document: packet },
    environment: {
      lease: { holder: promotion, fencingToken: '1', queue: [] },
      promotions: { edges: [{ node: { id: promotion } }] },
    },
    events: { edges: [{ node: { type: 'promotion.requested' } }], pageInfo: { hasNextPage: true } },
  });
  expect(data?.promotion.steps[0]).toMatchObject({ id: 'scan', state: 'SUCCEEDED' });
  expect(data?.promotion.steps[0].seconds).toBeGreaterThanOrEqual(0);
  const foreign = await api.ask(query, { id: promotion }, tokenOf('admin', OTHER_TENANT));
  expect(foreign.data).toEqual({ promotion: null });
  const cancelled = await mutate(
    CANCEL,
    { promotion, reason: 'x', idempotencyKey: 'foreign' },
    tokenOf('admin', OTHER_TENANT),
  );
  expect(cancelled).toMatchObject({ __typename: 'NotFound' });
  const mine = await mutate(
    REQUEST,
    { release, environment: 'dev', idempotencyKey: 'foreign' },
    tokenOf('admin', OTHER_TENANT),
  );
  expect(mine).toMatchObject({ __typename: 'NotFound', code: 'release-unknown' });
});

test('environments and targets come in their order, and another tenant has its own', async () => {
  const query =
    '{ environments { name position targets { name settings labels } } targets { name } }';
  const { data } = await api.ask(query, {}, tokenOf('viewer'));
  expect(data?.environments.map(({ name }: { name: string }) => name)).toEqual([
    'dev',
    'empty',
    'prod',
  ]);
  expect(data?.targets).toEqual([{ name: 'acme-host' }, { name: 'acme-prod' }]);
  expect(data?.environments[0].targets[0].settings).toEqual({
    GREETING: 'hello',
    TOKEN: { secret: 'token' },
  });
  const other = await api.ask(query, {}, tokenOf('viewer', OTHER_TENANT));
  expect(other.data?.targets).toEqual([{ name: 'globex-host' }, { name: 'globex-prod' }]);
});

test('the token says who asks, and the trust root is handed out', async () => {
  const { data } = await api.ask(
    '{ viewer { name tenant role } trustRoot { document } }',
    {},
    tokenOf('approver'),
  );
  expect(data?.viewer).toEqual({ name: 'approver', tenant: 'acme', role: 'approver' });
  expect(JSON.parse(data?.trustRoot.document).schema).toBe('sluice.trust-root/v1');
});

test('promotions are listed by state, place, release, kind and time, each narrowing further', async () => {
  const shipped = await addRelease(api, '9.9.9');
  const first = await addPromotion(api, shipped);
  const second = await addPromotion(api, shipped);
  await withTenant(api.workerPool, TENANT, (tx) =>
    setPromotionState(tx, { promotionId: second, state: 'running' }),
  );
  const query = `query ($filter: PromotionFilter, $first: Int, $after: String) {
    promotions(filter: $filter, first: $first, after: $after) {
      edges { node { id } } pageInfo { hasNextPage endCursor } } }`;
  const list = async (filter: Json, page: Json = {}): Promise<Json> => {
    const { data, errors } = await api.ask(query, { filter, ...page }, tokenOf('viewer'));
    expect(errors).toEqual([]);
    return data?.promotions;
  };
  const idsOf = async (filter: Json): Promise<readonly string[]> =>
    (await list({ release: shipped, ...filter })).edges.map(({ node }: Json) => node.id);
  expect(await idsOf({})).toEqual([second, first]);
  expect(await idsOf({ states: ['RUNNING', 'WAITING'] })).toEqual([second]);
  expect(await idsOf({ environment: 'dev', kind: 'PROMOTE', states: null })).toHaveLength(2);
  expect(await idsOf({ environment: 'prod' })).toEqual([]);
  expect(await idsOf({ kind: 'ROLLBACK' })).toEqual([]);
  expect(await idsOf({ since: '2020-01-01T00:00:00Z' })).toHaveLength(2);
  expect(await idsOf({ until: '2020-01-01T00:00:00Z' })).toEqual([]);
  const page = await list({ release: shipped }, { first: 1 });
  expect(page.pageInfo.hasNextPage).toBe(true);
  const after = page.pageInfo.endCursor;
  const rest = await list({ release: shipped }, { first: 1, after });
  expect(rest).toMatchObject({
    edges: [{ node: { id: first } }],
    pageInfo: { hasNextPage: false },
  });
});
