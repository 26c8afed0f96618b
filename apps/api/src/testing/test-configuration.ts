import {
  type ApprovalRule,
  BUILT_IN_PIPELINES,
  DEFAULT_DEADLINES,
  DEFAULT_ROLLBACK_ROLES,
  type Environment,
  type Role,
  type Target,
} from '@sluice/domain';
import { applyConfiguration, type Pool, withTenant } from '@sluice/persistence';
import { digestOfBytes } from '@sluice/pure';

/** The tenant that the test's configuration names. */
export const TENANT = 'acme';

/** A second tenant in the same database. */
export const OTHER_TENANT = 'globex';

/** The rule of the environment `prod`. */
export const PROD_RULE: ApprovalRule = {
  count: 2,
  roles: ['admin', 'approver'],
  deadlineSeconds: 3600,
};

/** A principal per role, named like it; a second approver; and a service account of the approver's. */
const PRINCIPALS: readonly {
  readonly name: string;
  readonly role: Role;
  readonly owner?: string;
}[] = [
  { name: 'viewer', role: 'viewer' },
  { name: 'release-manager', role: 'release-manager' },
  { name: 'approver', role: 'approver' },
  { name: 'admin', role: 'admin' },
  { name: 'second-approver', role: 'approver' },
  { name: 'robot', role: 'approver', owner: 'approver' },
];

/** The token of a principal in a tenant. */
export function tokenOf(principal: string, tenant = TENANT): string {
  return `token-of-${principal}-in-${tenant}-0123456789`;
}

/** A target as tests configure it. */
export function testTarget(name: string, environment: string): Target {
  return {
    name,
    environment,
    kind: 'linux-host',
    address: '127.0.0.1',
    labels: { zone: 'a' },
    settings: { GREETING: 'hello', TOKEN: { secret: 'token' } },
    health: {
      path: '/healthz',
      port: 8080,
      intervalMs: 100,
      timeoutMs: 1000,
      successes: 1,
      failures: 3,
    },
  };
}

/** Environments dev (one target), empty (none) and prod (one target, after dev, two approvals), and the principals. */
export async function configureTenant(pool: Pool, tenant: string): Promise<void> {
  const environment = (name: string, position: number): Environment => ({
    name,
    position,
    pipeline: 'standard',
    policy: 'release-gate',
    deadlines: DEFAULT_DEADLINES,
    predecessors: [],
    approval: null,
    rollbackRoles: DEFAULT_ROLLBACK_ROLES,
  });
  await withTenant(pool, tenant, (tx) =>
    applyConfiguration(tx, {
      sources: [{ name: 'images', kind: 'oci-layout', location: '/nowhere' }],
      pipelines: BUILT_IN_PIPELINES,
      policies: [{ name: 'release-gate', policyDigest: digestOfBytes('policy') }],
      environments: [
        environment('dev', 1),
        environment('empty', 2),
        {
          ...environment('prod', 3),
          pipeline: 'approved',
          predecessors: ['dev'],
          approval: PROD_RULE,
          rollbackRoles: ['admin', 'release-manager'],
        },
      ],
      targets: [testTarget(`${tenant}-host`, 'dev'), testTarget(`${tenant}-prod`, 'prod')],
      principals: PRINCIPALS.map(({ name, role, owner }) => ({
        name,
        role,
        kind: owner === undefined ? 'person' : 'service',
        owner: owner ?? null,
        tokenHashes: [digestOfBytes(tokenOf(name, tenant))],
      })),
    }),
  );
}
