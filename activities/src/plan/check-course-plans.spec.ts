import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createLogger } from '@sluice/observability';
import { setDeploymentState, withTenant } from '@sluice/persistence';
import {
  type CourseScene,
  createCourseScene,
  createFakeScope,
  SCENE_TENANT,
} from '../testing/index.ts';
import { createPlanStep } from './plan.step.ts';
import { createStalePlanActivities } from './stale-plan.activities.ts';

let room: CourseScene;
beforeAll(async () => {
  room = await createCourseScene({ targets: ['dev-1', 'dev-2'] });
});
afterAll(() => room.close());

test('what the promotion has changed itself makes no plan stale', async () => {
  const course = await room.begin({ steps: [{ id: 'plan', type: 'plan@1' }] });
  const { promotion } = course;
  const pool = room.scene.worker;
  const { executeStep } = room.activities([createPlanStep({ pool })]);
  const { outputs } = await executeStep(course.input('plan'));
  const { checkPlans } = createStalePlanActivities({
    pool,
    logger: createLogger({ service: 'test', level: 'silent' }),
    scope: () => createFakeScope(),
  });
  const check = () => checkPlans({ promotion, planDigest: outputs['plan'] ?? '' });
  expect(await check()).toEqual({ stale: [] });
  await room.scene.database.query(`update sluice.targets set settings = '{"PORT": "9"}'`);
  expect(await check()).toEqual({ stale: ['dev-1', 'dev-2'] });
  const { promotionId } = promotion;
  await withTenant(pool, SCENE_TENANT, (tx) =>
    setDeploymentState(tx, { promotionId, target: 'dev-1', state: 'dispatched' }),
  );
  expect(await check()).toEqual({ stale: ['dev-2'] });
});
