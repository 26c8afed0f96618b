import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { CourseStep } from '@sluice/domain';
import { DEFAULT_DEADLINES } from '@sluice/domain';
import {
  type ExecuteStepInput,
  MAX_MEMBERS_IN_ROOT,
  type StepResult,
} from '@sluice/temporal-contract';
import { Context } from '@temporalio/activity';
import {
  type CourseSettings,
  cancel,
  denies,
  fails,
  gives,
  hangs,
  type PlayedCourse,
  playCourse,
} from '../../../test/src/workflows/course-stage.ts';
import { succeeded, unsuccessful } from '../../../test/src/workflows/fake-activities.ts';
import { matrix, step } from '../../../test/src/workflows/fake-course-rules.ts';
import type { PromotionStage } from '../../../test/src/workflows/promotion-stage.ts';
import { openPromotionStage } from '../../../test/src/workflows/promotion-stage.ts';
import { createPoint, until } from '../../../test/src/workflows/waiting.ts';

let stage: PromotionStage;

beforeAll(async () => {
  stage = await openPromotionStage();
});
afterAll(() => stage.close());

const play = (steps: readonly CourseStep[], settings: CourseSettings = {}): Promise<PlayedCourse> =>
  playCourse(stage, steps, settings);

describe('order and conditions', () => {
  test('a diamond runs each step once, after what it needs', async () => {
    const { result, records, status } = await play([
      step('end', { needs: ['left', 'right'] }),
      step('left', { needs: ['begin'] }),
      step('right', { needs: ['begin'] }),
      step('begin'),
    ]);
    expect(result).toMatchObject({ state: 'succeeded', reason: null });
    expect([...records.begun].sort()).toEqual(['begin', 'end', 'left', 'right']);
    expect([records.begun[0], records.begun[3]]).toEqual(['begin', 'end']);
    expect(status.steps.map(({ state }) => state)).toEqual(Array(4).fill('succeeded'));
    expect(records.refusals).toEqual([]);
  });

  test('when nothing fails, only what waits for that is skipped', async () => {
    const { result, steps } = await play([
      step('work'),
      step('report', { needs: ['work'], when: 'always' }),
      step('alarm', { when: 'onFailure' }),
      step('alarm-work', { needs: ['work'], when: 'onFailure' }),
      step('cancelled', { when: 'onCancel' }),
    ]);
    expect(result.state).toBe('succeeded');
    expect(steps).toEqual({
      work: 'succeeded',
      report: 'succeeded',
      alarm: 'skipped nothing-failed',
      'alarm-work': 'skipped nothing-failed',
      cancelled: 'skipped not-cancelled',
    });
  });

  test('after a failure nothing more begins, and who waits for failures runs', async () => {
    const { result, steps } = await play(
      [
        step('work'),
        step('next', { needs: ['work'] }),
        step('after', { needs: ['next'] }),
        step('alarm', { when: 'onFailure' }),
        step('report', { needs: ['after'], when: 'always' }),
        step('cancelled', { when: 'onCancel' }),
      ],
      { steps: { work: fails } },
    );
    expect(result).toMatchObject({ state: 'failed', reason: { code: 'broken' } });
    expect(steps).toEqual({
      work: 'failed broken',
      next: 'skipped need-bad',
      after: 'skipped need-bad',
      alarm: 'succeeded',
      report: 'succeeded',
      cancelled: 'skipped not-cancelled',
    });
  });

  test.each([
    [true, 'skipped pipeline-halted'],
    [false, 'succeeded'],
  ])('with failFast %s a branch beside it: %s', async (failFast, later) => {
    const { result, steps } = await play(
      [
        step('bad', { needs: ['begin'] }),
        step('beside', { needs: ['begin'] }),
        step('begin'),
        step('later', { needs: ['beside'] }),
      ],
      {
        rules: { failFast },
        steps: {
          bad: fails,
          // The failure is there before this one ends.
          beside: async () => {
            await new Promise((resolve) => setTimeout(resolve, 400));
            return { outcome: 'succeeded', outputs: {}, reason: null };
          },
        },
      },
    );
    expect(result.state).toBe('failed');
    expect(steps).toMatchObject({ bad: 'failed broken', beside: 'succeeded', later });
  });

  test('a failure that is taken is named, and what follows runs', async () => {
    const { result, steps } = await play(
      [
        step('lint', { continueOnFailure: true }),
        step('build', { needs: ['lint'] }),
        step('tell', { needs: ['lint'], when: 'onFailure' }),
        step('alarm', { when: 'onFailure' }),
      ],
      { steps: { lint: fails } },
    );
    expect(result).toMatchObject({ state: 'succeeded', reason: { code: 'failures-tolerated' } });
    expect(result.reason?.message).toContain('lint');
    expect(steps).toEqual({
      lint: 'failed broken',
      build: 'succeeded',
      tell: 'succeeded',
      alarm: 'skipped nothing-failed',
    });
  });

  test('a gate that says no denies the promotion, whatever failFast says', async () => {
    const { result, steps } = await play(
      [step('gate', { type: 'gate@1' }), step('next', { needs: ['gate'] })],
      { rules: { failFast: false }, steps: { gate: denies } },
    );
    expect(result).toMatchObject({ state: 'denied', reason: { code: 'not-allowed' } });
    expect(steps.next).toBe('skipped need-bad');
  });

  test('a type that nothing here can run fails before anything has begun', async () => {
    const { result, records } = await play([step('first'), step('odd', { type: 'odd@1' })]);
    expect(result).toMatchObject({ state: 'failed', reason: { code: 'step-type-unknown' } });
    expect(records.begun).toEqual([]);
  });

  test('a type that this code never heard of runs where its course says, and is put back there', async () => {
    const seen = new Set<string>();
    const note = async ({ stepId }: ExecuteStepInput, what = ''): Promise<StepResult> => {
      seen.add(`${what}${stepId} on ${Context.current().info.taskQueue}`);
      return succeeded(stepId);
    };
    const survey = {
      type: 'survey@3',
      compensate: true,
      compensationSeconds: 60,
    } as const satisfies Partial<CourseStep>;
    const members = Array.from({ length: MAX_MEMBERS_IN_ROOT + 1 }, (_, index) => `m-${index}`);
    const { result, records } = await play(
      [
        step('one', { ...survey, queue: 'script' }),
        step('few', { ...survey, queue: 'build', matrix: matrix() }),
        step('many', { ...survey, queue: 'outbound', matrix: matrix({ maxParallel: 100 }) }),
        step('bad', { needs: ['one', 'few', 'many'] }),
      ],
      {
        members: { few: ['a', 'b'], many: members },
        steps: { survey: note, bad: fails },
        compensate: (input) => note(input, 'undo '),
      },
    );
    expect(result).toMatchObject({ state: 'reverted', reason: { code: 'broken' } });
    expect(records.begun.length).toBe(1 + 2 + members.length + 1);
    expect([...seen].sort()).toEqual([
      'few on sluice-build',
      'many on sluice-outbound',
      'one on sluice-script',
      'undo few on sluice-build',
      'undo many on sluice-outbound',
      'undo one on sluice-script',
    ]);
  });
});

