import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { PipelineTemplate } from '@sluice/domain';
import type { Pool } from '../pool.ts';
import { createTestDatabase, type TestDatabase } from '../testing/test-database.ts';
import { withTenant } from '../transaction.ts';
import { publishPipeline } from './pipeline.repository.ts';
import { readPipelineLibrary } from './pipeline-library.ts';
import { listPipelineVersionsOf, MAX_LISTED_VERSIONS } from './pipeline-list.read-model.ts';

let database: TestDatabase;
let app: Pool;

beforeAll(async () => {
  database = await createTestDatabase();
  app = database.poolOf('sluice_app');
  await database.query("insert into sluice.tenants (tenant_id) values ('acme'), ('other')");
});

afterAll(() => database.drop());

const template = (
  name: string,
  version: number,
  more: Partial<PipelineTemplate> = {},
): PipelineTemplate => ({
  schema: 'sluice.pipeline/v2',
  name,
  version,
  steps: [{ id: 'scan', type: 'scan@1' }],
  ...more,
});

const calling = (id: string, name: string, version: number) => ({
  id,
  type: 'pipeline@1' as const,
  inputs: { pipeline: { name, version } },
});

const publish = (each: PipelineTemplate, tenant = 'acme') =>
  withTenant(app, tenant, (tx) => publishPipeline(tx, { template: each, publishedBy: 'anna' }));

test('all that a pipeline is made of is found, level by level, and nothing else', async () => {
  await publish(template('base', 1));
  await publish(template('base', 2));
  await publish(template('inner', 1, { extends: { name: 'base', version: 2 } }));
  await publish(
    template('middle', 1, { steps: [calling('a', 'inner', 1), calling('b', 'gone', 1)] }),
  );
  await publish(template('elsewhere', 1), 'other');
  const outer = template('outer', 1, {
    steps: [calling('a', 'middle', 1), calling('b', 'inner', 1), calling('c', 'elsewhere', 1)],
  });
  const library = await withTenant(app, 'acme', (tx) => readPipelineLibrary(tx, outer));
  expect([...library.keys()].sort()).toEqual(['base@2', 'inner@1', 'middle@1']);
});

test('pipelines that contain each other end the search', async () => {
  await publish(template('ping', 1, { steps: [calling('a', 'pong', 1)] }));
  await publish(template('pong', 1, { steps: [calling('a', 'ping', 1)] }));
  const library = await withTenant(app, 'acme', (tx) =>
    readPipelineLibrary(tx, template('top', 1, { steps: [calling('a', 'ping', 1)] })),
  );
  expect([...library.keys()].sort()).toEqual(['ping@1', 'pong@1']);
});

test('versions of several pipelines come newest first, a hundred of each at most', async () => {
  await withTenant(app, 'acme', async (tx) => {
    for (let version = 1; version <= MAX_LISTED_VERSIONS + 5; version += 1) {
      await publishPipeline(tx, { template: template('many', version), publishedBy: null });
    }
  });
  const rows = await withTenant(app, 'acme', (tx) =>
    listPipelineVersionsOf(tx, ['many', 'base', 'nothing']),
  );
  const of = (name: string) => rows.filter((row) => row.name === name).map((row) => row.version);
  expect(of('base')).toEqual([2, 1]);
  expect(of('many')).toHaveLength(MAX_LISTED_VERSIONS);
  expect(of('many')[0]).toBe(MAX_LISTED_VERSIONS + 5);
  expect(of('nothing')).toEqual([]);
});
