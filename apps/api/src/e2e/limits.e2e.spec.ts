import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { getIntrospectionQuery } from 'graphql';
import { startTestApi, type TestApi, tokenOf } from '../testing/test-api.ts';

let api: TestApi;

beforeAll(async () => {
  api = await startTestApi();
});

afterAll(async () => {
  await api?.stop();
});

function nest(levels: number): string {
  let inner = 'name';
  for (let level = 0; level < levels; level += 1) {
    inner = level % 2 === 0 ? `environment { ${inner} }` : `targets { ${inner} }`;
  }
  return `{ targets { ${inner} } }`;
}

test('an operation that asks for too much is refused, naming the limit', async () => {
  const aliases = Array.from({ length: 61 }, (_, n) => `a${n}: position`).join(' ');
  const roots = Array.from({ length: 21 }, (_, n) => `r${n}: viewer { name }`).join(' ');
  const page =
    'promotions(first: 100) { edges { node { events(first: 100) { edges { node { id type } } } } } }';
  const cases: readonly (readonly [string, string])[] = [
    ['depth', nest(15)],
    ['aliases', `{ environments { ${aliases} } }`],
    ['rootFields', `{ ${roots} }`],
    ['cost', `{ environments { ${page} } }`],
    [
      'cost',
      `query ($n: Int = 100) { promotions(first: $n) { edges { node { release { promotions(first: $n) { edges { node { steps { id type state } } } } } } } } }`,
    ],
  ];
  for (const [limit, query] of cases) {
    const answer = await api.ask(query);
    expect(answer.status).toBe(400);
    expect(answer.errors[0]?.extensions).toEqual({ code: 'QUERY_TOO_LARGE', limit });
  }
});

test('fragments that multiply cost no time to refuse', async () => {
  const fragments = Array.from(
    { length: 60 },
    (_, n) => `fragment F${n} on Environment { ...F${n + 1} x${n}: name ...F${n + 1} }`,
  ).join('\n');
  const started = performance.now();
  const answer = await api.ask(
    `{ environments { ...F0 } } ${fragments} fragment F60 on Environment { name }`,
  );
  expect(answer.errors[0]?.extensions.code).toBe('QUERY_TOO_LARGE');
  expect(performance.now() - started).toBeLessThan(3000);
});

test('documents of too many tokens are not parsed, cycles not followed', async () => {
  const long = await api.ask(`{ ${'viewer { name } '.repeat(2000)} }`);
  expect(long.errors[0]?.extensions.code).toBe('GRAPHQL_PARSE_FAILED');
  const cycle = await api.ask(
    '{ environments { ...A } } fragment A on Environment { targets { environment { ...A } } }',
  );
  expect(cycle.errors[0]?.extensions.code).toBe('GRAPHQL_VALIDATION_FAILED');
});

test('batches, oversized bodies and bodies that are no JSON are refused', async () => {
  const post = (body: string, headers: Record<string, string> = {}) =>
    fetch(`${api.url}/graphql`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        authorization: `Bearer ${tokenOf('admin')}`,
        ...headers,
      },
      body,
    });
  expect((await post('[{"query":"{ viewer { name } }"}]')).status).toBe(400);
  expect((await post('{"query":')).status).toBe(400);
  const large = await post(
    JSON.stringify({ query: `{ viewer { name } } # ${'x'.repeat(3 * 1024 * 1024)}` }),
  );
  expect(large.status).toBe(413);
  // A form that a browser sends across origins without asking.
  const form = await post('query=%7Bviewer%7Bname%7D%7D', {
    'content-type': 'application/x-www-form-urlencoded',
  });
  expect(form.status).toBeGreaterThanOrEqual(400);
  const simple = await fetch(`${api.url}/graphql?query=%7B__typename%7D`);
  expect(simple.status).toBe(400);
});

test('a subscription is not served by POST, a persisted query not at all', async () => {
  const answer = await api.ask('subscription { approvalNotices { position } }');
  expect(answer).toMatchObject({ status: 400, data: null });
  expect(answer.errors[0]?.extensions.code).toBe('BAD_REQUEST');
  const persisted = await fetch(`${api.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ extensions: { persistedQuery: { version: 1, sha256Hash: 'ab' } } }),
  });
  expect(await persisted.text()).toContain('PERSISTED_QUERY_NOT_SUPPORTED');
});

test('the schema can be read without a token, data can not', async () => {
  const schema = await api.ask(getIntrospectionQuery(), {}, null);
  expect(schema.errors).toEqual([]);
  expect(schema.data?.__schema.types.length).toBeGreaterThan(30);
  const data = await api.ask('{ __typename viewer { name } }', {}, null);
  expect(data.status).toBe(401);
});

test('an unexpected error is one generic message with an id; the chain is in the log', async () => {
  await api.database.query('alter table sluice.releases rename to releases_hidden');
  try {
    const answer = await api.ask('{ releases { pageInfo { endCursor } } }');
    const [error] = answer.errors;
    expect(error?.extensions.code).toBe('INTERNAL_SERVER_ERROR');
    expect(error?.message).not.toContain('releases');
    const id = String(error?.extensions.id);
    expect(error?.message).toContain(id);
    const line = api.logged.find((text) => text.includes(id)) ?? '';
    expect(line).toContain('sluice.releases');
    expect(Object.keys(error?.extensions ?? {}).sort()).toEqual(['code', 'id']);
  } finally {
    await api.database.query('alter table sluice.releases_hidden rename to releases');
  }
});

test('a token never reaches the log', async () => {
  await api.ask('{ viewer { name } }', {}, 'secret-token-value-that-nobody-may-see');
  expect(api.logged.join('')).not.toContain('secret-token-value-that-nobody-may-see');
});
