import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { BUILT_IN_PIPELINES } from '@sluice/domain';
import { createLogger } from '@sluice/observability';
import {
  findPrincipalByTokenHash,
  getEnvironment,
  getPipeline,
  listRouters,
  type Pool,
  withTenant,
} from '@sluice/persistence';
import { createTestDatabase, type TestDatabase } from '@sluice/persistence/testing';
import { stringify } from 'yaml';
import { applyConfigurationFile } from './apply-configuration-file.ts';

const policiesFolder = fileURLToPath(new URL('../../../../policies', import.meta.url));
const hash = (digit: string): string => `sha256:${digit.repeat(64)}`;
let database: TestDatabase;
let app: Pool;
let folder: string;

beforeAll(async () => {
  database = await createTestDatabase();
  app = database.poolOf('sluice_app');
  folder = await mkdtemp(join(tmpdir(), 'sluice-configuration-'));
});

afterAll(async () => {
  await database.drop();
  await rm(folder, { recursive: true, force: true });
});

const written = (more: object = {}) => ({
  schema: 'sluice.config/v1',
  tenant: 'acme',
  environments: [
    { name: 'dev', position: 1, policy: 'release-gate' },
    {
      name: 'prod',
      position: 2,
      policy: 'release-gate',
      pipeline: 'approved',
      rollback: { roles: ['release-manager', 'admin'] },
    },
  ],
  principals: [
    { name: 'maya', role: 'release-manager', tokenHashes: [hash('a'), hash('b')] },
    { name: 'ci', role: 'release-manager', kind: 'service', owner: 'maya', tokenHash: hash('c') },
  ],
  ...more,
});

async function apply(configuration: object): Promise<void> {
  const file = join(folder, 'sluice.config.yaml');
  await writeFile(file, stringify(configuration));
  await applyConfigurationFile({
    pool: app,
    file,
    policiesFolder,
    log: createLogger({ service: 'test', level: 'silent' }),
  });
}

const appliedEvents = async () =>
  (
    await database.query<{ changed: readonly string[] }>(
      `select data -> 'changed' as changed from sluice.events where type = 'configuration.applied'
        order by arrival`,
    )
  ).map(({ changed }) => changed);

test('a file becomes the records, with every built-in pipeline and one event', async () => {
  await apply(written());
  await withTenant(app, 'acme', async (tx) => {
    for (const pipeline of BUILT_IN_PIPELINES) {
      expect((await getPipeline(tx, pipeline.name)).body).toEqual(pipeline);
    }
    expect(await getEnvironment(tx, 'prod')).toMatchObject({
      predecessors: ['dev'],
      approval: { count: 1, roles: ['admin', 'approver'], deadlineSeconds: 86400 },
      rollbackRoles: ['admin', 'release-manager'],
    });
  });
  expect(await findPrincipalByTokenHash(app, hash('c'))).toMatchObject({
    kind: 'service',
    personId: 'maya',
  });
  await apply(written());
  const events = await appliedEvents();
  expect(events).toHaveLength(1);
  expect(events[0]).toEqual(
    expect.arrayContaining(['environment:prod', 'pipeline:rollback', 'principal:ci']),
  );
});

test('pipelines of the file are published, once, and stay when the file forgets them', async () => {
  const text = (seconds: number): string => `schema: sluice.pipeline/v2
name: rollout
version: 1
steps:
  - { id: scan, type: scan@1 }
  - { id: wait, type: wait@1, needs: [scan], inputs: { seconds: ${seconds} } }
`;
  await writeFile(join(folder, 'rollout.yaml'), text(5));
  const environments = [{ name: 'dev', position: 1, policy: 'release-gate', pipeline: 'rollout' }];
  await apply(written({ pipelines: ['rollout.yaml'], environments, targets: [] }));
  await withTenant(app, 'acme', async (tx) => {
    expect(await getPipeline(tx, 'rollout')).toMatchObject({ version: 1, publishedBy: null });
    expect(await getEnvironment(tx, 'dev')).toMatchObject({
      pipeline: 'rollout',
      pipelineVersion: null,
      pipelineParameters: {},
    });
  });
  expect((await appliedEvents()).at(-1)).toEqual(
    expect.arrayContaining(['pipeline:rollout', 'environment:dev']),
  );
  await writeFile(join(folder, 'rollout.yaml'), text(6));
  const again = apply(written({ pipelines: ['rollout.yaml'], environments, targets: [] }));
  await expect(again).rejects.toMatchObject({ problems: [{ path: 'pipelines[0]' }] });
  const pinned = [{ ...environments[0], pipeline: 'rollout@1' }];
  await apply(written({ environments: pinned, targets: [] }));
  await withTenant(app, 'acme', async (tx) => {
    expect(await getEnvironment(tx, 'dev')).toMatchObject({ pipelineVersion: 1 });
  });
  await apply(written());
});

test('routers, budgets and what watches a release become records', async () => {
  const watch = { seconds: 60, probes: {}, onAlarm: 'notify' };
  const environments = [{ name: 'dev', position: 1, policy: 'release-gate', watch }];
  const routers = [{ name: 'proxy', environment: 'dev', kind: 'nginx', backend: 'web' }];
  const budgets = [{ name: 'web', labels: { tier: 'web' }, maxUnavailable: '50%' }];
  const agents = { heartbeatSeconds: 5, staleSeconds: 10, offlineSeconds: 20 };
  await apply(written({ environments, routers, budgets, agents }));
  await withTenant(app, 'acme', async (tx) => {
    expect(await listRouters(tx)).toMatchObject([
      { name: 'proxy', kind: 'nginx', settings: { backend: 'web' } },
    ]);
    expect(await getEnvironment(tx, 'dev')).toMatchObject({
      watch: { seconds: 60, probes: { failures: 3 }, onAlarm: 'notify' },
    });
  });
  expect(
    await database.query(
      'select budget_id, selector, max_unavailable_percent, offline_seconds from sluice.disruption_budgets',
    ),
  ).toEqual([
    {
      budget_id: 'web',
      selector: { tier: 'web' },
      max_unavailable_percent: 50,
      offline_seconds: 20,
    },
  ]);
  expect((await appliedEvents()).at(-1)).toEqual(
    expect.arrayContaining(['budget:web', 'environment:dev', 'target:proxy']),
  );
  await apply(written());
});

test('a token that the file no longer names speaks for nobody', async () => {
  const principals = [{ name: 'maya', role: 'release-manager', tokenHash: hash('b') }];
  await apply(written({ principals }));
  expect(await findPrincipalByTokenHash(app, hash('a'))).toBeUndefined();
  expect(await findPrincipalByTokenHash(app, hash('c'))).toBeUndefined();
  expect(await findPrincipalByTokenHash(app, hash('b'))).toMatchObject({ principalId: 'maya' });
  expect((await appliedEvents()).at(-1)).toEqual(['principal:ci', 'principal:maya']);
  expect(await database.query('select from sluice.principal_tokens')).toHaveLength(1);
});

test('a file with problems changes nothing', async () => {
  const before = await appliedEvents();
  const environments = [{ name: 'dev', position: 1, policy: 'release-gate', after: ['dev', 'x'] }];
  await expect(apply(written({ environments, principals: [] }))).rejects.toMatchObject({
    code: 'configuration-invalid',
    problems: [{ path: 'environments[0].after[0]' }, { path: 'environments[0].after[1]' }],
  });
  expect(await appliedEvents()).toEqual(before);
  expect(await findPrincipalByTokenHash(app, hash('b'))).toBeDefined();
});
