import type { RolloutLayout, RouteTable } from '@sluice/domain';
import {
  insertMembers,
  insertRollout,
  insertSteer,
  insertSteps,
  putRoute,
  type RolloutKey,
  recordSteer,
  settleMembers,
  storeAnalysis,
  type Tx,
  withTenant,
} from '@sluice/persistence';
import { digestOf, digestOfBytes } from '@sluice/pure';
import { addPromotion } from './scene.ts';
import { TENANT, type TestApi } from './test-api.ts';

/** A canary over two targets: one with a tenth of the requests, then both. */
export function testLayout(router: string | null = null): RolloutLayout {
  const stage = { maxParallel: 1, soakSeconds: 60, analyse: true, pause: false };
  return {
    strategy: 'canary',
    stages: [
      { ...stage, name: 'few', from: 0, to: 1, canaryPermille: 100, gate: false },
      { ...stage, name: 'all', from: 1, to: 2, canaryPermille: 1000, gate: true },
    ],
    router,
    onFail: 'revert',
    onInconclusive: 'pause',
    pauseSeconds: 3600,
  };
}

/** Lets a step of a promotion begin to roll out, as the worker would. */
export async function beginRollout(
  tx: Tx,
  key: RolloutKey,
  members: readonly string[],
  router: string | null = null,
): Promise<void> {
  const layout = testLayout(router);
  await insertSteps(tx, key.promotionId, [{ id: key.stepId, type: 'rollout@1' }]);
  await insertMembers(
    tx,
    key,
    members.map((name) => ({ key: name, target: null, value: name })),
  );
  await insertRollout(tx, {
    ...key,
    strategy: layout.strategy,
    layout: { ...layout, members },
    inputs: { strategy: 'canary' },
    routeBefore: null,
  });
}

/** A promotion with a rollout that runs, in the records and in the fake engine. */
export async function addRollout(
  api: TestApi,
  release: string,
  { stepId = 'roll', tenant = TENANT } = {},
): Promise<string> {
  const promotionId = await addPromotion(api, release, tenant);
  const key = { promotionId, stepId, round: 1 };
  await withTenant(api.workerPool, tenant, (tx) => beginRollout(tx, key, ['one', 'two']));
  api.engine.rollOut(
    { tenantId: tenant, promotionId },
    {
      stepId,
      state: 'running',
      isReverting: false,
      isStuck: false,
      isPromoting: false,
      steers: 0,
    },
  );
  return promotionId;
}

/** Adds a router to an environment; its agent has never been told anything. */
export async function addRouter(api: TestApi, name: string, environment: string): Promise<void> {
  await api.database.query(
    `insert into sluice.targets (tenant_id, target_id, environment_id, kind, address, settings, health)
     values ($1, $2, $3, 'haproxy', '', '{"backend": "web"}', '{}')`,
    [TENANT, name, environment],
  );
}

/** A table with one server in each pool. */
export function testTable(canaryPermille: number): RouteTable {
  const server = (name: string, port: number) => ({ name, address: '127.0.0.1', port });
  return {
    schema: 'sluice.route-table/v1',
    backend: 'web',
    pools: { stable: [server('old', 8080)], canary: [server('new', 8081)] },
    canaryPermille,
    match: [],
  };
}

/** All that can hang on a rollout: its first stage held, somebody paused it, requests were moved. */
export async function fillRollout(
  api: TestApi,
  promotionId: string,
  { router, stepId = 'rollout' }: { readonly router: string; readonly stepId?: string },
): Promise<void> {
  const key = { promotionId, stepId, round: 1 };
  const steerId = `release-manager/${promotionId}`;
  const table = testTable(100);
  const commandDigest = digestOfBytes(`route of ${promotionId}`);
  await withTenant(api.workerPool, TENANT, async (tx) => {
    await beginRollout(tx, key, ['one', 'two'], router);
    await settleMembers(tx, key, [{ key: 'one', state: 'succeeded' }]);
    const at = new Date().toISOString();
    await storeAnalysis(tx, {
      ...key,
      stage: 0,
      outcome: 'pass',
      score: 100,
      reason: null,
      documentDigest: digestOfBytes('analysis'),
      startedAt: at,
      endedAt: at,
    });
    const command = { router, promotionId, commandDigest, table };
    await tx.query(
      `insert into sluice.route_changes (tenant_id, command_digest, target_id, promotion_id, step_id, round, stage,
         canary_permille, route_table)
       values ($1, $2, $3, $4, $5, 1, 0, 100, $6)`,
      [TENANT, commandDigest, router, promotionId, stepId, JSON.stringify(table)],
    );
    await putRoute(tx, { ...command, tableDigest: digestOf(table) });
  });
  await withTenant(api.appPool, TENANT, (tx) =>
    insertSteer(tx, {
      steerId,
      promotionId,
      stepId,
      action: 'pause',
      principalId: 'release-manager',
      personId: 'release-manager',
      comment: 'a look',
    }),
  );
  await withTenant(api.workerPool, TENANT, (tx) =>
    recordSteer(tx, { steerId, round: 1, stage: 0 }),
  );
}
