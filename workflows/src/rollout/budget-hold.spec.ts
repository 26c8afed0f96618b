import { beforeAll, describe, expect, test } from '@jest/globals';
import { FAILURES, STEER_ROLLOUT, type StepResult } from '@sluice/temporal-contract';
import { ApplicationFailure } from '@temporalio/common';
import type { WorkflowBundle } from '@temporalio/worker';
import { bundleSources } from '../../../test/src/workflows/bundle-workflows.ts';
import { unsuccessful } from '../../../test/src/workflows/fake-activities.ts';
import { step } from '../../../test/src/workflows/fake-course-rules.ts';
import { layoutOf, steer } from '../../../test/src/workflows/fake-rollout.ts';
import { playQuickly, type QuickCourse } from '../../../test/src/workflows/in-memory-course.ts';
import type { RunningWorkflow } from '../../../test/src/workflows/in-memory-types.ts';
import { createPoint, pause } from '../../../test/src/workflows/waiting.ts';

type Settings = NonNullable<Parameters<typeof playQuickly>[2]>;

let bundle: WorkflowBundle;
beforeAll(async () => {
  bundle = await bundleSources();
});

const GOOD: StepResult = { outcome: 'succeeded', outputs: {}, reason: null };

const noRoom = (): ApplicationFailure =>
  ApplicationFailure.create({
    type: FAILURES.budgetExhausted,
    message: 'There is no room.',
    nonRetryable: true,
  });

describe.each([
  ['of the promotion itself', 6],
  ['of a shard', 120],
])('members %s', (_name, count) => {
  const hosts = Array.from({ length: count }, (_, at) => `host-${String(at).padStart(3, '0')}`);
  const play = (settings: Settings, maxParallel: number): Promise<QuickCourse> =>
    playQuickly(
      bundle,
      [step('plan', { type: 'plan@1' }), step('roll', { type: 'rollout@1', needs: ['plan'] })],
      {
        members: { roll: hosts },
        rollouts: { roll: layoutOf([count], {}, () => ({ maxParallel })) },
        ...settings,
        rules: { targets: hosts },
      },
    );

  test('one that waits for a budget never begins once another has failed', async () => {
    const hasFailed = createPoint();
    let asked = 0;
    const { result, records } = await play(
      {
        steps: {
          roll: async ({ target }) => {
            if (target === 'host-000') {
              await pause(300);
              hasFailed.reach();
              return unsuccessful('failed', 'disk-full');
            }
            asked += 1;
            if (asked > 2) return GOOD;
            if (asked === 2) {
              await hasFailed.reached;
              await pause(300);
            }
            throw noRoom();
          },
        },
      },
      2,
    );
    expect(result).toMatchObject({ state: 'reverted', reason: { code: 'disk-full' } });
    expect(asked).toBe(2);
    expect(records.journal[0]).toBe('deploy host-000 failed');
    expect(records.journal.filter((line) => line.includes('host-001'))).not.toContain(
      'deploy host-001 succeeded',
    );
    expect(records.members.get('roll/host-001')).toBe('skipped');
    expect(records.members.size).toBe(count);
  }, 30_000);

  test('one that waits for a budget begins after a pause, not in it', async () => {
    let running: RunningWorkflow | undefined;
    const hasPaused = createPoint();
    let asked = 0;
    let askedInPause = 0;
    const deployed: string[] = [];
    const { result, records } = await play(
      {
        meanwhile: (one) => {
          running = one;
        },
        steps: {
          roll: async ({ target = '' }) => {
            if (target === 'host-001') {
              asked += 1;
              if (asked === 1) {
                void running?.update('p', STEER_ROLLOUT, steer('pause'));
                await hasPaused.reached;
                await pause(200);
                throw noRoom();
              }
            } else if (asked < 2) {
              await hasPaused.reached;
              await pause(200);
            }
            deployed.push(target);
            return GOOD;
          },
        },
        onRecord: async ({ state }) => {
          if (state !== 'paused') return;
          hasPaused.reach();
          await pause(1000);
          askedInPause = asked;
          void running?.update('r', STEER_ROLLOUT, steer('resume'));
        },
      },
      3,
    );
    expect(result.state).toBe('succeeded');
    expect(askedInPause).toBe(1);
    expect(asked).toBe(2);
    expect([...deployed].sort()).toEqual(hosts);
    expect([...records.members.values()].every((state) => state === 'succeeded')).toBe(true);
  }, 30_000);
});
