import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { digestOfBytes } from '@sluice/pure';
import {
  type GraphQLArgument,
  type GraphQLField,
  getNamedType,
  isNonNullType,
  isObjectType,
  isUnionType,
} from 'graphql';
import { callMutation, mutations, schema } from '../testing/call-mutation.ts';
import { MUTATION_TABLE, type MutationInput } from '../testing/mutation-table.ts';
import { addPromotion, addRelease } from '../testing/scene.ts';
import { Subscriber } from '../testing/subscriber.ts';
import { type Answer, startTestApi, type TestApi, tokenOf } from '../testing/test-api.ts';
import { placesOf, withValue, wrongValuesOf } from '../testing/wrong-values.ts';

let api: TestApi;
const inputs = new Map<string, MutationInput>();

beforeAll(async () => {
  api = await startTestApi({ releaseWaitMs: 10 });
  await addPromotion(api, await addRelease(api, '1.0.0'));
  for (const [name, { valid }] of Object.entries(MUTATION_TABLE)) {
    inputs.set(name, await valid(api));
  }
});

afterAll(async () => {
  await api?.stop();
});

/** The code under which a wrong value may be refused: by GraphQL, or by the input's class. */
function codeOf({ data, errors }: Answer, name: string): unknown {
  return errors[0]?.extensions.code ?? data?.[name]?.code;
}

/** The codes under which a wrong value is refused; a text that is no pipeline is judged as one. */
const CODES = /^(BAD_USER_INPUT|invalid-input)$/;
const codesAt = (place: string): RegExp =>
  place === 'publishPipeline.text' ? /^(BAD_USER_INPUT|invalid-input|pipeline-invalid)$/ : CODES;

const mutationPlaces = mutations.flatMap(({ name, args }) =>
  args.flatMap((arg) => placesOf(arg.type, []).map((place) => ({ name, place }))),
);

test('the table gives every input field a value that is taken', () => {
  // A field without one might be refused whatever it says, and its wrong values would show nothing.
  for (const { name, place } of mutationPlaces) {
    const whole = { ...inputs.get(name), idempotencyKey: 'x' };
    const value = place.path.reduce<unknown>(
      (inner, key) => (inner as Record<string, unknown> | undefined)?.[key],
      whole,
    );
    expect([name, place.path.join('.'), value]).not.toEqual([
      name,
      place.path.join('.'),
      undefined,
    ]);
  }
});

/** Empty text says that there is none; at all other places it is as wrong as a blank one. */
const MAY_BE_EMPTY = new Set(['decideApproval.comment', 'steerRollout.comment']);

test.each(
  mutationPlaces.map(({ name, place }) => ({ name, place, at: place.path.join('.') || 'input' })),
)('$name: wrong values at $at are refused, never a fault', async ({ name, place, at }) => {
  const input = { ...inputs.get(name), idempotencyKey: `walk-${at}` };
  const shown = at.replace(/\.(\d+)/g, '[$1]');
  for (const [word, value] of wrongValuesOf(place.type, place.path.at(-1) ?? '')) {
    const answer = await callMutation(api, name, withValue(input, place.path, value));
    expect([word, codeOf(answer, name), answer.status]).toEqual([
      word,
      expect.stringMatching(codesAt(`${name}.${at}`)),
      expect.any(Number),
    ]);
    expect(answer.status).toBeLessThan(500);
    // What GraphQL lets through is named by its field.
    const said = answer.data?.[name];
    if (typeof said?.field === 'string')
      expect(`${shown}.`).toContain(`${said.field.split('.')[0]}`);
  }
  if (place.path.length === 0) return;
  const key = place.path.at(-1) ?? '';
  const emptied = withValue(input, place.path, '');
  if (!MAY_BE_EMPTY.has(`${name}.${at}`)) {
    expect(codeOf(await callMutation(api, name, emptied), name)).toMatch(CODES);
  }
  if (/^\d+$/.test(key)) return;
  const unknown = withValue(input, [...place.path.slice(0, -1), 'unknownField'], 1);
  expect(codeOf(await callMutation(api, name, unknown), name)).toBe('BAD_USER_INPUT');
  if (!isNonNullType(place.type)) return;
  const missing = withValue(input, place.path, undefined);
  expect(codeOf(await callMutation(api, name, missing), name)).toBe('BAD_USER_INPUT');
});

