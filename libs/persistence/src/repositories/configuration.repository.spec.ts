import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { BUILT_IN_PIPELINES, STANDARD_PIPELINE } from '@sluice/domain';
import { digestOfBytes } from '@sluice/pure';
import type { Pool } from '../pool.ts';
import {
  createTestDatabase,
  sceneConfiguration,
  sceneTarget,
  sceneToken,
  type TestDatabase,
} from '../testing/index.ts';
import { withTenant } from '../transaction.ts';
import { applyConfiguration, type TenantConfiguration } from './configuration.repository.ts';
import {
  findEnvironment,
  listEnvironments,
  listEnvironmentsByName,
} from './environment.repository.ts';
import { getPipeline } from './pipeline.repository.ts';
import { findPrincipal, findPrincipalByTokenHash } from './principal.repository.ts';
import { findSource, getPolicy } from './rule.repository.ts';
import {
  findTarget,
  getTarget,
  listRoutersOf,
  listTargets,
  listTargetsOf,
} from './target.repository.ts';

let database: TestDatabase;
let app: Pool;
const apply = (tenantId: string, configuration: TenantConfiguration) =>
  withTenant(app, tenantId, (tx) => applyConfiguration(tx, configuration));
const read = <T>(tenantId: string, work: Parameters<typeof withTenant<T>>[2]) =>
  withTenant(app, tenantId, work);
const hashOf = (tenantId: string, role: string) => digestOfBytes(sceneToken(tenantId, role));

beforeAll(async () => {
  database = await createTestDatabase();
  app = database.poolOf('sluice_app');
});

afterAll(() => database.drop());

test('the first application makes the tenant and everything in it, the second changes nothing', async () => {
  const first = await apply('acme', sceneConfiguration('acme'));
  expect(first.changed).toEqual([
    'environment:dev',
    'environment:prod',
    'pipeline:approved',
    'pipeline:rollback',
    'pipeline:standard',
    'policy:release-gate',
    'principal:admin',
    'principal:approver',
    'principal:release-manager',
    'principal:viewer',
    'source:samples',
    'target:dev-host-1',
    'target:prod-host-1',
  ]);
  expect((await apply('acme', sceneConfiguration('acme'))).changed).toEqual([]);
  const events = await database.query(`select type from sluice.events where tenant_id = 'acme'`);
  expect(events).toEqual([{ type: 'configuration.applied' }]);
  const environments = await read('acme', listEnvironments);
  expect(environments.map(({ name, version }) => [name, version])).toEqual([
    ['dev', 1],
    ['prod', 1],
  ]);
});

test('two processes that start at once apply it once', async () => {
  const both = await Promise.all([1, 2].map(() => apply('twice', sceneConfiguration('twice'))));
  expect(both.filter(({ changed }) => changed.length > 0)).toHaveLength(1);
});

test('a change raises the version; what is no longer named is removed and can come back', async () => {
  const base = sceneConfiguration('change');
  await apply('change', base);
  const changed = await apply('change', {
    ...base,
    sources: [],
    environments: base.environments.slice(0, 1).map((one) => ({ ...one, position: 7 })),
    targets: base.targets.slice(0, 1).map((one) => ({ ...one, address: 'localhost' })),
    policies: [{ name: 'release-gate', policyDigest: digestOfBytes('release-gate 2') }],
  });
  expect(changed.changed).toEqual([
    'environment:dev',
    'environment:prod',
    'policy:release-gate',
    'source:samples',
    'target:dev-host-1',
    'target:prod-host-1',
  ]);
  await read('change', async (tx) => {
    expect(await findEnvironment(tx, 'dev')).toMatchObject({ position: 7, version: 2 });
    expect(await findEnvironment(tx, 'prod')).toBeUndefined();
    expect(await listEnvironmentsByName(tx, ['prod'])).toMatchObject([{ name: 'prod' }]);
    expect(await getTarget(tx, 'dev-host-1')).toMatchObject({ address: 'localhost', version: 2 });
    expect(await findTarget(tx, 'prod-host-1')).toBeUndefined();
    expect(await listTargets(tx)).toHaveLength(1);
    expect(await listTargetsOf(tx, ['dev', 'prod'])).toHaveLength(1);
    expect(await findSource(tx, 'samples')).toBeUndefined();
    expect((await getPolicy(tx, 'release-gate')).version).toBe(2);
    expect((await getPipeline(tx, 'standard')).body).toEqual(STANDARD_PIPELINE);
  });
  await apply('change', base);
  await read('change', async (tx) => {
    expect(await findEnvironment(tx, 'prod')).toMatchObject({ removedAt: null });
    expect((await getPolicy(tx, 'release-gate')).version).toBe(3);
  });
});

