import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { EVENT_TYPES } from '@sluice/domain';
import { MUTATION_PERMISSIONS } from '@sluice/graphql';
import { getNamedType, isUnionType } from 'graphql';
import { callMutation, mutations, schema } from '../testing/call-mutation.ts';
import { MUTATION_TABLE, type MutationCase } from '../testing/mutation-table.ts';
import { startTestApi, type TestApi, tokenOf } from '../testing/test-api.ts';

let api: TestApi;

beforeAll(async () => {
  api = await startTestApi({ releaseWaitMs: 10 });
});

afterEach(() => api.engine.lose(undefined));

afterAll(async () => {
  await api?.stop();
});

const names = mutations.map(({ name }) => name);

/** Members that every mutation has, and that the walk brings about by itself. */
const COMMON = ['InvalidInput', 'NotPermitted', 'IdempotencyConflict'];

function caseOf(name: string): MutationCase {
  const found = MUTATION_TABLE[name];
  if (found === undefined) throw new Error(`Mutation ${name} has no case; add it to the table.`);
  return found;
}

function refusalsOf(name: string): readonly string[] {
  const type = getNamedType(mutations.find((field) => field.name === name)?.type);
  if (!isUnionType(type)) throw new Error(`${name} does not answer with a union.`);
  const refusal = schema.getType('Refusal');
  return type
    .getTypes()
    .filter((member) => member.getInterfaces().some((one) => one === refusal))
    .map((member) => member.name);
}

async function countEvents(type: string): Promise<number> {
  const rows = await api.database.query('select 1 from sluice.events where type = $1', [type]);
  return rows.length;
}

async function recordedRefusals(
  name: string,
): Promise<readonly { actor: string; data: unknown }[]> {
  return api.database.query(
    `select actor, data from sluice.events where type = 'request.refused' and subject = $1
      order by arrival`,
    [`mutation:${name}`],
  );
}

test('the table knows every mutation, and every way in which each of them says no', () => {
  expect(Object.keys(MUTATION_TABLE).sort()).toEqual([...names].sort());
  expect(Object.keys(MUTATION_PERMISSIONS).sort()).toEqual([...names].sort());
  for (const name of names) {
    const { refusals, event } = caseOf(name);
    expect([name, [...COMMON, ...Object.keys(refusals)].sort()]).toEqual([
      name,
      [...refusalsOf(name)].sort(),
    ]);
    // The walk itself can bring about only what it asks for.
    expect(Object.keys(refusals).length).toBeGreaterThan(0);
    expect(EVENT_TYPES).toContain(event);
  }
});

test.each(names)('%s: nobody unauthenticated gets in', async (name) => {
  const input = { ...(await caseOf(name).valid(api)), idempotencyKey: 'walk' };
  const tokens = [null, 'wrong', '', `${tokenOf('admin')}x`, 'sha256:abc', 'a'.repeat(600)];
  const texts = new Set<string>();
  const before = await countEvents('request.refused');
  for (const token of tokens) {
    const answer = await callMutation(api, name, input, token);
    expect(answer.status).toBe(401);
    expect(answer.data).toBeNull();
    expect(answer.errors[0]?.extensions.code).toBe('UNAUTHENTICATED');
    texts.add(answer.errors[0]?.message ?? '');
  }
  expect(texts.size).toBe(1);
  expect(await countEvents('request.refused')).toBe(before);
});

test.each(names)(
  '%s: roles without the permission are refused and recorded, before the input is looked at',
  async (name) => {
    const permission = MUTATION_PERMISSIONS[name];
    const input = await caseOf(name).valid(api);
    for (const principal of caseOf(name).unauthorised) {
      const token = tokenOf(principal);
      const answer = await callMutation(api, name, { ...input, idempotencyKey: '' }, token);
      expect(answer.data?.[name]).toMatchObject({
        __typename: 'NotPermitted',
        code: 'not-permitted',
        permission,
      });
      expect(await recordedRefusals(name)).toContainEqual({
        actor: `principal:${principal}`,
        data: { refusal: 'NotPermitted', code: 'not-permitted', permission },
      });
    }
  },
);

test.each(names)(
  '%s: it is carried out once for a key, with its event; another payload with it is a conflict',
  async (name) => {
    const { valid, other, event } = caseOf(name);
    const input = { ...(await valid(api)), idempotencyKey: `walk-${name}` };
    const before = await countEvents(event);
    const first = await callMutation(api, name, input);
    expect(first.errors).toEqual([]);
    expect(refusalsOf(name)).not.toContain(first.data?.[name].__typename);
    expect(await countEvents(event)).toBe(before + 1);
    expect((await callMutation(api, name, input)).data).toEqual(first.data);
    const changed = { ...other(input), idempotencyKey: input.idempotencyKey };
    expect(changed).not.toEqual(input);
    const conflict = await callMutation(api, name, changed);
    expect(conflict.data?.[name].__typename).toBe('IdempotencyConflict');
    expect(await countEvents(event)).toBe(before + 1);
    const codes = (await recordedRefusals(name)).map(({ data }) => (data as { code: string }).code);
    expect(codes).toContain('idempotency-conflict');
    const atOnce = { ...(await valid(api)), idempotencyKey: `walk-race-${name}` };
    const answers = await Promise.all(
      Array.from({ length: 4 }, () => callMutation(api, name, atOnce)),
    );
    expect(new Set(answers.map(({ data }) => JSON.stringify(data))).size).toBe(1);
    expect(await countEvents(event)).toBe(before + 2);
  },
);

const everyRefusal = Object.entries(MUTATION_TABLE).flatMap(([name, { refusals }]) =>
  Object.keys(refusals).map((member) => ({ name, member })),
);

test.each(everyRefusal)('$name: $member is a member of the union, recorded', async (at) => {
  const { name, member } = at;
  const make = caseOf(name).refusals[member];
  if (make === undefined) throw new Error(`${name} has no case of ${member}.`);
  const { input, code, event = 'request.refused' } = await make(api);
  const before = await countEvents(event);
  const key = `walk-${name}-${member}`;
  const answer = await callMutation(api, name, { ...input, idempotencyKey: key });
  expect(answer.errors).toEqual([]);
  expect(answer.data?.[name]).toMatchObject({ __typename: member, code });
  expect(answer.data?.[name].message.length).toBeGreaterThan(20);
  expect(await countEvents(event)).toBe(before + 1);
});