/** How a field of a type is asked for, from the root; a type with arguments that is not here fails the walk. */
const WAYS_TO: Readonly<Record<string, (selection: string) => string>> = {
  Query: (selection) => selection,
  Environment: (selection) => `environments { ${selection} }`,
  Release: (selection) => `releases { edges { node { ${selection} } } }`,
  Promotion: (selection) => `promotions { edges { node { ${selection} } } }`,
  Step: (selection) => `promotions { edges { node { steps { ${selection} } } } }`,
};

type Field = GraphQLField<unknown, unknown>;

/** Every argument of every field that is no mutation, with the field's type. */
const argumentsOfQueries: readonly {
  readonly owner: string;
  readonly field: Field;
  readonly arg: GraphQLArgument;
}[] = Object.values(schema.getTypeMap()).flatMap((type) => {
  const isOurs = isObjectType(type) && !type.name.startsWith('__');
  const isCommand = type === schema.getMutationType() || type === schema.getSubscriptionType();
  if (!isOurs || isCommand) return [];
  return Object.values(type.getFields()).flatMap((field) =>
    field.args.map((arg) => ({ owner: type.name, field, arg })),
  );
});

/** A right value for each argument that must be there. */
const RIGHT: Readonly<Record<string, unknown>> = {
  'Query.release.id': digestOfBytes('x'),
  'Query.releaseByVersion.name': 'shop',
  'Query.releaseByVersion.version': '1.0.0',
  'Query.releaseRequest.id': '0f0e0d0c-0b0a-4908-8706-050403020100',
  'Query.promotion.id': 'dev/1',
  'Query.environment.name': 'dev',
  'Query.target.name': 'acme-host',
  'Query.promotions.filter': {
    states: ['REQUESTED'],
    environment: 'dev',
    release: digestOfBytes('x'),
    kind: 'PROMOTE',
    since: '2020-01-31T12:00:00Z',
    until: '2030-01-31T12:00:00.5+01:00',
  },
  'Query.resetPreview.promotion': 'dev/1',
  'Query.resetPreview.event': 4,
  'Query.workflowCode.digest': digestOfBytes('x'),
  'Query.analysisDocument.digest': digestOfBytes('x'),
  'Query.pipeline.name': 'standard',
  'Query.pipeline.version': 2,
  'Query.resolvePipeline.pipeline': 'standard@2',
  'Query.resolvePipeline.environment': 'dev',
  'Query.comparePipelines.from': 'standard',
  'Query.comparePipelines.to': 'approved@1',
  'Query.previewPromotion.environment': 'dev',
  'Query.stepLogs.promotion': 'dev/1',
  'Query.stepLog.promotion': 'dev/1',
  'Query.stepLog.step': 'scan',
  'Query.stepOutputs.promotion': 'dev/1',
  'Query.stepOutputs.step': 'scan',
  'Query.stepOutput.promotion': 'dev/1',
  'Query.stepOutput.step': 'scan',
  'Query.stepOutput.name': 'count',
  'Query.searchStepLogs.promotion': 'dev/1',
  'Query.searchStepLogs.text': 'error',
};

function selectionOf(field: Field): string {
  const type = getNamedType(field.type);
  // A query that answers with a union says no by a member of it.
  if (isUnionType(type)) return '{ __typename ... on Refusal { code message } }';
  return isObjectType(type) ? '{ __typename }' : '';
}

