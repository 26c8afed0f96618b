import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { schema } from '../testing/call-mutation.ts';
import { findLists, isSingle, queryOf, type Sizes } from '../testing/list-queries.ts';
import { fillLists } from '../testing/list-scene.ts';
import { type Json, startTestApi, type TestApi } from '../testing/test-api.ts';

let api: TestApi;

beforeAll(async () => {
  // What is measured here is the database; the public limits would cut the larger half off.
  const queryLimits = { depth: 40, aliases: 60, rootFields: 20, cost: 10_000_000 };
  api = await startTestApi({ queryLimits });
  await fillLists(api);
}, 120_000);

afterAll(async () => {
  await api?.stop();
});

const lists = findLists(schema);

/** Every list in an answer under this name, wherever it stands. */
function listsNamed(data: Json, name: string): readonly Json[][] {
  if (typeof data !== 'object' || data === null) return [];
  if (Array.isArray(data)) return data.flatMap((element) => listsNamed(element, name));
  return Object.entries(data as Record<string, Json>).flatMap(([key, value]) => {
    const inner = listsNamed(value, name);
    if (key !== name || value === null) return inner;
    const own = Array.isArray(value) ? value : value.edges;
    return Array.isArray(own) ? [own, ...inner] : inner;
  });
}

const countMarks = (text: string): number => text.split('"marked"').length - 1;

async function measure(query: string) {
  api.takeStatementCount();
  const { data, errors } = await api.ask(query);
  expect(errors).toEqual([]);
  return { data, statements: api.takeStatementCount() };
}

test('the walk found the lists, connections and plain ones', () => {
  const names = lists.map(({ owner, field }) => `${owner.name}.${field.name}`);
  expect(names).toEqual(
    expect.arrayContaining([
      'Query.approvals',
      'Environment.promotions',
      'Lease.queue',
      'Promotion.approvals',
      'ApprovalRequest.decisions',
      'TargetPlan.settings',
      'Query.workflowBundles',
      'Promotion.histories',
      'ArchivedHistory.buildIds',
      'WorkflowProblem.wayOut',
      'Reconciliation.discrepancies',
      'Promotion.rollouts',
      'RolloutStage.targets',
      'Environment.routers',
    ]),
  );
});

test.each(lists.map((list) => ({ list, at: `${list.owner.name}.${list.field.name}` })))(
  '$at takes as many statements for 1,000 rows as for 10',
  async ({ list }) => {
    const { owner, field } = list;
    const isRoot = owner === schema.getQueryType() || isSingle(schema, owner);
    const sizes: readonly Sizes[] = [
      [10, 1, 1],
      [10, 10, 10],
    ];
    const answers = [];
    for (const size of sizes) answers.push(await measure(queryOf(schema, list, size)));
    const [few, many] = answers;
    // The list has something in it: an empty one would show nothing.
    const elements = listsNamed(many?.data, field.name).flat();
    expect(elements.length).toBeGreaterThan(0);
    if (!isRoot) {
      const marks = answers.map(({ data }) => countMarks(JSON.stringify(data)));
      expect(marks[0]).toBeGreaterThanOrEqual(10);
      expect(marks[1]).toBeGreaterThanOrEqual(1000);
    }
    expect(few?.statements).toBeGreaterThan(2);
    expect(many?.statements).toBe(few?.statements);
  },
  60_000,
);

test.each(['releases', 'promotions', 'approvals', 'events'])(
  'a page of 100 %s takes as many statements as one of 10',
  async (name) => {
    const list = lists.find(({ owner, field }) => owner.name === 'Query' && field.name === name);
    if (list === undefined) throw new Error(`There is no list ${name}.`);
    const few = await measure(queryOf(schema, list, [10, 2, 2]));
    const many = await measure(queryOf(schema, list, [100, 2, 2]));
    expect(many.statements).toBe(few.statements);
  },
);

test('environments with targets, pages and leases take as many statements for all as for two', async () => {
  // No two branches read the same kind of thing: whether their reads meet would be a matter of time.
  const query = `{ environments { name verifiedRelease { version }
    targets { name agent { state } currentRelease { id } }
    lease { holder queue { position reason { code } promotion { id } } }
    promotions(first: 2) { edges { node { id decision { decision } } } }
  } }`;
  const many = await measure(query);
  expect(many.data?.environments.length).toBe(13);
  const queues = many.data?.environments.map(({ lease }: Json) => lease?.queue.length ?? 0);
  expect(queues.filter((length: number) => length === 9)).toHaveLength(10);
  await api.database.query(
    "update sluice.environments set removed_at = now() where environment_id like 'place-%' and environment_id <> 'place-0'",
  );
  const few = await measure(query);
  expect(few.data?.environments.length).toBe(4);
  expect(many.statements).toBe(few.statements);
});
