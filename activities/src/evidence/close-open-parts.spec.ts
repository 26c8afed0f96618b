import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { holdStepState, listSteps, settleMember, withTenant } from '@sluice/persistence';
import type { StepType } from '../step/step-type.ts';
import { type CourseScene, createCourseScene, SCENE_TENANT } from '../testing/index.ts';
import { closeOpenParts } from './close-open-parts.ts';
import { gatherEvidence } from './promotion-facts.ts';

let room: CourseScene;
beforeAll(async () => {
  room = await createCourseScene();
});
afterAll(() => room.close());

const DYING: StepType = {
  type: 'script',
  version: 1,
  run: () => Promise.reject(new Error('The worker is gone.')),
};

test('the end of a promotion and a late member wait for each other in one order', async () => {
  const { promotion, input } = await room.begin({
    steps: [
      {
        id: 'each',
        type: 'script@1',
        inputs: { source: 'true' },
        matrix: { over: { values: [1, 2] } },
      },
      { id: 'next', type: 'script@1', inputs: { source: 'true' }, needs: ['each'] },
    ],
  });
  const { promotionId } = promotion;
  const { executeStep, expandMatrix } = room.activities([DYING]);
  await expandMatrix({ promotion, stepId: 'each' });
  const began = executeStep(input('each', { member: { index: 0, key: '0' } }));
  await expect(began).rejects.toMatchObject({ type: 'Unavailable' });
  const inTenant = <T>(work: Parameters<typeof withTenant<T>>[2]) =>
    withTenant(room.scene.worker, SCENE_TENANT, work);
  const facts = await inTenant((tx) => gatherEvidence(tx, promotionId));
  const reason = { code: 'settled', message: 'Its workflow is gone.' };
  let closing: Promise<void> | undefined;
  // A transaction that loses a deadlock is begun again.
  const begunAs: string[] = [];
  await inTenant(async (tx) => {
    begunAs.push('member');
    await holdStepState(tx, promotionId, 'each');
    closing ??= inTenant((other) => {
      begunAs.push('end');
      return closeOpenParts(other, facts, reason);
    });
    for (let waiting = 0; waiting === 0; ) {
      const [locks] = await room.scene.database.query<{ count: number }>(
        `select count(*)::int as count from pg_stat_activity
          where datname = current_database() and wait_event_type = 'Lock'`,
      );
      waiting = locks?.count ?? 0;
    }
    const set = { promotionId, stepId: 'each', round: 1 };
    expect(await settleMember(tx, set, { key: '0', state: 'succeeded' })).toBe(true);
  });
  await closing;
  expect(begunAs).toEqual(['member', 'end']);
  const states = await room.scene.database.query(
    'select state from sluice.step_members where promotion_id = $1 order by member_index',
    [promotionId],
  );
  expect(states).toEqual([{ state: 'succeeded' }, { state: 'skipped' }]);
  const steps = await inTenant((tx) => listSteps(tx, promotionId));
  expect(steps.map(({ stepId, state }) => [stepId, state])).toEqual([
    ['each', 'cancelled'],
    ['next', 'skipped'],
  ]);
});
