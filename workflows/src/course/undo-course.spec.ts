import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { DEFAULT_DEADLINES } from '@sluice/domain';
import { fails, playCourse } from '../../../test/src/workflows/course-stage.ts';
import { succeeded, unsuccessful } from '../../../test/src/workflows/fake-activities.ts';
import { matrix, step } from '../../../test/src/workflows/fake-course-rules.ts';
import { FakeLease } from '../../../test/src/workflows/fake-lease.ts';
import { FakeRecords } from '../../../test/src/workflows/fake-records.ts';
import type { PromotionStage } from '../../../test/src/workflows/promotion-stage.ts';
import { openPromotionStage } from '../../../test/src/workflows/promotion-stage.ts';
import { createPoint, pause } from '../../../test/src/workflows/waiting.ts';

let stage: PromotionStage;

beforeAll(async () => {
  stage = await openPromotionStage();
});
afterAll(() => stage.close());

test('members that never began are not put back', async () => {
  const { result, records } = await playCourse(
    stage,
    [
      step('fan', {
        type: 'script@1',
        matrix: matrix({ maxParallel: 1, failFast: true }),
      }),
    ],
    {
      members: { fan: ['a', 'b', 'c'] },
      steps: { fan: async ({ member }) => (member?.key === 'b' ? fails() : succeeded('fan')) },
    },
  );
  expect(result).toMatchObject({ state: 'reverted', reason: { code: 'broken' } });
  expect([...records.journal].sort()).toEqual(['undo fan/a succeeded', 'undo fan/b succeeded']);
});

test('a step is put back in its group, when nobody else is in it', async () => {
  const group = new FakeLease();
  const records = new FakeRecords(new FakeLease(), new Map([['group:db', group]]));
  const seen: string[] = [];
  const { result } = await playCourse(
    stage,
    [
      step('migrate', { type: 'script@1', concurrencyGroup: 'db' }),
      step('bad', { needs: ['migrate'] }),
    ],
    {
      records,
      rules: { deadlines: { ...DEFAULT_DEADLINES, queueSeconds: 60 } },
      steps: {
        bad: async () => {
          // Somebody else goes in once the step has left.
          while (group.holder !== undefined) await pause(20);
          group.enter('promotion:other/1');
          group.take('promotion:other/1');
          return fails();
        },
      },
      compensate: async () => {
        seen.push(`undo with ${group.holder}`);
        return succeeded('undone');
      },
      meanwhile: async () => {
        while (group.holder !== 'promotion:other/1') await pause(20);
        await pause(1500);
        seen.push('other leaves');
        group.release('promotion:other/1');
      },
    },
  );
  expect(result.state).toBe('reverted');
  expect(seen[0]).toBe('other leaves');
  expect(seen[1]).toMatch(/undo with promotion:env/);
  expect(group.holder).toBeUndefined();
}, 60_000);

test('a group that does not become free leaves the step as it is, and a person is told', async () => {
  const group = new FakeLease();
  const records = new FakeRecords(new FakeLease(), new Map([['group:db', group]]));
  const { result, steps } = await playCourse(
    stage,
    [
      step('migrate', { type: 'script@1', concurrencyGroup: 'db' }),
      step('bad', { needs: ['migrate'] }),
    ],
    {
      records,
      rules: { deadlines: { ...DEFAULT_DEADLINES, queueSeconds: 2 } },
      steps: {
        bad: async () => {
          while (group.holder !== undefined) await pause(20);
          group.enter('promotion:other/1');
          group.take('promotion:other/1');
          return fails();
        },
      },
    },
  );
  expect(result).toMatchObject({ state: 'failed', reason: { code: 'compensation-failed' } });
  expect(result.reason?.message).toContain('Group db did not become free');
  expect(steps.migrate).toBe('succeeded compensation-failed');
}, 60_000);

test('a rollback lets an undo that touches no target come to its end', async () => {
  const { reached, reach } = createPoint();
  const open = createPoint();
  const { result, records } = await playCourse(
    stage,
    [
      step('earlier', { type: 'script@1' }),
      step('migrate', { type: 'script@1', needs: ['earlier'] }),
      step('bad', { needs: ['migrate'] }),
    ],
    {
      steps: { bad: fails },
      compensate: async () => {
        reach();
        await open.reached;
        return succeeded('undone');
      },
      meanwhile: async ({ handle }) => {
        await reached;
        await handle.signal('supersedePromotion', { by: 'dev/99' });
        await pause(300);
        open.reach();
      },
    },
  );
  expect(result).toMatchObject({ state: 'cancelled', reason: { code: 'superseded' } });
  expect(result.reason?.message).toContain('Not put back: earlier.');
  expect(records.journal).toEqual(['undo migrate succeeded']);
  expect(records.stepStates.get('migrate')).toBe('reverted');
});

test('all targets of a deployment in shards refuse: it is planned again', async () => {
  const targets = Array.from({ length: 120 }, (_, index) => `host-${index}`);
  const { result, records } = await playCourse(
    stage,
    [step('plan', { type: 'plan@1' }), step('deploy', { type: 'deploy@1', needs: ['plan'] })],
    {
      members: { deploy: targets },
      steps: {
        deploy: async ({ round = 1 }) =>
          round === 1 ? unsuccessful('failed', 'plan-stale') : succeeded('deploy'),
      },
    },
  );
  expect(result).toMatchObject({ state: 'succeeded', reason: null });
  expect(records.begun.filter((name) => name.startsWith('deploy~2/')).length).toBe(120);
});

test('matrices in shards do not run beside each other beyond what may be in flight', async () => {
  const keys = Array.from({ length: 110 }, (_, index) => `m${index}`);
  let inside = 0;
  let most = 0;
  const count = async () => {
    inside += 1;
    most = Math.max(most, inside);
    await pause(30);
    inside -= 1;
    return succeeded('one');
  };
  const names = ['a', 'b', 'c', 'd', 'e', 'f'];
  const { result } = await playCourse(
    stage,
    names.map((id) => step(id, { matrix: matrix({ maxParallel: 110 }) })),
    {
      members: Object.fromEntries(names.map((id) => [id, keys])),
      steps: Object.fromEntries(names.map((id) => [id, count])),
    },
  );
  expect(result.state).toBe('succeeded');
  expect(most).toBeLessThanOrEqual(500);
}, 60_000);
