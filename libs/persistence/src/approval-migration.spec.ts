import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { digestOfBytes } from '@sluice/pure';
import pg from 'pg';
import { findTenancyProblems } from './catalogue-walk.ts';
import { migrate } from './migrate.ts';
import { MIGRATIONS_FOLDER } from './migration-files.ts';
import { createPool, type Pool } from './pool.ts';
import { applyConfiguration } from './repositories/configuration.repository.ts';
import { getEnvironment } from './repositories/environment.repository.ts';
import { releaseLease, takeLease, yieldLease } from './repositories/lease.repository.ts';
import { findPrincipal, findPrincipalByTokenHash } from './repositories/principal.repository.ts';
import { getPromotion } from './repositories/promotion.repository.ts';
import { isVerified } from './repositories/verified-release.repository.ts';
import { sceneConfiguration, withEmptyDatabase } from './testing/index.ts';
import { withTenant } from './transaction.ts';

let before: string;

/** The migrations up to 000004, as the release before approvals had them. */
beforeAll(async () => {
  before = await mkdtemp(join(tmpdir(), 'sluice-migrations-'));
  for (const name of await readdir(MIGRATIONS_FOLDER)) {
    if (/^00000[1-4]_/.test(name)) {
      await writeFile(join(before, name), await readFile(join(MIGRATIONS_FOLDER, name)));
    }
  }
});

afterAll(() => rm(before, { recursive: true, force: true }));

const releaseDigest = digestOfBytes('release');
const hash = (tenant: string, name: string): string => digestOfBytes(`${tenant} ${name}`);

/** Two tenants in the middle of their work. */
const OLD_DATA = ['acme', 'other'].flatMap((tenant) => [
  `insert into sluice.tenants (tenant_id) values ('${tenant}')`,
  `insert into sluice.principals (tenant_id, principal_id, role, token_hash, disabled_at) values
     ('${tenant}', 'alice', 'release-manager', '${hash(tenant, 'alice')}', null),
     ('${tenant}', 'gone', 'admin', '${hash(tenant, 'gone')}', now())`,
  `insert into sluice.environments (tenant_id, environment_id, position, pipeline_id, policy_id, deadlines)
     values ('${tenant}', 'dev', 1, 'standard', 'release-gate', '{}')`,
  `insert into sluice.releases (tenant_id, release_digest, name, version, body, created_by)
     values ('${tenant}', '${releaseDigest}', 'sample', '1.0.0', '{}', 'alice')`,
  `insert into sluice.promotions (tenant_id, promotion_id, environment_id, number, release_digest, kind, state,
     requested_by, traceparent, ended_at, rules) values
     ('${tenant}', 'dev/1', 'dev', 1, '${releaseDigest}', 'promote', 'succeeded', 'alice', 't', now(), '{"targets": ["host"]}'),
     ('${tenant}', 'dev/2', 'dev', 2, '${releaseDigest}', 'promote', 'running', 'gone', 't', null, null)`,
  `insert into sluice.targets (tenant_id, target_id, environment_id, kind, address, labels, settings, health)
     values ('${tenant}', 'host', 'dev', 'linux-host', '127.0.0.1', '{}', '{}', '{}')`,
  `insert into sluice.plans (tenant_id, plan_digest, body) values ('${tenant}', '${releaseDigest}', '{}')`,
  `insert into sluice.deployments (tenant_id, promotion_id, target_id, plan_digest, state)
     values ('${tenant}', 'dev/1', 'host', '${releaseDigest}', 'confirmed')`,
  `insert into sluice.leases (tenant_id, resource, holder, fencing_token, acquired_at)
     values ('${tenant}', 'environment:dev', 'promotion:dev/2', 7, now())`,
  `insert into sluice.outbox (tenant_id, kind, body)
     values ('${tenant}', 'start-workflow', '{"workflowId": "promotion/${tenant}/dev/2"}')`,
]);

async function onServer(url: string, statements: readonly string[]): Promise<pg.QueryResult[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const results: pg.QueryResult[] = [];
    for (const sql of statements) results.push(await client.query(sql));
    return results;
  } finally {
    await client.end();
  }
}

