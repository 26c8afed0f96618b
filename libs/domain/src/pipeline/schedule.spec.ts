import { describe, expect, test } from '@jest/globals';
import { STANDARD_PIPELINE } from '../pipeline.ts';
import { Schedule } from './schedule.ts';
import type { ScheduledStep } from './schedule-graph.ts';
import { readyFrom } from './schedule-readiness.ts';
import type { StepSettlement } from './schedule-settlement.ts';
import { type ScheduleSnapshot, STANDING_SIGNS, writeStandings } from './schedule-snapshot.ts';

function step(id: string, needs: string, more: Partial<ScheduledStep> = {}): ScheduledStep {
  return { id, needs: needs.split(' ').filter(Boolean), compensate: false, ...more };
}

/** Steps of two deployments with all that comes around them. */
const ROLLOUT: readonly ScheduledStep[] = [
  step('plan', ''),
  step('deploy-a', 'plan', { compensate: true }),
  step('deploy-b', 'plan', { compensate: true }),
  step('verify', 'deploy-a deploy-b'),
  step('report', 'verify', { when: 'always' }),
  step('alarm', '', { when: 'onFailure' }),
  step('withdraw', '', { when: 'onCancel' }),
];

function run(schedule: Schedule, id: string, settlement?: StepSettlement): void {
  const round = schedule.begin(id);
  schedule.settle(id, settlement ?? { outcome: 'succeeded' }, round);
}

function codeOf(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    return (error as { code?: string }).code ?? 'no code';
  }
  return 'no error';
}

