import { beforeAll, describe, expect, test } from '@jest/globals';
import { layOutRollout, type RolloutAction, type RolloutLayout } from '@sluice/domain';
import { STEER_ROLLOUT, type SteerRolloutInput, type StepResult } from '@sluice/temporal-contract';
import type { WorkflowBundle } from '@temporalio/worker';
import { bundleSources } from '../../../test/src/workflows/bundle-workflows.ts';
import { unsuccessful } from '../../../test/src/workflows/fake-activities.ts';
import { step } from '../../../test/src/workflows/fake-course-rules.ts';
import { layoutOf, nameOfPlace, steer, verdict } from '../../../test/src/workflows/fake-rollout.ts';
import { playQuickly, type QuickCourse } from '../../../test/src/workflows/in-memory-course.ts';
import type { RunningWorkflow } from '../../../test/src/workflows/in-memory-types.ts';
import { pause } from '../../../test/src/workflows/waiting.ts';

type Settings = NonNullable<Parameters<typeof playQuickly>[2]>;

let bundle: WorkflowBundle;
beforeAll(async () => {
  bundle = await bundleSources();
});

const HOSTS = ['a', 'b', 'c', 'd'];
const STEPS = [
  step('plan', { type: 'plan@1' }),
  step('roll', { type: 'rollout@1', needs: ['plan'] }),
];
const GOOD: StepResult = { outcome: 'succeeded', outputs: {}, reason: null };
const CANARY = layoutOf([1, 2, 4], { strategy: 'canary', router: 'edge' }, () => ({
  soakSeconds: 30,
}));

/** Somebody who steers the rollout that is played. */
class Person {
  running: RunningWorkflow | undefined = undefined;
  readonly told: string[] = [];
  #count = 0;

  /** Says what came of it: `pause paused`, `resume rollout-not-paused`. */
  async act(action: RolloutAction, changes: Partial<SteerRolloutInput> = {}): Promise<unknown> {
    this.#count += 1;
    const input = steer(action, { steerId: `mia/${this.#count}`, ...changes });
    try {
      const answer = await this.running?.update(`u-${this.#count}`, STEER_ROLLOUT, input);
      this.told.push(`${action} ${(answer as { state: string }).state}`);
      return answer;
    } catch (error) {
      this.told.push(`${action} ${(error as { type?: string }).type}`);
      return null;
    }
  }
}

/** Nobody waits for it: the workflow must hear of it first. */
function play(
  layout: RolloutLayout,
  settings: (person: Person) => Settings,
): Promise<QuickCourse & { readonly person: Person }> {
  const person = new Person();
  const { rules, ...rest } = settings(person);
  return playQuickly(bundle, STEPS, {
    members: { roll: HOSTS },
    rollouts: { roll: layout },
    meanwhile: (running) => {
      person.running = running;
    },
    ...rest,
    rules: { targets: HOSTS, ...rules },
  }).then((played) => ({ ...played, person }));
}

/** What never ends by itself. */
const forever = (): Promise<never> => new Promise(() => undefined);

