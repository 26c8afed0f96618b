import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { FakeReleaseResolver } from '../testing/fake-release-resolver.ts';
import {
  type Json,
  OTHER_TENANT,
  startTestApi,
  type TestApi,
  tokenOf,
} from '../testing/test-api.ts';

let api: TestApi;
let resolver: FakeReleaseResolver;

beforeAll(async () => {
  api = await startTestApi({ releaseWaitMs: 3000 });
  resolver = new FakeReleaseResolver(api);
  resolver.start();
});

afterAll(async () => {
  await resolver?.stop();
  await api?.stop();
});

const CREATE = `mutation ($input: CreateReleaseInput!) {
  createRelease(input: $input) {
    __typename
    ... on ReleaseRequest {
      id state requestedBy createdAt refusal { code message }
      release { id name version components { name kind digest version } createdBy createdAt }
    }
    ... on Refusal { code message }
    ... on InvalidInput { field }
  }
}`;

const input = (version: string, key = version, reference = version) => ({
  name: 'shop',
  version,
  components: [{ name: 'web', source: 'images', reference }],
  idempotencyKey: key,
});

async function create(value: unknown, token = tokenOf('release-manager')) {
  const answer = await api.ask(CREATE, { input: value }, token);
  expect(answer.errors).toEqual([]);
  return answer.data?.createRelease;
}

test('a release is made, found by id and by version, and listed newest first', async () => {
  const first = await create(input('1.0.0'));
  expect(first).toMatchObject({
    __typename: 'ReleaseRequest',
    state: 'CREATED',
    requestedBy: 'release-manager',
    refusal: null,
    release: { name: 'shop', version: '1.0.0', components: [{ name: 'web', kind: 'OCI' }] },
  });
  await create(input('1.1.0'));
  const { data, errors } = await api.ask(
    `query ($id: Digest!, $request: ID!) {
      release(id: $id) { version promotions { edges { cursor } pageInfo { hasNextPage } } }
      releaseByVersion(name: "shop", version: "1.1.0") { version }
      releaseRequest(id: $request) { state release { version } }
      one: releases(first: 1, name: "shop") {
        edges { node { version } } pageInfo { hasNextPage endCursor }
      }
      missing: releaseByVersion(name: "shop", version: "9.9.9") { id }
    }`,
    { id: first.release.id, request: first.id },
    tokenOf('viewer'),
  );
  expect(errors).toEqual([]);
  expect(data).toMatchObject({
    release: { version: '1.0.0', promotions: { edges: [], pageInfo: { hasNextPage: false } } },
    releaseByVersion: { version: '1.1.0' },
    releaseRequest: { state: 'CREATED', release: { version: '1.0.0' } },
    one: { edges: [{ node: { version: '1.1.0' } }], pageInfo: { hasNextPage: true } },
    missing: null,
  });
  const next = await api.ask(
    'query ($after: String) { releases(first: 5, after: $after) { edges { node { version } } } }',
    {
      after: data?.one.pageInfo.endCursor,
    },
  );
  expect(next.data?.releases.edges).toEqual([{ node: { version: '1.0.0' } }]);
});

test('what a source does not have is a refused request, not an error', async () => {
  expect(await create(input('2.0.0', 'k-missing', 'missing'))).toMatchObject({
    state: 'REFUSED',
    release: null,
    refusal: { code: 'tag-unknown' },
  });
});

test('the same key gives the first answer, another payload with it a conflict', async () => {
  const first = await create(input('3.0.0', 'k-same'));
  const again = await create(input('3.0.0', 'k-same'));
  expect(again).toEqual(first);
  expect(await create(input('3.0.1', 'k-same'))).toMatchObject({
    __typename: 'IdempotencyConflict',
    code: 'idempotency-conflict',
  });
  // Another principal's keys are their own.
  const theirs = await create(input('3.0.0', 'k-same'), tokenOf('admin'));
  expect(theirs.id).not.toBe(first.id);
});

test('one key sent many times at once makes one request', async () => {
  const all = await Promise.all(Array.from({ length: 8 }, () => create(input('4.0.0', 'k-race'))));
  expect(new Set(all.map(({ id }) => id)).size).toBe(1);
});

test('an unknown source is not found and leaves the key free', async () => {
  const wrong = { ...input('5.0.0', 'k-free') };
  wrong.components = [{ name: 'web', source: 'nowhere', reference: '1' }];
  expect(await create(wrong)).toMatchObject({ __typename: 'NotFound', code: 'source-unknown' });
  expect(await create(input('5.0.0', 'k-free'))).toMatchObject({ state: 'CREATED' });
});

test('two components of one name are refused, naming the field', async () => {
  const wrong = input('6.0.0');
  wrong.components.push({ name: 'web', source: 'images', reference: '2' });
  expect(await create(wrong)).toMatchObject({
    __typename: 'InvalidInput',
    field: 'components[1].name',
  });
});

test('a request that takes too long is answered as resolving, and settles later', async () => {
  await resolver.stop();
  const slow = await create(input('7.0.0'));
  expect(slow).toMatchObject({ state: 'RESOLVING', release: null, refusal: null });
  await resolver.deliver();
  expect((await create(input('7.0.0'))).state).toBe('CREATED');
  resolver.start();
});

test('another tenant sees none of it', async () => {
  const mine = await create(input('8.0.0'));
  const { data } = await api.ask(
    `query ($id: Digest!, $request: ID!) {
      release(id: $id) { id }
      releaseRequest(id: $request) { id }
      releases { edges { node { id } } }
      releaseByVersion(name: "shop", version: "8.0.0") { id }
    }`,
    { id: mine.release.id, request: mine.id },
    tokenOf('admin', OTHER_TENANT),
  );
  expect(data).toEqual({
    release: null,
    releaseRequest: null,
    releases: { edges: [] },
    releaseByVersion: null,
  });
});

test('the engine is asked with a deterministic id, the trace and the opaque search attributes', async () => {
  await resolver.stop();
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  const answer = await api.ask(CREATE, { input: input('9.0.0') }, tokenOf('admin'), {
    traceparent,
  });
  expect(answer.headers.get('traceparent')).toMatch(/^00-0af7651916cd43dd8448eb211c80319c-/);
  const [row] = await api.database.query<{ body: Record<string, Json> }>(
    "select body from sluice.outbox where kind = 'start-workflow' order by outbox_id desc limit 1",
  );
  const { id } = answer.data?.createRelease ?? {};
  expect(row?.body).toMatchObject({
    workflowId: `release-request/acme/${id}`,
    workflowType: 'resolveRelease',
    taskQueue: 'sluice-control',
    searchAttributes: { tenant: 'acme' },
    input: {
      tenantId: 'acme',
      requestId: id,
      name: 'shop',
      version: '9.0.0',
      requestedBy: 'admin',
    },
  });
  expect(row?.body.input.traceparent).toContain('0af7651916cd43dd8448eb211c80319c');
  resolver.start();
}, 20_000);