test('routers and budgets come, change and go like targets; a budget that goes binds nobody', async () => {
  const base = sceneConfiguration('rollout');
  await apply('rollout', base);
  const proxy = {
    ...sceneTarget('dev-proxy', 'dev'),
    kind: 'haproxy' as const,
    address: '',
    settings: { backend: 'web' },
  };
  const budget = {
    name: 'web',
    selector: { tier: 'web' },
    maxUnavailable: null,
    maxUnavailablePercent: 25,
  };
  const more = { ...base, targets: [...base.targets, proxy], budgets: [budget] };
  const stored = () =>
    database.query(
      `select budget_id, selector, max_unavailable, max_unavailable_percent, offline_seconds,
         removed_at is not null as removed from sluice.disruption_budgets where tenant_id = 'rollout'`,
    );
  expect((await apply('rollout', more)).changed).toEqual(['budget:web', 'target:dev-proxy']);
  expect((await apply('rollout', more)).changed).toEqual([]);
  expect(await stored()).toEqual([
    {
      budget_id: 'web',
      selector: { tier: 'web' },
      max_unavailable: null,
      max_unavailable_percent: 25,
      offline_seconds: 60,
      removed: false,
    },
  ]);
  await read('rollout', async (tx) => {
    expect(await listRoutersOf(tx, ['dev', 'prod'])).toMatchObject([
      { name: 'dev-proxy', kind: 'haproxy', settings: { backend: 'web' } },
    ]);
    expect((await listTargetsOf(tx, ['dev'])).map(({ name }) => name)).toEqual(['dev-host-1']);
  });
  const changed = { ...budget, maxUnavailable: 0, maxUnavailablePercent: null };
  const quick = { ...more, budgets: [changed], offlineSeconds: 20 };
  expect((await apply('rollout', quick)).changed).toEqual(['budget:web']);
  expect(await stored()).toMatchObject([{ max_unavailable: 0, offline_seconds: 20 }]);
  expect((await apply('rollout', base)).changed).toEqual(['budget:web', 'target:dev-proxy']);
  expect(await stored()).toMatchObject([{ removed: true }]);
  expect((await apply('rollout', more)).changed).toEqual(['budget:web', 'target:dev-proxy']);
  expect(await stored()).toMatchObject([{ max_unavailable_percent: 25, removed: false }]);
});

test('how releases are watched changes with its environment', async () => {
  const base = sceneConfiguration('watch');
  await apply('watch', base);
  const watch = {
    seconds: 60,
    everySeconds: 5,
    probes: { failures: 3 },
    burnRate: null,
    onAlarm: 'rollback' as const,
  };
  const environments = base.environments.map((one) =>
    one.name === 'dev' ? { ...one, watch } : { ...one, watch: null },
  );
  expect((await apply('watch', { ...base, environments })).changed).toEqual(['environment:dev']);
  expect((await apply('watch', { ...base, environments })).changed).toEqual([]);
  const environmentOf = (name: string) => read('watch', (tx) => findEnvironment(tx, name));
  expect(await environmentOf('dev')).toMatchObject({ watch, version: 2 });
  expect(await environmentOf('prod')).toMatchObject({ watch: null, version: 1 });
  expect((await apply('watch', base)).changed).toEqual(['environment:dev']);
  expect(await environmentOf('dev')).toMatchObject({ watch: null, version: 3 });
});

test('a pipeline version never changes its content', async () => {
  const base = sceneConfiguration('rule');
  await apply('rule', base);
  const pipelines = BUILT_IN_PIPELINES.map((one) => ({ ...one, steps: one.steps.slice(0, 1) }));
  await expect(apply('rule', { ...base, pipelines })).rejects.toMatchObject({
    code: 'configuration-invalid',
  });
  const raised = pipelines.map((one) => ({ ...one, version: one.version + 1 }));
  expect((await apply('rule', { ...base, pipelines: raised })).changed).toEqual([
    'pipeline:approved',
    'pipeline:rollback',
    'pipeline:standard',
  ]);
});

test('a token names its principal across tenants, until it is disabled', async () => {
  const base = sceneConfiguration('tokens');
  await apply('tokens', base);
  expect(await findPrincipalByTokenHash(app, hashOf('tokens', 'admin'))).toEqual({
    tenantId: 'tokens',
    principalId: 'admin',
    role: 'admin',
    kind: 'person',
    personId: 'admin',
  });
  await apply('tokens', { ...base, principals: [] });
  expect(await findPrincipalByTokenHash(app, hashOf('tokens', 'admin'))).toBeUndefined();
  expect(await read('tokens', (tx) => findPrincipal(tx, 'admin'))).toMatchObject({
    disabledAt: expect.any(String),
  });
  const kept = await database.query(
    `select from sluice.principal_tokens where tenant_id = 'tokens'`,
  );
  expect(kept).toHaveLength(0);
  expect(await findPrincipalByTokenHash(app, 'sha256:none')).toBeUndefined();
});