describe('Schedule', () => {
  test('goes through a run in which all is well', () => {
    const schedule = new Schedule(ROLLOUT);
    expect(schedule.due()).toEqual({ run: ['plan'], skip: [] });
    run(schedule, 'plan');
    expect(schedule.due().run).toEqual(['deploy-a', 'deploy-b']);
    expect(schedule.due(1).run).toEqual(['deploy-a']);
    for (const id of ['deploy-b', 'deploy-a', 'verify']) run(schedule, id);
    expect(schedule.phase).toBe('ordinary');
    run(schedule, 'report');
    expect(schedule.phase).toBe('finale');
    expect(schedule.settleSkips()).toEqual([
      { id: 'alarm', cause: 'own-will', code: 'nothing-failed', because: null },
      { id: 'withdraw', cause: 'own-will', code: 'not-cancelled', because: null },
    ]);
    expect(schedule.phase).toBe('ended');
    expect(schedule.result().ending).toBe('succeeded');
  });

  test('after a failure puts back in the reverse order of ends, and only then says so', () => {
    const schedule = new Schedule(ROLLOUT);
    run(schedule, 'plan');
    schedule.begin('deploy-a');
    run(schedule, 'deploy-b');
    schedule.settle('deploy-a', { outcome: 'succeeded' }, 1);
    run(schedule, 'verify', { outcome: 'failed' });
    expect(schedule.due()).toEqual({ run: [], skip: [] });
    expect(schedule.phase).toBe('compensation');
    expect(schedule.compensationsDue()).toEqual(['deploy-a', 'deploy-b']);
    expect(schedule.compensationsDue(1)).toEqual(['deploy-a']);
    expect(codeOf(() => schedule.settleCompensation('deploy-b', true))).toBe(
      'compensation-not-due',
    );
    schedule.settleCompensation('deploy-a', true);
    schedule.settleCompensation('deploy-b', false);
    expect(schedule.due().run).toEqual(['report', 'alarm']);
    run(schedule, 'report', { outcome: 'failed' });
    run(schedule, 'alarm');
    schedule.settleSkips();
    expect(schedule.phase).toBe('ended');
    expect(schedule.result()).toEqual({
      ending: 'failed',
      bad: ['deploy-a', 'verify'],
      tolerated: [],
      leftUndone: [],
      badInFinale: ['report'],
    });
  });

  test('a cancellation skips what has not begun, lets what runs end, and is told in the finale', () => {
    const schedule = new Schedule(ROLLOUT);
    run(schedule, 'plan');
    schedule.begin('deploy-a');
    expect(schedule.cancel()).toBe(true);
    const why = { cause: 'trouble', code: 'promotion-cancelled', because: null };
    expect(schedule.settleSkips()).toEqual([
      { id: 'deploy-b', ...why },
      { id: 'verify', ...why },
    ]);
    expect(schedule.running()).toEqual(['deploy-a']);
    schedule.settle('deploy-a', { outcome: 'cancelled', hadEffects: false }, 1);
    expect(schedule.phase).toBe('finale');
    expect(schedule.due().run).toEqual(['report', 'alarm', 'withdraw']);
    expect(schedule.cancel()).toBe(false);
    expect(schedule.result().ending).toBe('cancelled');
  });

  test('a gate that says no denies the promotion even when its failure is taken', () => {
    const schedule = new Schedule([
      step('gate', '', { continueOnFailure: true }),
      step('deploy', 'gate'),
    ]);
    run(schedule, 'gate', { outcome: 'failed', denies: true });
    expect(schedule.settleSkips()).toMatchObject([{ id: 'deploy', code: 'pipeline-halted' }]);
    expect(schedule.result().ending).toBe('denied');
  });

  test('without failFast only what comes after the bad step is skipped', () => {
    const steps = [step('a', ''), step('b', 'a'), step('c', ''), step('d', 'c')];
    const schedule = new Schedule(steps, { failFast: false });
    run(schedule, 'a', { outcome: 'failed' });
    expect(schedule.due()).toEqual({
      run: ['c'],
      skip: [{ id: 'b', cause: 'trouble', code: 'need-bad', because: 'a' }],
    });
    schedule.settleSkips();
    run(schedule, 'c');
    run(schedule, 'd');
    expect(schedule.result()).toMatchObject({ ending: 'failed', bad: ['a'], leftUndone: ['b'] });
  });

  test('a failure that was taken sets off what needs the step, not what is about the pipeline', () => {
    const schedule = new Schedule([
      step('lint', '', { continueOnFailure: true }),
      step('notify-lint', 'lint', { when: 'onFailure' }),
      step('alarm', '', { when: 'onFailure' }),
    ]);
    run(schedule, 'lint', { outcome: 'failed' });
    run(schedule, 'notify-lint');
    expect(schedule.settleSkips()).toMatchObject([{ id: 'alarm', code: 'nothing-failed' }]);
    expect(schedule.result()).toMatchObject({ ending: 'succeeded', tolerated: ['lint'] });
  });

  test('a join after a branch whose condition is false runs', () => {
    const schedule = new Schedule([step('a', ''), step('b', ''), step('join', 'a b')]);
    expect(schedule.skip('a')).toMatchObject({ cause: 'own-will', code: 'if-false' });
    run(schedule, 'b');
    expect(schedule.due().run).toEqual(['join']);
  });

  test('a step that cannot even begin fails, and had no effects', () => {
    const schedule = new Schedule([step('deploy', '', { compensate: true })]);
    schedule.settle('deploy', { outcome: 'failed' }, 1);
    expect(schedule.phase).toBe('ended');
    expect(schedule.result()).toMatchObject({ ending: 'failed', bad: ['deploy'] });
  });

  test('without steps it ends at once', () => {
    expect(new Schedule([]).phase).toBe('ended');
  });

  test('does not begin again what was put back', () => {
    const steps = [
      step('deploy', '', { compensate: true }),
      step('broken', ''),
      step('analysis', '', { when: 'onFailure' }),
      step('again', 'analysis'),
    ];
    const schedule = new Schedule(steps, { failFast: false });
    run(schedule, 'deploy');
    run(schedule, 'broken', { outcome: 'failed' });
    schedule.settleCompensation('deploy', true);
    expect(schedule.due()).toMatchObject({ run: ['analysis'], skip: [{ id: 'again' }] });
  });
});

