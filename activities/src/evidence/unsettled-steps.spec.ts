import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createLogger } from '@sluice/observability';
import { getPromotion, withTenant } from '@sluice/persistence';
import { createNoopStep } from '../noop/noop.step.ts';
import { createStateActivities } from '../records/state.activities.ts';
import { type StepType, succeededResult } from '../step/step-type.ts';
import {
  type CourseScene,
  createCourseScene,
  createFakeScope,
  SCENE_TENANT,
  SCENE_TRACEPARENT,
} from '../testing/index.ts';
import { leavesSteps } from './unsettled-steps.ts';

let room: CourseScene;
beforeAll(async () => {
  room = await createCourseScene();
});
afterAll(() => room.close());

const SCRIPT: StepType = {
  type: 'script',
  version: 1,
  run: async () => ({ result: succeededResult({}, { exitCode: 0, artifacts: {} }) }),
  compensate: async () => ({ result: succeededResult({}) }),
};

test('what a run before a reset has begun is known, until it is put back', async () => {
  const inputs = { source: 'true', undo: {} };
  const { promotion, input } = await room.begin({
    steps: [
      { id: 'rest', type: 'noop@1' },
      { id: 'migrate', type: 'script@1', inputs },
      { id: 'fan', type: 'script@1', inputs, matrix: { over: { values: ['a', 'b'] } } },
      { id: 'never', type: 'script@1', inputs, needs: ['fan'] },
    ],
  });
  const { listBegunSteps } = createStateActivities({
    pool: room.scene.worker,
    logger: createLogger({ service: 'test', level: 'silent' }),
    scope: () => createFakeScope(),
  });
  const begun = async () => (await listBegunSteps({ promotion })).map(({ stepId }) => stepId);
  const leaves = async (asked: { readonly stepsSettled?: false; readonly state?: 'succeeded' }) => {
    const promoted = await withTenant(room.scene.worker, SCENE_TENANT, (tx) =>
      getPromotion(tx, promotion.promotionId),
    );
    const end = { reason: null, endedAt: '2026-11-21T12:30:00.000Z' };
    return leavesSteps(
      { pool: room.scene.worker },
      { promotion, traceparent: SCENE_TRACEPARENT, state: 'failed', ...end, ...asked },
      promoted,
    );
  };
  const activities = room.activities([SCRIPT, createNoopStep()]);
  expect(await begun()).toEqual([]);
  await activities.executeStep(input('rest'));
  expect(await begun()).toEqual(['rest']);
  expect(await leaves({ stepsSettled: false })).toBe(false);
  await activities.expandMatrix({ promotion, stepId: 'fan' });
  expect(await begun()).toEqual(['rest']);
  await activities.executeStep(input('fan', { member: { index: 1, key: '1' } }));
  await activities.executeStep(input('migrate'));
  expect(await begun()).toEqual(['rest', 'migrate', 'fan']);
  expect(await leaves({ stepsSettled: false })).toBe(true);
  expect(await leaves({})).toBe(false);
  expect(await leaves({ stepsSettled: false, state: 'succeeded' })).toBe(false);
  const reason = { code: 'promotion-cancelled', message: 'Cancelled.' };
  await activities.recordSteps({
    promotion,
    steps: [{ stepId: 'fan', state: 'cancelled', reason }],
  });
  expect(await begun()).toEqual(['rest', 'migrate', 'fan']);
  await activities.recordSteps({
    promotion,
    steps: ['fan', 'migrate'].map((stepId) => ({ stepId, state: 'reverted', reason })),
  });
  expect(await begun()).toEqual(['rest']);
  expect(await leaves({ stepsSettled: false })).toBe(false);
});