describe('pause and resume', () => {
  test('in mid-stage: who runs ends, nobody begins, and the rest follows', async () => {
    let seen: readonly string[] = [];
    const { result, records, person } = await play(
      layoutOf([4], {}, () => ({ maxParallel: 1 })),
      (one) => ({
        steps: {
          roll: async ({ target }) => {
            if (target === 'b') void one.act('pause');
            return GOOD;
          },
        },
        onRecord: async ({ state }) => {
          if (state !== 'paused') return;
          await pause(30);
          seen = [...(one.told.length === 0 ? HOSTS.slice(0, 2) : [])];
          void one.act('resume');
        },
      }),
    );
    expect(result.state).toBe('succeeded');
    expect(seen).toEqual(['a', 'b']);
    expect(records.journal).toEqual(HOSTS.map((host) => `deploy ${host} succeeded`));
    expect(records.positions).toEqual([
      'running 0 deploy',
      'paused 0 deploy rollout-paused',
      'running 0 deploy',
      'running 0 held',
      'completed 0 held',
    ]);
    expect(person.told.sort()).toEqual(['pause paused', 'resume running']);
    expect(records.changes.filter((line) => line.startsWith('promotion'))).toEqual([
      'promotion running',
      'promotion waiting',
      'promotion running',
      'promotion succeeded',
    ]);
  });

  test('an inconclusive stage asks, gets no requests meanwhile, and is watched again', async () => {
    const { result, records, person } = await play(CANARY, (one) => ({
      watch: async (at, look) =>
        at === 0 && look === 1 ? verdict('inconclusive', 'too-few-samples') : 'pass',
      onRecord: async ({ state }) => {
        if (state === 'paused') void one.act('resume');
      },
    }));
    expect(result.state).toBe('succeeded');
    expect(person.told).toEqual(['resume running']);
    expect(records.positions).toContain('paused 0 soak too-few-samples');
    expect(records.positions.at(-1)).toBe('completed 2 held');
    const routes = records.journal.filter((line) => line.startsWith('route'));
    expect(routes.slice(0, 4)).toEqual([
      'route prepare-0 succeeded',
      'route stage-0 succeeded',
      'route off-1 succeeded',
      'route stage-0 succeeded',
    ]);
  });

  test('a pause that nobody ends is an abort, and is not counted as the promotion’s time', async () => {
    const { result, records } = await play({ ...CANARY, pauseSeconds: 90_000 }, () => ({
      watch: async () => verdict('inconclusive', 'too-few-samples'),
    }));
    expect(result).toMatchObject({ state: 'reverted', reason: { code: 'rollout-pause-expired' } });
    expect(records.positions.at(-1)).toBe('aborted 0 soak rollout-pause-expired');
    expect(records.journal.slice(-3)).toEqual([
      'route off-1 succeeded',
      'revert a succeeded',
      'route restore succeeded',
    ]);
  });

  test('a stage that waits for a person goes on when one says so', async () => {
    const { result, records, person } = await play(
      layoutOf([1, 4], {}, (at) => ({ pause: at === 0 })),
      (one) => ({
        onRecord: async ({ state }) => {
          if (state === 'paused') void one.act('resume');
        },
      }),
    );
    expect(result.state).toBe('succeeded');
    expect(records.positions).toContain('paused 0 held stage-pause');
    expect(person.told).toEqual(['resume running']);
  });

  test('blue and green, looked at before the switch: requests stay until a person resumes', async () => {
    const targets = HOSTS.map((name, index) => ({
      name,
      labels: { color: index < 2 ? 'green' : 'blue' },
    }));
    const laidOut = layOutRollout(
      {
        strategy: 'blue-green',
        groupLabel: 'color',
        router: 'edge',
        pauseBeforeSwitch: true,
        soakSeconds: 30,
      },
      targets,
      ['c', 'd'],
    );
    if (!laidOut.ok) throw new Error(JSON.stringify(laidOut.problems));
    expect(laidOut.order).toEqual(['a', 'b']);
    const asked: string[] = [];
    let before: readonly string[] = [];
    const { result, records, person } = await play(laidOut.layout, (one) => ({
      members: { roll: laidOut.order },
      gate: async (stage) => {
        asked.push(`gate ${stage}`);
        return null;
      },
      route: async (place) => {
        asked.push(nameOfPlace(place));
        return null;
      },
      onRecord: async ({ state }) => {
        if (state !== 'paused') return;
        await pause(30);
        before = [...asked];
        void one.act('resume');
      },
    }));
    expect(result.state).toBe('succeeded');
    // The table of the first stage has the share 0: nobody is sent to the new group yet.
    expect(laidOut.layout.stages[0]?.canaryPermille).toBe(0);
    expect(before).toEqual(['prepare-0', 'stage-0']);
    expect(asked.slice(before.length)).toEqual(['gate 1', 'stage-1', 'final']);
    expect(records.positions).toContain('paused 0 held stage-pause');
    expect(records.journal).toEqual([
      'route prepare-0 succeeded',
      'deploy a succeeded',
      'deploy b succeeded',
      'route stage-0 succeeded',
      'route stage-1 succeeded',
      'route final succeeded',
    ]);
    expect(person.told).toEqual(['resume running']);
  });

  test('where failures pause: watched again, or given up', async () => {
    const layout: RolloutLayout = { ...CANARY, onFail: 'pause' };
    const mended = await play(layout, (one) => ({
      watch: async (_at, look) => (look === 1 ? verdict('fail', 'errors-rose') : 'pass'),
      route: async ({ kind }) =>
        kind === 'final' && one.told.length < 3 ? unsuccessful('failed', 'router-down') : null,
      onRecord: async ({ state }) => {
        if (state === 'paused') void one.act('resume');
      },
    }));
    expect(mended.result.state).toBe('succeeded');
    expect(mended.person.told).toEqual(Array(mended.person.told.length).fill('resume running'));
    expect(mended.person.told.length).toBeGreaterThan(2);

    const stuck = await play(layout, (one) => ({
      steps: { roll: async () => unsuccessful('failed', 'disk-full') },
      onRecord: async ({ state }) => {
        if (state !== 'paused' || one.told.length > 0) return;
        void one.act('resume');
        void one.act('skip');
        void one.act('abort');
      },
    }));
    expect(stuck.person.told).toEqual([
      'resume rollout-stuck',
      'skip rollout-stuck',
      'abort running',
    ]);
    expect(stuck.result).toMatchObject({ state: 'reverted', reason: { code: 'rollout-aborted' } });
  });
});

