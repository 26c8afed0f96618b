import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { addPromotion, addRelease, fillPromotion } from '../testing/scene.ts';
import { startTestApi, TENANT, type TestApi } from '../testing/test-api.ts';

let api: TestApi;

beforeAll(async () => {
  api = await startTestApi();
  for (let index = 0; index < 100; index += 1) {
    const release = await addRelease(api, `1.0.${index}`);
    const promotion = await addPromotion(api, release);
    await fillPromotion(api, promotion, release);
    const environment = `env-${index}`;
    await api.database.query(
      `insert into sluice.environments (tenant_id, environment_id, position, pipeline_id, policy_id, deadlines)
       values ($1, $2, $3, 'standard', 'release-gate', '{}')`,
      [TENANT, environment, 100 + index],
    );
    await api.database.query(
      `insert into sluice.targets (tenant_id, target_id, environment_id, kind, address, health)
       values ($1, $2, $3, 'linux-host', 'localhost', '{}')`,
      [TENANT, `host-${index}`, environment],
    );
  }
}, 120_000);

afterAll(async () => {
  await api?.stop();
});

const selections: readonly (readonly [string, (size: number) => string])[] = [
  [
    'promotions with all that hangs on them',
    (size) => `{ promotions(first: ${size}) { edges { node {
      id
      release { version }
      environment { name lease { holder queue } }
      steps { id } decision { decision }
      deployments { target { name agent { state } currentRelease { version } environment { name } } }
      evidence { digest }
    } } } }`,
  ],
  [
    'promotions with a page of events each',
    (size) =>
      `{ promotions(first: ${size}) { edges { node { events(first: 2) { edges { node { type } } } } } } }`,
  ],
  [
    'releases with a page of promotions each, and their steps',
    (size) => `{ releases(first: ${size}) { edges { node {
      promotions(first: 3) { edges { node { steps { id } decision { decision } release { id } } } }
    } } } }`,
  ],
];

test.each(selections)('%s take as many statements at 10 as at 100', async (_what, query) => {
  const counts: number[] = [];
  for (const size of [10, 100]) {
    api.takeStatementCount();
    const { errors, data } = await api.ask(query(size));
    expect(errors).toEqual([]);
    const [list] = Object.values(data ?? {});
    expect(list.edges).toHaveLength(size);
    counts.push(api.takeStatementCount());
  }
  expect(counts[0]).toBeGreaterThan(3);
  expect(counts[0]).toBe(counts[1]);
});

test('environments with targets and pages take as many statements for 100 as for 2', async () => {
  const query = `{ environments { name
    targets { name agent { state } currentRelease { id } }
    lease { holder }
    promotions(first: 2) { edges { node { id steps { id } } } }
  } }`;
  api.takeStatementCount();
  const many = await api.ask(query);
  expect(many.errors).toEqual([]);
  expect(many.data?.environments.length).toBe(102);
  const atMany = api.takeStatementCount();
  await api.database.query(
    "update sluice.environments set removed_at = now() where environment_id like 'env-%'",
  );
  api.takeStatementCount();
  const few = await api.ask(query);
  expect(few.data?.environments.length).toBe(2);
  expect(api.takeStatementCount()).toBe(atMany);
});
