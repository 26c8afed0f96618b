import { afterAll, expect, test } from '@jest/globals';
import { NOTHING_RELEASE } from '@sluice/domain';
import { createFolderStore } from '@sluice/evidence-store';
import { createLogger } from '@sluice/observability';
import { insertRelease, withTenant } from '@sluice/persistence';
import { releaseDigest } from '@sluice/pure';
import { createRulesActivities } from '../records/rules.activities.ts';
import { createStepActivities } from '../step/execute-step.ts';
import { createStepRegistry } from '../step/step-registry.ts';
import { createFakeScope } from '../testing/fake-scope.ts';
import {
  createPromotionScene,
  SCENE_TENANT,
  SCENE_TRACEPARENT,
} from '../testing/promotion-scene.ts';
import { createVerifyStep } from './verify.step.ts';

const scene = await createPromotionScene();
afterAll(() => scene.database.drop());

let asked = 0;
const parts = {
  pool: scene.worker,
  // Nothing is written: steps of before pipelines were data have no log.
  evidence: createFolderStore('/nowhere'),
  logger: createLogger({ service: 'test', level: 'silent' }),
  scope: () => createFakeScope(),
  fetchUrl: async () => {
    asked += 1;
    return new Response('', { status: 200 });
  },
};

test('what was deployed is asked over HTTP', async () => {
  const release = await scene.addRelease('1.0.0');
  expect(await verify(release, 'promote')).toMatchObject({ outcome: 'succeeded' });
  expect(asked).toBeGreaterThan(0);
});

test('that an earlier release is put back is said of a promotion alone: a rollback is not put back', async () => {
  const release = await scene.addRelease('1.1.0');
  // Its time is over before it begins: one try.
  const sick = { ...parts, now: () => 0, fetchUrl: async () => new Response('', { status: 500 }) };
  expect((await verify(release, 'promote', sick)).reason).toMatchObject({
    code: 'target-unhealthy',
    message: expect.stringContaining('is put back.'),
  });
  const { reason } = await verify(release, 'rollback', sick);
  expect(reason?.message).toMatch(/log on the target\.$/);
});

test('an emptied target has nobody to ask', async () => {
  const nothing = releaseDigest(NOTHING_RELEASE);
  await withTenant(scene.app, SCENE_TENANT, (tx) =>
    insertRelease(tx, { release: NOTHING_RELEASE, createdBy: 'sluice' }),
  );
  asked = 0;
  expect(await verify(nothing, 'rollback')).toMatchObject({ outcome: 'succeeded' });
  expect(asked).toBe(0);
});

async function verify(release: string, kind: 'promote' | 'rollback', used: typeof parts = parts) {
  const { promotionId } = await scene.addPromotion(release, { kind });
  const promotion = { tenantId: SCENE_TENANT, promotionId };
  await createRulesActivities(parts).freezeRules({ promotion });
  const registry = createStepRegistry([createVerifyStep(used)]);
  return createStepActivities(parts, registry).executeStep({
    type: 'verify',
    version: 1,
    promotion,
    stepId: 'verify',
    target: 'dev-1',
    inputDigests: { release },
    scheduledAt: '2026-11-21T12:00:00Z',
    traceparent: SCENE_TRACEPARENT,
  });
}