describe('a plan that went stale', () => {
  const standard = STANDARD_PIPELINE.steps.map(({ id, needs }) => ({
    id,
    needs,
    compensate: id === 'deploy',
  }));

  test('goes back with what was based on it, as in version 1', () => {
    const schedule = new Schedule(standard);
    for (const id of ['scan', 'gate', 'plan']) run(schedule, id);
    schedule.begin('deploy');
    schedule.requeue(['plan', { id: 'deploy', hadEffects: false }]);
    expect(schedule.round).toBe(2);
    expect(schedule.due()).toEqual({ run: ['plan'], skip: [] });
    for (const id of ['plan', 'deploy', 'verify']) run(schedule, id);
    expect(schedule.result().ending).toBe('succeeded');
  });

  test.each<[string, (schedule: Schedule) => void, readonly string[]]>([
    ['requeue-incomplete', (one) => one.begin('deploy'), ['plan']],
    ['requeue-of-effects', (one) => run(one, 'deploy'), ['plan', 'deploy']],
    ['requeue-of-effects', (one) => one.begin('deploy'), ['plan', 'deploy']],
    ['requeue-too-late', (one) => one.halt('outOfTime'), ['plan']],
  ])('is refused with %s', (code, act, ids) => {
    const schedule = new Schedule(standard);
    for (const id of ['scan', 'gate', 'plan']) run(schedule, id);
    act(schedule);
    const before = schedule.snapshot();
    expect(schedule.requeueObstacle(ids)?.code).toBe(code);
    expect(codeOf(() => schedule.requeue(ids))).toBe(code);
    expect(schedule.snapshot()).toEqual(before);
  });

  test('effects that are known stay known, whatever is said when it goes back', () => {
    const schedule = new Schedule(standard);
    for (const id of ['scan', 'gate', 'plan', 'deploy']) run(schedule, id);
    const back = ['plan', { id: 'deploy', hadEffects: false }];
    expect(schedule.requeueObstacle(back)?.code).toBe('requeue-of-effects');
  });

  test('a late end of what was sent back is refused, that of what went on is not', () => {
    const steps = [
      step('scan', ''),
      step('plan', ''),
      step('deploy', 'plan', { compensate: true }),
      step('verify', 'scan deploy'),
    ];
    const schedule = new Schedule(steps);
    const scan = schedule.begin('scan');
    run(schedule, 'plan');
    const first = schedule.begin('deploy');
    schedule.requeue(['plan', { id: 'deploy', hadEffects: false }]);
    const done = { outcome: 'succeeded' } as const;
    expect(codeOf(() => schedule.settle('deploy', done, first))).toBe('step-round-over');
    run(schedule, 'plan');
    const second = schedule.begin('deploy');
    const restored = Schedule.restore(steps, {}, schedule.snapshot());
    for (const one of [schedule, restored]) {
      expect(codeOf(() => one.settle('deploy', done, first))).toBe('step-round-over');
      expect(codeOf(() => one.settle('deploy', done, second + 1))).toBe('step-round-over');
      one.settle('scan', done, scan);
      one.settle('deploy', done, second);
      expect(one.due().run).toEqual(['verify']);
      one.cancel();
      one.settleSkips();
      expect(one.compensationsDue()).toEqual(['deploy']);
    }
  });

  test('does not undo a failure', () => {
    const schedule = new Schedule([step('a', ''), step('b', '')], { failFast: false });
    run(schedule, 'a', { outcome: 'failed' });
    expect(codeOf(() => schedule.requeue(['a']))).toBe('requeue-of-ended');
  });
});

describe('misuse', () => {
  test.each<[string, readonly ScheduledStep[]]>([
    ['step-id-twice', [step('a', ''), step('a', '')]],
    ['step-need-unknown', [step('a', 'b')]],
    ['pipeline-cycle', [step('a', 'b'), step('b', 'a'), step('c', 'a')]],
    ['pipeline-cycle', [step('a', 'a')]],
    ['pipeline-too-many-steps', Array.from({ length: 5001 }, (_, index) => step(`s${index}`, ''))],
  ])('%s', (code, steps) => {
    expect(codeOf(() => new Schedule(steps))).toBe(code);
  });

  test.each<[string, (schedule: Schedule) => unknown]>([
    ['step-unknown', (one) => one.begin('none')],
    ['step-unknown', (one) => one.standingOf('none')],
    ['step-unknown', (one) => one.requeue(['none'])],
    ['step-not-due', (one) => one.begin('verify')],
    ['step-not-due', (one) => one.skip('verify')],
    ['step-not-due', (one) => [one.begin('plan'), one.begin('plan')]],
    ['step-not-running', (one) => one.settle('plan', { outcome: 'succeeded' }, 1)],
    ['step-not-running', (one) => one.settle('verify', { outcome: 'failed' }, 1)],
    ['step-not-running', (one) => [run(one, 'plan'), one.settle('plan', { outcome: 'failed' }, 1)]],
    ['compensation-not-due', (one) => one.settleCompensation('deploy-a', true)],
  ])('%s', (code, act) => {
    expect(codeOf(() => act(new Schedule(ROLLOUT)))).toBe(code);
  });
});