describe('if', () => {
  test('reads outcomes, values and facts; a false one skips, and a join runs', async () => {
    const { result, steps } = await play(
      [
        step('build', { reads: ['size'] }),
        step('small', { needs: ['build'], if: 'steps.build.outputs.size < 10' }),
        step('large', { needs: ['build'], if: 'steps.build.outputs.size >= 10' }),
        step('dev', { needs: ['build'], if: "environment.name == 'dev' && parameters.go" }),
        step('join', { needs: ['small', 'large'], if: "steps.small.outcome == 'skipped'" }),
      ],
      { rules: { parameters: { go: true } }, steps: { build: gives({ size: 11 }) } },
    );
    expect(result.state).toBe('succeeded');
    expect(steps).toEqual({
      build: 'succeeded',
      small: 'skipped if-false',
      large: 'succeeded',
      dev: 'succeeded',
      join: 'succeeded',
    });
  });

  test('one without an answer fails its step before it begins', async () => {
    const { result, records, steps } = await play([
      step('build'),
      step('next', { needs: ['build'], if: 'steps.build.outputs.size < 10' }),
    ]);
    expect(result).toMatchObject({ state: 'failed', reason: { code: 'condition-unevaluable' } });
    expect(steps.next).toBe('failed condition-unevaluable');
    expect(records.begun).toEqual(['build']);
  });

  test('what may cost too much is refused before it is reckoned: its step fails, and the rest goes on', async () => {
    const list = Array.from({ length: 3000 }, (_, index) => index);
    const costly = 'parameters.list.all(a, parameters.list.all(b, a >= 0))';
    const seconds = { cel: `${costly} ? 1 : 2` };
    const { result, records, status, steps } = await play(
      [
        step('asks', { if: costly }),
        step('waits', { type: 'wait@1', inputs: { seconds } }),
        step('beside', { if: 'parameters.list.exists(a, a >= 2999)' }),
        step('after', { needs: ['asks'] }),
      ],
      { rules: { parameters: { list }, failFast: false } },
    );
    expect(result.state).toBe('failed');
    expect(steps).toEqual({
      asks: 'failed condition-unevaluable',
      waits: 'failed cel-too-costly',
      beside: 'succeeded',
      after: 'skipped need-bad',
    });
    const told = status.steps.find(({ id }) => id === 'asks')?.reason?.message;
    expect(told).toContain('read less, or put fewer comprehensions into each other');
    expect(records.begun).toEqual(['beside']);
  });

  test('hundreds of costly ones take several tasks, and end', async () => {
    const list = Array.from({ length: 150 }, (_, index) => index);
    const costly = 'parameters.list.all(a, parameters.list.all(b, a >= 0))';
    const { result } = await play(
      Array.from({ length: 8 }, (_, index) => step(`s${index}`, { if: costly })),
      { rules: { parameters: { list } } },
    );
    expect(result).toMatchObject({ state: 'succeeded', reason: null });
  });
});

