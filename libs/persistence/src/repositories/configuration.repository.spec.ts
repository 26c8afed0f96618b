import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { digestOfBytes } from '@sluice/pure';
import type { Pool } from '../pool.ts';
import {
  createTestDatabase,
  sceneConfiguration,
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
import { findPrincipalByTokenHash } from './principal.repository.ts';
import { findSource, getPipeline, getPolicy } from './rule.repository.ts';
import { findTarget, getTarget, listTargets, listTargetsOf } from './target.repository.ts';

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
    expect((await getPipeline(tx, 'standard')).version).toBe(1);
  });
  await apply('change', base);
  await read('change', async (tx) => {
    expect(await findEnvironment(tx, 'prod')).toMatchObject({ removedAt: null });
    expect((await getPolicy(tx, 'release-gate')).version).toBe(3);
  });
});

test('a pipeline version never changes its content', async () => {
  const base = sceneConfiguration('rule');
  await apply('rule', base);
  const pipelines = base.pipelines.map((one) => ({ ...one, steps: one.steps.slice(0, 1) }));
  await expect(apply('rule', { ...base, pipelines })).rejects.toMatchObject({
    code: 'configuration-invalid',
  });
  const raised = pipelines.map((one) => ({ ...one, version: 2 }));
  expect((await apply('rule', { ...base, pipelines: raised })).changed).toEqual([
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
  });
  await apply('tokens', { ...base, principals: [] });
  expect(await findPrincipalByTokenHash(app, hashOf('tokens', 'admin'))).toBeUndefined();
  expect(await findPrincipalByTokenHash(app, 'sha256:none')).toBeUndefined();
});

test('a token may go from one principal to another, but not to two or to another tenant', async () => {
  const base = sceneConfiguration('swap');
  await apply('swap', base);
  const [first, second] = base.principals;
  if (first === undefined || second === undefined) throw new Error('two principals needed');
  const swapped = [
    { ...first, tokenHash: second.tokenHash },
    { ...second, tokenHash: first.tokenHash },
  ];
  await apply('swap', { ...base, principals: swapped });
  expect(await findPrincipalByTokenHash(app, first.tokenHash)).toMatchObject({
    principalId: second.name,
  });
  const twice = [first, { ...second, tokenHash: first.tokenHash }];
  await expect(apply('swap', { ...base, principals: twice })).rejects.toMatchObject({
    code: 'configuration-invalid',
  });
  await expect(apply('thief', { ...base, principals: swapped })).rejects.toMatchObject({
    code: 'configuration-invalid',
  });
});
