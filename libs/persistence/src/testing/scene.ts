import {
  BUILT_IN_PIPELINES,
  composePlan,
  DEFAULT_DEADLINES,
  DEFAULT_ROLLBACK_ROLES,
  RELEASE_SCHEMA,
  type Release,
  STANDARD_PIPELINE,
  type Target,
} from '@sluice/domain';
import { digestOfBytes } from '@sluice/pure';
import {
  applyConfiguration,
  type TenantConfiguration,
} from '../repositories/configuration.repository.ts';
import { setDeploymentState, upsertDeployment } from '../repositories/deployment.repository.ts';
import { storeRules } from '../repositories/frozen-rules.repository.ts';
import { insertPlan } from '../repositories/plan.repository.ts';
import { insertPromotion, type PromotionRecord } from '../repositories/promotion.repository.ts';
import { insertRelease } from '../repositories/release.repository.ts';
import { type Tx, withTenant } from '../transaction.ts';
import type { TestDatabase } from './test-database.ts';

/** The token of the scene's principal of each role, such as `token-of-acme-admin`. */
export function sceneToken(tenantId: string, role: string): string {
  return `token-of-${tenantId}-${role}`;
}

/** A target of the scene's: a Linux host. */
export function sceneTarget(name: string, environment: string): Target {
  return {
    name,
    environment,
    kind: 'linux-host',
    address: '127.0.0.1',
    labels: {},
    settings: { PORT: '18080' },
    health: {
      path: '/healthz',
      port: 18080,
      intervalMs: 100,
      timeoutMs: 1000,
      successes: 1,
      failures: 3,
    },
  };
}

/** A small configuration: `dev` with `dev-host-1`, `prod` with `prod-host-1`, one principal per role. */
export function sceneConfiguration(tenantId: string): TenantConfiguration {
  const roles = ['viewer', 'release-manager', 'approver', 'admin'] as const;
  return {
    sources: [{ name: 'samples', kind: 'oci-layout', location: '/srv/samples' }],
    pipelines: BUILT_IN_PIPELINES,
    policies: [{ name: 'release-gate', policyDigest: digestOfBytes('release-gate 1') }],
    environments: ['dev', 'prod'].map((name, position) => ({
      name,
      position,
      pipeline: 'standard',
      policy: 'release-gate',
      deadlines: DEFAULT_DEADLINES,
      predecessors: [],
      approval: null,
      rollbackRoles: DEFAULT_ROLLBACK_ROLES,
    })),
    targets: [sceneTarget('dev-host-1', 'dev'), sceneTarget('prod-host-1', 'prod')],
    principals: roles.map((role) => ({
      name: role,
      role,
      kind: 'person',
      owner: null,
      tokenHashes: [digestOfBytes(sceneToken(tenantId, role))],
    })),
  };
}

/** A release with one component. */
export function sceneRelease(version = '1.0.0', name = 'sample'): Release {
  return {
    schema: RELEASE_SCHEMA,
    name,
    version,
    components: [
      { name: 'web', kind: 'oci', digest: digestOfBytes(`${name} ${version}`), version },
    ],
  };
}

/** A tenant with {@link sceneConfiguration} applied, a release, and a promotion of it to `dev`. */
export async function createScene(
  database: TestDatabase,
  tenantId = 'acme',
): Promise<{ readonly releaseDigest: string; readonly promotion: PromotionRecord }> {
  const app = database.poolOf('sluice_app', { max: 1 });
  const worker = database.poolOf('sluice_worker', { max: 1 });
  await withTenant(app, tenantId, (tx) => applyConfiguration(tx, sceneConfiguration(tenantId)));
  const stored = await withTenant(worker, tenantId, (tx) =>
    insertRelease(tx, { release: sceneRelease(), createdBy: 'release-manager' }),
  );
  if (!stored.ok) throw new Error(stored.refusal.message);
  const { releaseDigest } = stored.value;
  const promotion = await withTenant(app, tenantId, (tx) =>
    insertPromotion(tx, {
      environment: 'dev',
      releaseDigest,
      kind: 'promote',
      requestedBy: 'release-manager',
      requestedPerson: 'release-manager',
      traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`,
      steps: STANDARD_PIPELINE.steps,
    }),
  );
  return { releaseDigest, promotion };
}

/**
 * What makes a success a verification: rules that name one target, and its confirmed deployment. Rules that were stored before stay. For the
 * role sluice_worker.
 */
export async function confirmDeployment(
  tx: Tx,
  promotionId: string,
  target: string,
): Promise<void> {
  await storeRules(tx, promotionId, { targets: [target] });
  const planDigest = await insertPlan(tx, composePlan(target, null, null));
  await upsertDeployment(tx, { promotionId, target, planDigest });
  for (const state of ['dispatched', 'confirmed'] as const) {
    await setDeploymentState(tx, { promotionId, target, state });
  }
}
