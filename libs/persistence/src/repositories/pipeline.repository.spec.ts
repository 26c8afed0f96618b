import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { PipelineTemplate, ResolvedPipeline } from '@sluice/domain';
import { createScene, createTestDatabase, type TestDatabase } from '../testing/index.ts';
import { type Tx, withTenant } from '../transaction.ts';
import { getEnvironment } from './environment.repository.ts';
import {
  findPipeline,
  findPipelineVersion,
  getResolvedPipeline,
  insertResolvedPipeline,
  listPipelines,
  listPipelinesByVersion,
  listPipelineVersions,
  publishPipeline,
} from './pipeline.repository.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
  await createScene(database);
});
afterAll(() => database.drop());

const as = <T>(role: 'sluice_app' | 'sluice_worker', work: (tx: Tx) => Promise<T>): Promise<T> =>
  withTenant(database.poolOf(role, { max: 1 }), 'acme', work);

const template = (name: string, version: number, id = 'one'): PipelineTemplate => ({
  schema: 'sluice.pipeline/v2',
  name,
  version,
  steps: [{ id, type: 'noop@1' }],
});

test('a version is published once, and never with other content', async () => {
  const publish = (body: PipelineTemplate) =>
    as('sluice_app', (tx) => publishPipeline(tx, { template: body, publishedBy: 'alice' }));
  const first = await publish(template('shop', 1));
  expect(first).toEqual({ published: true, pipelineDigest: expect.stringMatching(/^sha256:/) });
  expect(await publish(template('shop', 1))).toEqual({ ...first, published: false });
  await expect(publish(template('shop', 1, 'other'))).rejects.toMatchObject({
    code: 'pipeline-version-taken',
    message: expect.stringContaining('raise it'),
  });
  await publish(template('shop', 3));
  await publish(template('shop', 2));
  expect(await as('sluice_worker', (tx) => findPipeline(tx, 'shop'))).toMatchObject({
    version: 3,
    publishedBy: 'alice',
    publishedAt: expect.any(String),
    body: template('shop', 3),
  });
  expect(await as('sluice_app', (tx) => findPipelineVersion(tx, 'shop', 9))).toBeUndefined();
});

test.each(['sluice_app', 'sluice_worker'] as const)(
  '%s cannot change or remove one',
  async (role) => {
    for (const sql of [
      `update sluice.pipelines set body = '{}'`,
      `update sluice.pipelines set published_by = 'mallory'`,
      'delete from sluice.pipelines',
      `update sluice.resolved_pipelines set body = '{}'`,
      'delete from sluice.resolved_pipelines',
    ]) {
      await expect(as(role, (tx) => tx.query(sql))).rejects.toMatchObject({ code: '42501' });
    }
  },
);

test('versions come newest first, and names one by one', async () => {
  const versions = await as('sluice_app', (tx) =>
    listPipelineVersions(tx, { name: 'shop', first: 2 }),
  );
  expect(versions.edges.map(({ node }) => node.version)).toEqual([3, 2]);
  const { endCursor: after } = versions;
  const rest = await as('sluice_app', (tx) =>
    listPipelineVersions(tx, { name: 'shop', first: 2, after }),
  );
  expect(rest.edges.map(({ node }) => node.version)).toEqual([1]);
  const names: string[] = [];
  for (let cursor: string | null = null; ; ) {
    const page = await as('sluice_app', (tx) => listPipelines(tx, { first: 2, after: cursor }));
    names.push(...page.edges.map(({ node }) => `${node.name}@${node.version}`));
    cursor = page.endCursor;
    if (!page.hasNextPage) break;
  }
  expect(names).toEqual(['approved@1', 'rollback@1', 'shop@3', 'standard@2']);
  const found = await as('sluice_app', (tx) =>
    listPipelinesByVersion(tx, [
      { name: 'shop', version: 2 },
      { name: 'standard', version: 2 },
      { name: 'shop', version: 7 },
    ]),
  );
  expect(found.map(({ name, version }) => `${name}@${version}`).sort()).toEqual([
    'shop@2',
    'standard@2',
  ]);
});

test('what promotions run is found by its digest', async () => {
  const body = { ...template('shop', 1), parameters: {}, failFast: true } as unknown;
  const resolved = { digest: `sha256:${'a'.repeat(64)}`, body: body as ResolvedPipeline };
  await as('sluice_worker', (tx) => insertResolvedPipeline(tx, resolved));
  await as('sluice_worker', (tx) => insertResolvedPipeline(tx, resolved));
  expect(await as('sluice_app', (tx) => getResolvedPipeline(tx, resolved.digest))).toEqual(body);
  await expect(
    as('sluice_app', (tx) => getResolvedPipeline(tx, `sha256:${'b'.repeat(64)}`)),
  ).rejects.toMatchObject({ code: 'not-found' });
});

test('an environment that holds to nothing runs the newest, without parameters', async () => {
  expect(await as('sluice_worker', (tx) => getEnvironment(tx, 'dev'))).toMatchObject({
    pipelineVersion: null,
    pipelineParameters: {},
  });
});
