import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Role } from '@sluice/domain';
import { MUTATION_PERMISSIONS, readTypeDefs } from '@sluice/graphql';
import {
  buildSchema,
  type GraphQLInputField,
  getNamedType,
  isInputObjectType,
  isListType,
  isNonNullType,
  isUnionType,
} from 'graphql';
import { addPromotion, addRelease } from '../testing/scene.ts';
import { startTestApi, type TestApi, tokenOf } from '../testing/test-api.ts';

const schema = buildSchema(readTypeDefs());
const mutations = Object.values(schema.getMutationType()?.getFields() ?? {});

let api: TestApi;
/** A valid input of each mutation, without its key. A mutation that is missing here fails the walk. */
let valid: Readonly<Record<string, Record<string, unknown>>>;
/** An input that is refused for what it names, and the member that says so. */
let refusedInputs: Readonly<Record<string, readonly [Record<string, unknown>, string]>>;

beforeAll(async () => {
  api = await startTestApi({ releaseWaitMs: 10 });
  const release = await addRelease(api, '1.0.0');
  const promotion = await addPromotion(api, release);
  const component = { name: 'web', source: 'images', reference: '1.0.0' };
  valid = {
    createRelease: { name: 'shop', version: '1.0.0', components: [component] },
    requestPromotion: { release, environment: 'dev' },
    cancelPromotion: { promotion, reason: 'no longer wanted' },
  };
  refusedInputs = {
    createRelease: [
      { ...valid.createRelease, components: [{ ...component, source: 'nowhere' }] },
      'NotFound',
    ],
    requestPromotion: [{ release, environment: 'empty' }, 'StateConflict'],
    cancelPromotion: [{ promotion: 'dev/4711', reason: 'x' }, 'NotFound'],
  };
});

afterAll(async () => {
  await api?.stop();
});

async function call(name: string, input: unknown, token: string | null = tokenOf('admin')) {
  const type = getNamedType(mutations.find((field) => field.name === name)?.args[0]?.type);
  const query = `mutation ($input: ${type?.name}!) {
    ${name}(input: $input) {
      __typename
      ... on Refusal { code message }
      ... on InvalidInput { field }
      ... on NotPermitted { permission }
    }
  }`;
  return api.ask(query, { input }, token);
}

async function refusalEvents(name: string): Promise<readonly { actor: string; data: unknown }[]> {
  return api.database.query(
    `select actor, data from sluice.events where type = 'request.refused' and subject = $1
      order by arrival`,
    [`mutation:${name}`],
  );
}

test('the walk knows every mutation, and each answers with a union of typed refusals', () => {
  const names = mutations.map(({ name }) => name).sort();
  expect(Object.keys(MUTATION_PERMISSIONS).sort()).toEqual(names);
  expect(Object.keys(valid).sort()).toEqual(names);
  expect(Object.keys(refusedInputs).sort()).toEqual(names);
  for (const field of mutations) {
    const type = getNamedType(field.type);
    if (!isUnionType(type)) throw new Error(`${field.name} does not answer with a union`);
    const members = type.getTypes().map(({ name }) => name);
    expect(members).toEqual(
      expect.arrayContaining(['InvalidInput', 'NotPermitted', 'NotFound', 'IdempotencyConflict']),
    );
  }
});

test.each(mutations.map(({ name }) => name))('%s: nobody unauthenticated gets in', async (name) => {
  const input = { ...valid[name], idempotencyKey: 'walk' };
  const tokens = [null, 'wrong', '', `${tokenOf('admin')}x`, 'sha256:abc', 'a'.repeat(600)];
  const texts = new Set<string>();
  for (const token of tokens) {
    const answer = await call(name, input, token);
    expect(answer.status).toBe(401);
    expect(answer.data).toBeNull();
    expect(answer.errors[0]?.extensions.code).toBe('UNAUTHENTICATED');
    texts.add(answer.errors[0]?.message ?? '');
  }
  expect(texts.size).toBe(1);
});

test.each(mutations.map(({ name }) => name))(
  '%s: roles without the permission are refused and recorded, before the input is looked at',
  async (name) => {
    const refused: readonly Role[] = ['viewer', 'approver'];
    for (const role of refused) {
      const answer = await call(name, { ...valid[name], idempotencyKey: '' }, tokenOf(role));
      expect(answer.data?.[name]).toMatchObject({
        __typename: 'NotPermitted',
        code: 'not-permitted',
        permission: MUTATION_PERMISSIONS[name],
      });
    }
    const events = await refusalEvents(name);
    for (const role of refused) {
      expect(events).toContainEqual({
        actor: `principal:${role}`,
        data: {
          refusal: 'NotPermitted',
          code: 'not-permitted',
          permission: MUTATION_PERMISSIONS[name],
        },
      });
    }
  },
);