describe('compensation', () => {
  const script = 'script@1' as const;

  test('puts back in the reverse order of ends, before the finale, and only what has effects', async () => {
    const { result, records, steps } = await play(
      [
        step('one', { type: script }),
        step('kept', { type: script, needs: ['one'], compensate: undefined as never }),
        step('two', { type: script, needs: ['kept'] }),
        step('bad', { needs: ['two'] }),
        step('report', { when: 'onFailure', if: "steps.two.outcome == 'reverted'" }),
      ].map(withoutUndefined),
      { steps: { bad: fails } },
    );
    expect(result).toMatchObject({ state: 'reverted', reason: { code: 'broken' } });
    expect(records.journal).toEqual(['undo two succeeded', 'undo one succeeded']);
    expect(steps).toMatchObject({
      one: 'reverted broken',
      kept: 'succeeded',
      two: 'reverted broken',
      report: 'succeeded',
    });
  });

  test('one that fails leaves its step as it is, and the promotion failed; the others are put back', async () => {
    const { result, records, steps } = await play(
      [
        step('one', { type: script }),
        step('two', { type: script, needs: ['one'] }),
        step('bad', { needs: ['two'] }),
      ],
      {
        steps: { bad: fails },
        compensate: async ({ stepId }) =>
          stepId === 'two'
            ? unsuccessful('failed', 'stuck')
            : { outcome: 'succeeded', outputs: {}, reason: null },
      },
    );
    expect(result).toMatchObject({ state: 'failed', reason: { code: 'compensation-failed' } });
    expect(result.reason?.message).toContain('Not put back: two.');
    expect(result.reason?.message).toContain('broken');
    expect(records.journal).toEqual(['undo two failed', 'undo one succeeded']);
    expect(steps).toMatchObject({ one: 'reverted broken', two: 'succeeded compensation-failed' });
  });

  test('deployments are put back by the agents', async () => {
    const { result, records, steps } = await play(
      [
        step('plan', { type: 'plan@1' }),
        step('deploy', { type: 'deploy@1', needs: ['plan'] }),
        step('verify', { type: 'verify@1', needs: ['deploy'] }),
      ],
      { steps: { verify: fails } },
    );
    expect(result).toMatchObject({ state: 'reverted', reason: { code: 'broken' } });
    expect([...records.journal].sort()).toEqual([
      'deploy host-1 succeeded',
      'deploy host-2 succeeded',
      'revert host-1 succeeded',
      'revert host-2 succeeded',
    ]);
    expect(steps).toMatchObject({ deploy: 'reverted broken', verify: 'failed broken' });
    expect([records.lease.holder, records.lease.queue]).toEqual([undefined, []]);
  });
});

/** A member that is not there, which no spread can take away. */
function withoutUndefined(one: CourseStep): CourseStep {
  const known = Object.entries(one).filter(([_name, value]) => value !== undefined);
  return Object.fromEntries(known) as unknown as CourseStep;
}