test('a token may go from one principal to another, but not to two or to another tenant', async () => {
  const base = sceneConfiguration('swap');
  await apply('swap', base);
  const [first, second] = base.principals;
  if (first === undefined || second === undefined) throw new Error('two principals needed');
  const swapped = [
    { ...first, tokenHashes: second.tokenHashes },
    { ...second, tokenHashes: first.tokenHashes },
  ];
  await apply('swap', { ...base, principals: swapped });
  expect(await findPrincipalByTokenHash(app, hashOf('swap', first.name))).toMatchObject({
    principalId: second.name,
  });
  const twice = [first, { ...second, tokenHashes: first.tokenHashes }];
  await expect(apply('swap', { ...base, principals: twice })).rejects.toMatchObject({
    code: 'configuration-invalid',
  });
  await expect(apply('thief', { ...base, principals: swapped })).rejects.toMatchObject({
    code: 'configuration-invalid',
  });
});

test('a person keeps their tokens apart, and is behind the tokens of their service accounts', async () => {
  const base = sceneConfiguration('owner');
  const admin = base.principals.find(({ name }) => name === 'admin');
  if (admin === undefined) throw new Error('an admin is needed');
  const second = digestOfBytes('second token of admin');
  const service = digestOfBytes('token of ci');
  const two = { ...admin, tokenHashes: [...admin.tokenHashes, second] };
  const ci = {
    name: 'ci',
    role: 'release-manager' as const,
    kind: 'service' as const,
    owner: 'admin',
    tokenHashes: [service],
  };
  // The account stands before its owner: the order of the file is not one of dependence.
  const changed = await apply('owner', { ...base, principals: [ci, two] });
  expect(changed.changed.filter((one) => one.startsWith('principal:'))).toEqual([
    'principal:admin',
    'principal:ci',
  ]);
  expect(await findPrincipalByTokenHash(app, second)).toMatchObject({ personId: 'admin' });
  expect(await findPrincipalByTokenHash(app, service)).toEqual({
    tenantId: 'owner',
    principalId: 'ci',
    role: 'release-manager',
    kind: 'service',
    personId: 'admin',
  });
  expect(await read('owner', (tx) => findPrincipal(tx, 'ci'))).toEqual({
    principalId: 'ci',
    role: 'release-manager',
    kind: 'service',
    ownerId: 'admin',
    disabledAt: null,
  });

  expect((await apply('owner', { ...base, principals: [ci, two] })).changed).toEqual([]);
  expect((await apply('owner', { ...base, principals: [ci, admin] })).changed).toEqual([
    'principal:admin',
  ]);
  expect(await findPrincipalByTokenHash(app, second)).toBeUndefined();
  expect(await findPrincipalByTokenHash(app, hashOf('owner', 'admin'))).toBeDefined();

  await database.query(
    `update sluice.principals set disabled_at = now() where tenant_id = 'owner' and principal_id = 'admin'`,
  );
  expect(await findPrincipalByTokenHash(app, service)).toBeUndefined();
});

test('rules of an environment are stored, and a change of each makes the next version', async () => {
  const base = sceneConfiguration('rules');
  const [dev, prod] = base.environments;
  if (dev === undefined || prod === undefined) throw new Error('two environments needed');
  await apply('rules', base);
  const changes = [
    { predecessors: ['dev'] },
    { pipeline: 'approved' },
    { approval: { count: 2, roles: ['approver' as const], deadlineSeconds: 60 } },
    { rollbackRoles: ['admin' as const, 'release-manager' as const] },
    { pipelineVersion: 1 },
    { pipelineParameters: { region: 'eu' } },
  ];
  let changed = prod;
  for (const [index, change] of changes.entries()) {
    changed = { ...changed, ...change };
    const environments = [dev, changed];
    expect((await apply('rules', { ...base, environments })).changed).toEqual(['environment:prod']);
    expect((await apply('rules', { ...base, environments })).changed).toEqual([]);
    const stored = await read('rules', (tx) => findEnvironment(tx, 'prod'));
    expect(stored).toEqual({
      pipelineVersion: null,
      pipelineParameters: {},
      watch: null,
      ...changed,
      version: index + 2,
      removedAt: null,
    });
  }
  const events = await database.query(
    `select data from sluice.events where tenant_id = 'rules' and type = 'configuration.applied'
      order by arrival desc limit 1`,
  );
  expect(events).toEqual([{ data: { changed: ['environment:prod'] } }]);
});
