import { beforeAll, expect, test } from '@jest/globals';
import type { RoutePlace } from '@sluice/domain';
import type { PromotionResult, StepResult } from '@sluice/temporal-contract';
import { promotionWorkflowId, WORKFLOWS } from '@sluice/temporal-contract';
import type { WorkflowBundle } from '@temporalio/worker';
import { bundleSources } from '../../../test/src/workflows/bundle-workflows.ts';
import { createFakeActivities, unsuccessful } from '../../../test/src/workflows/fake-activities.ts';
import { composeRollbackRules } from '../../../test/src/workflows/fake-rules.ts';
import { openInMemoryEngine } from '../../../test/src/workflows/in-memory-engine.ts';
import type { Activities } from '../../../test/src/workflows/in-memory-types.ts';
import { TEST_TENANT } from '../../../test/src/workflows/workflow-environment.ts';

let bundle: WorkflowBundle;
beforeAll(async () => {
  bundle = await bundleSources();
});

async function rollBack(
  routers: readonly string[] | undefined,
  route?: (place: RoutePlace) => Promise<StepResult | null>,
): Promise<{ readonly result: PromotionResult; readonly journal: readonly string[] }> {
  const rules = composeRollbackRules(routers === undefined ? {} : { routers });
  const { activities, records } = createFakeActivities({
    rules,
    ...(route === undefined ? {} : { route }),
  });
  const engine = await openInMemoryEngine(bundle, activities as unknown as Activities);
  const promotion = { tenantId: TEST_TENANT, promotionId: 'dev/1' };
  try {
    const { result } = await engine.execute(
      WORKFLOWS.promoteRelease,
      promotionWorkflowId(TEST_TENANT, 'dev/1'),
      {
        promotion,
        environment: 'dev',
        releaseDigest: rules.releaseDigest,
        kind: 'rollback',
        traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
      },
    );
    return { result: result as PromotionResult, journal: records.journal };
  } finally {
    await engine.close();
  }
}

const sorted = (lines: readonly string[]): readonly string[] => [...lines].sort();

test('requests go off before it deploys, and are given back once it has succeeded', async () => {
  const { result, journal } = await rollBack(['edge', 'inner']);
  expect(result).toMatchObject({ state: 'succeeded', reason: null });
  expect(sorted(journal.slice(0, 2))).toEqual([
    'route off-0 edge succeeded',
    'route off-0 inner succeeded',
  ]);
  expect(sorted(journal.slice(-2))).toEqual([
    'route restore edge succeeded',
    'route restore inner succeeded',
  ]);
  expect(journal.filter((line) => line.startsWith('deploy')).length).toBeGreaterThan(0);
});

test('without routers nothing is asked', async () => {
  const { journal } = await rollBack(undefined);
  expect(journal.filter((line) => line.startsWith('route'))).toEqual([]);
});

test('a router that does not answer is told, and keeps nothing from being rolled back', async () => {
  const { result } = await rollBack(['edge'], async () => unsuccessful('failed', 'router-down'));
  expect(result).toMatchObject({ state: 'succeeded', reason: { code: 'routes-not-restored' } });
  const late = await rollBack(['edge'], async ({ kind }) =>
    kind === 'off' ? unsuccessful('failed', 'router-down') : null,
  );
  expect(late.result).toMatchObject({ state: 'succeeded', reason: { code: 'routes-late' } });
});