test.each(
  argumentsOfQueries.map(({ owner, field, arg }) => ({
    owner,
    field,
    arg,
    at: `${owner}.${field.name}.${arg.name}`,
  })),
)('$at: wrong values are refused, never a fault', async ({ owner, field, arg, at }) => {
  const way = WAYS_TO[owner];
  if (way === undefined) throw new Error(`There is no way to ${owner}; add one to WAYS_TO.`);
  const given = field.args.map(({ name }) => `${name}: $${name}`).join(', ');
  const declared = field.args.map(({ name, type }) => `$${name}: ${String(type)}`).join(', ');
  const query = `query (${declared}) { ${way(`${field.name}(${given}) ${selectionOf(field)}`)} }`;
  const right: Record<string, unknown> = {};
  for (const { name, type } of field.args) {
    const value = RIGHT[`${owner}.${field.name}.${name}`];
    if (value !== undefined) right[name] = value;
    else if (isNonNullType(type)) throw new Error(`${at}: add a right value to RIGHT.`);
  }
  expect((await api.ask(query, right)).errors).toEqual([]);
  for (const { path, type } of placesOf(arg.type, [arg.name])) {
    for (const [word, value] of wrongValuesOf(type, path.at(-1) ?? '')) {
      const answer = await api.ask(query, withValue(right, path, value) as typeof right);
      const [error] = answer.errors;
      const said = error ?? answer.data?.[field.name];
      expect([path.join('.'), word, codeOf(answer, field.name)]).toEqual([
        path.join('.'),
        word,
        error === undefined ? 'invalid-input' : 'BAD_USER_INPUT',
      ]);
      expect(answer.status).toBeLessThan(500);
      expect(said?.message).toMatch(/[:$]/);
    }
    if (isNonNullType(type)) continue;
    const without = withValue(right, path, null) as typeof right;
    expect((await api.ask(query, without)).errors).toEqual([]);
  }
});

test('cursors of other lists and made-up ones are refused', async () => {
  const cursors = ['no cursor!', 'bm90LWpzb24', 'WyJ4IiwieSJd', 'WyJ4Il0', 'W10', 'bnVsbA', ''];
  for (const { owner, field, arg } of argumentsOfQueries) {
    if (arg.name !== 'after') continue;
    const way = WAYS_TO[owner] ?? ((selection: string) => selection);
    for (const after of cursors) {
      // A name alone is what a cursor of this list holds.
      if (field.name === 'pipelines' && after === 'WyJ4Il0') continue;
      const others = field.args
        .filter(({ name, type }) => name !== 'after' && isNonNullType(type))
        .map(({ name }) => `, ${name}: ${JSON.stringify(RIGHT[`${owner}.${field.name}.${name}`])}`);
      const call = `${field.name}(after: $after${others.join('')}) { __typename }`;
      const query = `query ($after: String) { ${way(call)} }`;
      const answer = await api.ask(query, { after });
      const code = answer.errors[0]?.extensions.code;
      expect([owner, field.name, after, code]).toEqual([
        owner,
        field.name,
        after,
        'BAD_USER_INPUT',
      ]);
    }
  }
});

const subscriptionPlaces = Object.values(schema.getSubscriptionType()?.getFields() ?? {}).flatMap(
  (field) => field.args.map((arg) => ({ field, arg, at: `${field.name}.${arg.name}` })),
);

const RIGHT_OF_SUBSCRIPTIONS: Readonly<Record<string, unknown>> = {
  'promotionProgress.promotion': 'dev/1',
  'stepLogAppended.promotion': 'dev/1',
  'stepLogAppended.step': 'scan',
};

test.each(subscriptionPlaces)('$at: wrong values are refused over WebSocket', async (place) => {
  const { field, arg, at } = place;
  const given = field.args.map(({ name }) => `${name}: $${name}`).join(', ');
  const declared = field.args.map(({ name, type }) => `$${name}: ${String(type)}`).join(', ');
  const query = `subscription (${declared}) { ${field.name}(${given}) { __typename } }`;
  const right: Record<string, unknown> = {};
  for (const { name, type } of field.args) {
    const value = RIGHT_OF_SUBSCRIPTIONS[`${field.name}.${name}`];
    if (value !== undefined) right[name] = value;
    else if (isNonNullType(type)) throw new Error(`${at}: add a right value.`);
  }
  const subscriber = await Subscriber.connect(api.url, tokenOf('admin'));
  for (const [word, value] of wrongValuesOf(arg.type, arg.name)) {
    const id = subscriber.subscribe(query, { ...right, [arg.name]: value });
    await subscriber.until(() => subscriber.of(id).length > 0);
    const [first] = subscriber.of(id);
    expect([word, first?.type, first?.payload[0]?.extensions.code]).toEqual([
      word,
      'error',
      'BAD_USER_INPUT',
    ]);
  }
  subscriber.drop();
});