describe('a snapshot', () => {
  test('has one sign for each standing, which is read back', () => {
    for (const [sign, standing] of STANDING_SIGNS) expect(writeStandings([standing])).toBe(sign);
  });

  test('of 5,000 steps is small', () => {
    const steps = Array.from({ length: 5000 }, (_, index) => step(`s${index}`, ''));
    expect(JSON.stringify(new Schedule(steps).snapshot()).length).toBeLessThan(5300);
  });

  test.each<[string, Partial<ScheduleSnapshot>]>([
    ['snapshot-unreadable', { schema: 'other' as ScheduleSnapshot['schema'] }],
    ['snapshot-unreadable', { phase: 'other' as 'ended' }],
    ['snapshot-unreadable', { round: 0 }],
    ['snapshot-unreadable', { standings: 's?.....' }],
    ['snapshot-unreadable', { effects: [0] }],
    ['snapshot-unreadable', { effects: [99] }],
    ['snapshot-unreadable', { requeued: [[0, 2]] }],
    ['snapshot-unreadable', { round: 2, requeued: [[99, 2]] }],
    ['snapshot-foreign', { standings: '.' }],
    ['snapshot-foreign', { fingerprint: '00000000' }],
  ])('is refused with %s: %j', (code, change) => {
    const schedule = new Schedule(ROLLOUT);
    run(schedule, 'plan');
    const snapshot = { ...schedule.snapshot(), ...change };
    expect(codeOf(() => Schedule.restore(ROLLOUT, {}, snapshot))).toBe(code);
  });

  test('is of one pipeline and one way to fail', () => {
    const snapshot = new Schedule(ROLLOUT).snapshot();
    expect(codeOf(() => Schedule.restore(ROLLOUT, { failFast: false }, snapshot))).toBe(
      'snapshot-foreign',
    );
  });
});

describe('readyFrom', () => {
  const circumstances = { failFast: true, cancelled: false, halted: false };

  test('explains why steps wait, and takes any standings', () => {
    const steps = [step('a', ''), step('b', 'a ghost'), step('c', '', { when: 'onCancel' })];
    const ready = readyFrom(steps, new Map([['a', { state: 'waiting' as const }]]), {
      ...circumstances,
      phase: 'ordinary',
    });
    expect(ready).toEqual({
      run: [],
      skip: [],
      wait: [
        { id: 'b', code: 'needs-open', on: ['a', 'ghost'] },
        { id: 'c', code: 'finale-awaited', on: [] },
      ],
    });
  });
});

describe('the cost of a step', () => {
  const chain = (count: number): readonly ScheduledStep[] =>
    Array.from({ length: count }, (_, at) => step(`s${at}`, at === 0 ? '' : `s${at - 1}`));
  /** One, then all others, then one. */
  const fan = (count: number): readonly ScheduledStep[] => {
    const middle = Array.from({ length: count - 2 }, (_, at) => `m${at}`);
    return [
      step('first', ''),
      ...middle.map((id) => step(id, 'first')),
      step('last', middle.join(' ')),
    ];
  };

  /** Operations for each step from the beginning to the end, ten steps at a time. */
  function costOf(steps: readonly ScheduledStep[], fails: boolean): number {
    const schedule = new Schedule(steps);
    while (schedule.phase !== 'ended') {
      schedule.settleSkips();
      for (const id of schedule.due(10 - schedule.running().length).run) schedule.begin(id);
      const [oldest] = schedule.running();
      if (oldest === undefined) continue;
      schedule.settle(oldest, { outcome: fails ? 'failed' : 'succeeded' }, 1);
    }
    expect([...schedule.standings()].filter(([, { state }]) => state === 'pending')).toEqual([]);
    return schedule.operations / steps.length;
  }

  test.each([
    ['chain', chain, false],
    ['chain that fails at once', chain, true],
    ['fan', fan, false],
    ['fan that fails at once', fan, true],
  ] as const)('is flat from 10 to 5,000 in a %s', (_name, make, fails) => {
    const costs = [10, 100, 1000, 5000].map((count) => costOf(make(count), fails));
    const [small = 0] = costs;
    // Edges for each step go from 1 - 1/n to 1 in a chain, and up to 2 in a fan.
    for (const cost of costs) expect(cost).toBeLessThanOrEqual(small * 1.3);
    expect(Math.max(...costs)).toBeLessThan(14);
  });

  test('a few of 5,000 that are due cost no more than a few', () => {
    const schedule = new Schedule(
      Array.from({ length: 5000 }, (_, index) => step(`s${index}`, '')),
    );
    const before = schedule.operations;
    const found: string[] = [];
    for (const id of schedule.dueToRun()) {
      if (found.push(id) === 3) break;
    }
    expect(found).toEqual(['s0', 's1', 's2']);
    expect(schedule.operations - before).toBe(3);
    schedule.begin('s1');
    expect([...schedule.dueToRun()].slice(0, 2)).toEqual(['s0', 's2']);
  });
});