describe('stops', () => {
  test('a cancellation cancels what runs, puts back what was done, and runs who waits for it', async () => {
    const { reached, reach } = createPoint();
    const { result, records, steps } = await play(
      [
        step('done', { type: 'script@1' }),
        step('runs', { needs: ['done'] }),
        step('next', { needs: ['runs'] }),
        step('tell', { when: 'onCancel' }),
        step('alarm', { when: 'onFailure' }),
      ],
      {
        steps: { runs: hangs(reach) },
        meanwhile: async (promotion) => {
          await reached;
          await cancel(promotion);
        },
      },
    );
    expect(result).toMatchObject({ state: 'cancelled', reason: { code: 'promotion-cancelled' } });
    expect(records.journal).toEqual(['undo done succeeded']);
    expect(steps).toEqual({
      done: 'reverted promotion-cancelled',
      runs: 'cancelled promotion-cancelled',
      next: 'skipped promotion-cancelled',
      tell: 'succeeded',
      alarm: 'succeeded',
    });
  });

  test.each(['compensation', 'finale'])(
    'one that comes in the %s comes too late',
    async (phase) => {
      const { reached, reach } = createPoint();
      const slow = async () => {
        reach();
        await new Promise((resolve) => setTimeout(resolve, 500));
        return { outcome: 'succeeded' as const, outputs: {}, reason: null };
      };
      const { result, steps } = await play(
        [
          step('done', { type: 'script@1' }),
          step('bad', { needs: ['done'] }),
          step('report', { needs: ['bad'], when: 'always' }),
          step('tell', { when: 'onCancel' }),
        ],
        {
          ...(phase === 'compensation' ? { compensate: slow } : {}),
          steps: { bad: fails, ...(phase === 'finale' ? { report: slow } : {}) },
          meanwhile: async (promotion) => {
            await reached;
            await cancel(promotion);
          },
        },
      );
      expect(result.state).toBe('reverted');
      expect(steps).toMatchObject({ report: 'succeeded', tell: 'skipped not-cancelled' });
    },
  );

  test('the deadline cancels what runs, and the finale runs all the same', async () => {
    const { result, steps } = await play(
      [step('runs'), step('report', { needs: ['runs'], when: 'always' })],
      {
        rules: { deadlines: { ...DEFAULT_DEADLINES, promotionSeconds: 1 } },
        steps: { runs: hangs() },
      },
    );
    expect(result).toMatchObject({
      state: 'failed',
      reason: { code: 'promotion-deadline-exceeded' },
    });
    expect(steps).toEqual({ runs: 'cancelled promotion-deadline-exceeded', report: 'succeeded' });
  });

  test('a superseded promotion puts nothing back, and says what it left', async () => {
    const { reached, reach } = createPoint();
    const { result, records, steps } = await play(
      [
        step('plan', { type: 'plan@1' }),
        step('deploy', { type: 'deploy@1', needs: ['plan'] }),
        step('runs', { needs: ['deploy'] }),
        step('tell', { needs: ['runs'], when: 'always' }),
      ],
      {
        steps: { runs: hangs(reach) },
        meanwhile: async ({ handle }) => {
          await reached;
          await handle.signal('supersedePromotion', { by: 'dev/9' });
        },
      },
    );
    expect(result).toMatchObject({ state: 'cancelled', reason: { code: 'superseded' } });
    expect(result.reason?.message).toContain('Not put back: deploy.');
    expect(records.journal.filter((line) => line.startsWith('revert'))).toEqual([]);
    expect(steps).toMatchObject({ deploy: 'succeeded compensation-failed', tell: 'succeeded' });
  });

  test('superseded while it puts targets back, it stops at once', async () => {
    const { reached, reach } = createPoint();
    const { result, steps } = await play(
      [
        step('one', { type: 'script@1' }),
        step('plan', { type: 'plan@1', needs: ['one'] }),
        step('deploy', { type: 'deploy@1', needs: ['plan'] }),
        step('bad', { needs: ['deploy'] }),
      ],
      {
        steps: { bad: fails },
        revert: hangs(reach),
        meanwhile: async ({ handle }) => {
          await reached;
          await handle.signal('supersedePromotion', { by: 'dev/9' });
        },
      },
    );
    expect(result).toMatchObject({ state: 'cancelled', reason: { code: 'superseded' } });
    expect(result.reason?.message).toContain('Not put back: deploy, one.');
    expect(steps).toMatchObject({
      one: 'succeeded compensation-failed',
      deploy: 'succeeded compensation-failed',
    });
  });

  test('cancelled in the queue, it gives its place back', async () => {
    const { result, records } = await play(
      [step('plan', { type: 'plan@1' }), step('deploy', { type: 'deploy@1', needs: ['plan'] })],
      {
        override: {
          takeLease: async () => ({ state: 'queued', position: 1, holder: 'promotion:dev/1' }),
        },
        meanwhile: async (promotion) => {
          await until(() => promotion.records.promotionState === 'queued');
          await cancel(promotion);
        },
      },
    );
    expect(result.state).toBe('cancelled');
    expect(records.journal).toEqual([]);
    expect(records.lease.queue).toEqual([]);
  });
});