async function withRole<T>(superuserUrl: string, role: string, work: (pool: Pool) => Promise<T>) {
  const url = new URL(superuserUrl);
  url.username = role;
  url.password = 'sluice-test-only';
  const pool = createPool({ connectionString: url.href, applicationName: role, max: 2 });
  try {
    return await work(pool);
  } finally {
    await pool.close();
  }
}

test('a database with data from before approvals goes on with all of them', async () => {
  await withEmptyDatabase(async (superuserUrl) => {
    const rolePasswords = { sluice_app: 'sluice-test-only', sluice_worker: 'sluice-test-only' };
    await migrate({ superuserUrl, rolePasswords, folder: before });
    await onServer(superuserUrl, OLD_DATA);
    const { applied } = await migrate({ superuserUrl, rolePasswords });
    expect(applied[0]).toBe('000005_approval.sql');
    expect(await findTenancyProblems(superuserUrl)).toEqual([]);

    await withRole(superuserUrl, 'sluice_app', async (app) => {
      for (const tenant of ['acme', 'other']) {
        expect(await findPrincipalByTokenHash(app, hash(tenant, 'alice'))).toEqual({
          tenantId: tenant,
          principalId: 'alice',
          role: 'release-manager',
          kind: 'person',
          personId: 'alice',
        });
        expect(await findPrincipalByTokenHash(app, hash(tenant, 'gone'))).toBeUndefined();
        await withTenant(app, tenant, async (tx) => {
          expect(await findPrincipal(tx, 'gone')).toMatchObject({ ownerId: null, kind: 'person' });
          expect(await getPromotion(tx, 'dev/1')).toMatchObject({
            requestedPerson: 'alice',
            requestedReason: null,
            rollbackTo: null,
            supersededBy: null,
          });
          expect(await getPromotion(tx, 'dev/2')).toMatchObject({ requestedPerson: 'gone' });
          expect(await isVerified(tx, { environment: 'dev', releaseDigest })).toBe(true);
          expect(await getEnvironment(tx, 'dev')).toMatchObject({
            predecessors: [],
            approval: null,
            rollbackRoles: ['admin'],
          });
        });
      }
      // The configuration that comes with the new release applies to what stands there.
      const { changed } = await withTenant(app, 'acme', (tx) =>
        applyConfiguration(tx, sceneConfiguration('acme')),
      );
      expect(changed).toContain('environment:dev');
      expect(await findPrincipalByTokenHash(app, hash('acme', 'alice'))).toBeUndefined();
      expect(await findPrincipalByTokenHash(app, hash('other', 'alice'))).toBeDefined();
    });

    // Row-level security holds the owner again, and nobody is without a person.
    const [forced, missing, started] = await onServer(superuserUrl, [
      `select relname from pg_class where relnamespace = 'sluice'::regnamespace and relkind = 'r'
        and relname not in ('schema_migrations', 'workflow_bundles')
        and not (relrowsecurity and relforcerowsecurity)`,
      'select from sluice.promotions where requested_person is null',
      `select workflow_id from sluice.outbox where tenant_id = 'acme'`,
    ]);
    expect(forced?.rows).toEqual([]);
    expect(missing?.rows).toEqual([]);
    expect(started?.rows).toEqual([{ workflow_id: 'promotion/acme/dev/2' }]);

    // A lease that was taken before there were places to go back to.
    await withRole(superuserUrl, 'sluice_worker', async (worker) => {
      const lease = (holder: string) => ({ resource: 'environment:dev', holder });
      await withTenant(worker, 'other', async (tx) => {
        expect(await takeLease(tx, lease('promotion:dev/2'))).toMatchObject({ fencingToken: 7 });
        await takeLease(tx, lease('promotion:x'));
        expect(await yieldLease(tx, lease('promotion:dev/2'))).toMatchObject({
          grantedTo: { holder: 'promotion:x', fencingToken: 8 },
        });
        await takeLease(tx, lease('promotion:dev/2'));
        expect(await releaseLease(tx, lease('promotion:x'))).toMatchObject({
          grantedTo: { holder: 'promotion:dev/2', fencingToken: 9 },
        });
      });
    });
  });
});