describe('skip, promote and abort', () => {
  test('skip: this stage counts as held, the next is watched', async () => {
    const watched: number[] = [];
    const { result } = await play(CANARY, (one) => ({
      watch: async (at) => {
        watched.push(at);
        if (at > 0) return 'pass';
        void one.act('skip');
        return forever();
      },
    }));
    expect(result.state).toBe('succeeded');
    expect(watched).toEqual([0, 1, 2]);
  });

  test('promote: all that is left at once, unwatched', async () => {
    const watched: number[] = [];
    const { result, records } = await play(CANARY, (one) => ({
      watch: async (at) => {
        watched.push(at);
        void one.act('promote');
        return forever();
      },
      gate: async () => unsuccessful('denied', 'nobody-is-asked'),
    }));
    expect(result.state).toBe('succeeded');
    expect(watched).toEqual([0]);
    expect(records.journal.slice(3)).toEqual([
      'deploy b succeeded',
      'deploy c succeeded',
      'deploy d succeeded',
      'route final succeeded',
    ]);
  });

  test('abort: requests first, at once, whatever it was doing', async () => {
    for (const at of ['prepare', 'deploy', 'stage', 'watch', 'gate', 'paused'] as const) {
      const layout = layoutOf([1, 4], { strategy: 'canary', router: 'edge' }, (index) => ({
        soakSeconds: 10,
        gate: index > 0,
      }));
      const { result, records, person } = await play(layout, (one) => {
        const stop = (): Promise<never> => {
          void one.act('abort');
          return forever();
        };
        return {
          steps: {
            roll: async ({ target }) => (at === 'deploy' && target === 'b' ? stop() : GOOD),
          },
          route: async (place) => {
            const isHere = place.kind === at && 'stage' in place && place.stage === 1;
            return isHere ? stop() : null;
          },
          gate: async () => (at === 'gate' ? stop() : null),
          watch: async (index) => {
            if (at === 'paused') return verdict('inconclusive', 'too-few-samples');
            return at === 'watch' && index === 1 ? stop() : 'pass';
          },
          onRecord: async ({ state }) => {
            if (state === 'paused') void one.act('abort');
          },
        };
      });
      const last = records.positions.at(-1);
      const isOff = records.journal.findIndex((line) => line.startsWith('route off'));
      const isReverted = records.journal.findIndex((line) => line.startsWith('revert'));
      expect({ at, result: result.state, code: result.reason?.code, told: person.told }).toEqual({
        at,
        result: 'reverted',
        code: 'rollout-aborted',
        told: ['abort running'],
      });
      expect(last).toMatch(/^aborted . \w+ rollout-aborted$/);
      expect(isOff).toBeGreaterThan(0);
      expect(isOff).toBeLessThan(isReverted);
      expect(records.journal.at(-1)).toBe('route restore succeeded');
    }
  }, 60_000);
});

describe('who is refused', () => {
  test('by role, step, and where the rollout stands', async () => {
    const { person } = await play(CANARY, (one) => ({
      watch: async (at) => {
        if (at > 0) return 'pass';
        await one.act('pause', { role: 'viewer' });
        await one.act('pause', { stepId: 'other' });
        await one.act('resume');
        await one.act('pause');
        await one.act('pause');
        await one.act('resume', { steerId: 'mia/again' });
        await one.act('resume', { steerId: 'mia/again' });
        return 'pass';
      },
    }));
    expect(person.told).toEqual([
      'pause role-not-permitted',
      'pause rollout-unknown',
      'resume rollout-not-paused',
      'pause paused',
      'pause rollout-already-paused',
      'resume running',
      // The same word again is answered as it was.
      'resume running',
    ]);
  });

  test('whoever pauses while it goes back', async () => {
    const { person, result } = await play(CANARY, (one) => ({
      watch: async () => verdict('fail', 'errors-rose'),
      route: async ({ kind }) => {
        if (kind === 'off') await one.act('pause');
        if (kind === 'restore') await one.act('resume');
        return null;
      },
    }));
    expect(person.told).toEqual(['pause rollout-reverting', 'resume rollout-ended']);
    expect(result.state).toBe('reverted');
  });
});