test.each(mutations.map(({ name }) => name))(
  '%s: the same key repeats the answer, another payload with it is a conflict, refusals are recorded',
  async (name) => {
    const input = { ...valid[name], idempotencyKey: `walk-${name}` };
    const first = await call(name, input);
    expect(first.errors).toEqual([]);
    expect(first.data?.[name].code).toBeUndefined();
    expect((await call(name, input)).data).toEqual(first.data);
    const [other, member] = refusedInputs[name] ?? [{}, ''];
    const conflict = await call(name, { ...other, idempotencyKey: `walk-${name}` });
    expect(conflict.data?.[name].__typename).toBe('IdempotencyConflict');
    const refusal = await call(name, { ...other, idempotencyKey: `walk-other-${name}` });
    expect(refusal.data?.[name].__typename).toBe(member);
    const codes = (await refusalEvents(name)).map(({ data }) => (data as { code: string }).code);
    expect(codes).toContain('idempotency-conflict');
    expect(codes).toContain(refusal.data?.[name].code);
  },
);

/** Every field of every mutation's input, nested ones too, as a path. */
function fieldsOf(name: string): readonly (readonly [string, GraphQLInputField, string[]])[] {
  const walk = (
    type: unknown,
    path: string[],
  ): (readonly [string, GraphQLInputField, string[]])[] => {
    const named = getNamedType(type as never);
    if (!isInputObjectType(named)) return [];
    return Object.values(named.getFields()).flatMap((field) => {
      const own = [...path, field.name];
      const isList = isListType(isNonNullType(field.type) ? field.type.ofType : field.type);
      const inner = walk(field.type, isList ? [...own, '0'] : own);
      return [[name, field, own] as const, ...inner];
    });
  };
  const type = mutations.find((field) => field.name === name)?.args[0]?.type;
  return walk(type, []);
}

function withValue(input: unknown, path: readonly string[], value: unknown): unknown {
  const copy = structuredClone(input) as Record<string, unknown>;
  let place: Record<string, unknown> = copy;
  for (const key of path.slice(0, -1)) place = place[key] as Record<string, unknown>;
  place[path.at(-1) ?? ''] = value;
  return copy;
}

const everyField = mutations.flatMap(({ name }) => fieldsOf(name));

test.each(everyField.map(([name, field, path]) => ({ name, field, path, at: path.join('.') })))(
  '$name: wrong values at $at are refused',
  async ({ name, field, path }) => {
    const input = { ...valid[name], idempotencyKey: `wrong-${path.join('-')}` };
    const shown = path
      .map((key) => (/^\d+$/.test(key) ? `[${key}]` : `.${key}`))
      .join('')
      .slice(1);
    const isList = isListType(isNonNullType(field.type) ? field.type.ofType : field.type);
    // Values of the right GraphQL type that break the field's own rule: the class must catch them.
    const broken: unknown[] = isList
      ? [
          [],
          Array.from({ length: 201 }, (_, n) => ({ name: `c${n}`, source: 'a', reference: 'b' })),
        ]
      : ['', ' ', 'x'.repeat(5000), 'null\u0000byte', '\u0007'];
    for (const value of broken) {
      const answer = await call(name, withValue(input, path, value));
      expect(answer.errors).toEqual([]);
      expect(answer.data?.[name]).toMatchObject({
        __typename: 'InvalidInput',
        code: 'invalid-input',
        field: shown,
      });
    }
    // Values of another GraphQL type: GraphQL itself must catch them.
    const foreign: unknown[] = isList ? [null, 'text', 5, {}] : [null, 5, true, {}, ['a', 'b']];
    for (const value of foreign) {
      const answer = await call(name, withValue(input, path, value));
      const code = answer.errors[0]?.extensions.code ?? answer.data?.[name].code;
      expect(['BAD_USER_INPUT', 'invalid-input']).toContain(code);
    }
    const missing = withValue(input, path, undefined);
    expect((await call(name, missing)).errors[0]?.extensions.code).toBe('BAD_USER_INPUT');
    const unknown = withValue(input, [...path.slice(0, -1), 'unknownField'], 1);
    expect((await call(name, unknown)).errors[0]?.extensions.code).toBe('BAD_USER_INPUT');
  },
);

test.each([
  'release(id: "sha256:short") { id }',
  'releaseByVersion(name: "No Name", version: "1") { id }',
  'releaseByVersion(name: "shop", version: "") { id }',
  'releaseRequest(id: "not-a-uuid") { id }',
  'promotion(id: "dev") { id }',
  'promotion(id: "dev/0") { id }',
  'environment(name: "Dev!") { name }',
  'target(name: "") { name }',
  'releases(name: "No Name") { pageInfo { endCursor } }',
  'releases(first: 0) { pageInfo { endCursor } }',
  'releases(first: 101) { pageInfo { endCursor } }',
  'releases(first: -1) { pageInfo { endCursor } }',
  'releases(after: "no cursor!") { pageInfo { endCursor } }',
  'releases(after: "bm90LWpzb24") { pageInfo { endCursor } }',
  'promotions(after: "WyJ4IiwieSJd") { pageInfo { endCursor } }',
  'events(first: 1000) { pageInfo { endCursor } }',
  'environments { promotions(first: 101) { pageInfo { endCursor } } }',
  'environments { promotions(after: "WyJ4Il0") { pageInfo { endCursor } } }',
])('the query { %s } is refused as bad input', async (selection) => {
  const answer = await api.ask(`{ ${selection} }`);
  expect(answer.errors[0]?.extensions.code).toBe('BAD_USER_INPUT');
  expect(answer.errors[0]?.message).toMatch(/:/);
});
