import { describe, expect, test } from '@jest/globals';
import { findRouteTableProblem, type RouteServer } from '../route-table.ts';
import { composeRoutes } from './compose-routes.ts';
import { findRolloutProblems } from './find-rollout-problems.ts';
import { layOutRollout } from './lay-out-rollout.ts';
import { ROLLOUT_STRATEGIES, type RolloutInputs, type WaveInput } from './rollout-inputs.ts';
import type { RolloutLayout } from './rollout-layout.ts';
import { describeRolloutProblems } from './rollout-problem.ts';

const targets = (count: number) =>
  Array.from({ length: count }, (_, at) => ({
    name: `host-${String(at).padStart(3, '0')}`,
    labels: { group: at % 2 === 0 ? 'blue' : 'green' },
  }));

function lay(inputs: RolloutInputs, count = 10, serving: readonly string[] | null = null) {
  const laidOut = layOutRollout(inputs, targets(count), serving);
  if (!laidOut.ok) throw new Error(describeRolloutProblems(laidOut.problems));
  return laidOut;
}

const refusal = (inputs: RolloutInputs, count = 10): string => {
  const laidOut = layOutRollout(inputs, targets(count), null);
  return laidOut.ok ? '' : describeRolloutProblems(laidOut.problems);
};

const shape = ({ stages }: RolloutLayout): readonly string[] =>
  stages.map(
    ({ name, from, to, maxParallel, canaryPermille, soakSeconds, gate }) =>
      `${name} ${from}-${to} x${maxParallel} ${canaryPermille ?? '-'} ${soakSeconds}s${gate ? ' gate' : ''}`,
  );

describe('strategies', () => {
  test.each<[string, RolloutInputs, number, readonly string[]]>([
    ['all at once', { strategy: 'all-at-once' }, 3, ['all 0-3 x3 - 60s']],
    ['rolling', { strategy: 'rolling' }, 3, ['all 0-3 x1 - 60s']],
    [
      'rolling by percent, rounded up',
      { strategy: 'rolling', maxUnavailablePercent: 25 },
      10,
      ['all 0-10 x3 - 60s'],
    ],
    [
      'waves by default',
      { strategy: 'waves' },
      10,
      ['wave-1 0-1 x1 - 60s', 'wave-2 1-5 x4 - 60s gate', 'wave-3 5-10 x5 - 60s gate'],
    ],
    ['waves of one target', { strategy: 'waves', gate: false }, 1, ['wave-1 0-1 x1 - 60s']],
    [
      'a canary by default',
      { strategy: 'canary', router: 'edge', soakSeconds: 5 },
      10,
      [
        'wave-1 0-1 x1 50 5s',
        'wave-2 1-3 x2 250 5s gate',
        'wave-3 3-5 x2 500 5s gate',
        'wave-4 5-10 x5 1000 5s gate',
      ],
    ],
    [
      'a canary whose requests move alone',
      {
        strategy: 'canary',
        router: 'edge',
        waves: [{ targets: 2, share: 4.1 }, { share: 50 }, {}],
      },
      4,
      ['wave-1 0-2 x2 41 60s', 'wave-2 2-2 x1 500 60s gate', 'wave-3 2-4 x2 1000 60s gate'],
    ],
    [
      'shares follow targets where none are given',
      { strategy: 'canary', router: 'edge', waves: [{ targets: 1 }, { targets: 2 }, {}] },
      3,
      ['wave-1 0-1 x1 333 60s', 'wave-2 1-2 x1 666 60s gate', 'wave-3 2-3 x1 1000 60s gate'],
    ],
    [
      'an experiment',
      { strategy: 'ab', router: 'edge', match: [{ cookie: { name: 'beta', value: 'yes' } }] },
      4,
      ['experiment 0-1 x1 0 60s', 'rest 1-4 x3 1000 60s gate'],
    ],
    [
      'blue and green',
      { strategy: 'blue-green', router: 'edge', groupLabel: 'group', retire: true },
      4,
      ['deploy 0-2 x2 0 0s', 'switch 2-2 x1 1000 60s gate', 'retire 2-4 x2 1000 0s gate'],
    ],
  ])('%s', (_name, inputs, count, stages) => {
    expect(shape(lay(inputs, count).layout)).toEqual(stages);
  });

  test('the group that serves nobody is new first', () => {
    const inputs: RolloutInputs = { strategy: 'blue-green', router: 'edge', groupLabel: 'group' };
    const [blue, green] = [
      ['host-000', 'host-002'],
      ['host-001', 'host-003'],
    ];
    expect(lay(inputs, 4, blue).order).toEqual(green);
    expect(lay(inputs, 4, green).order).toEqual(blue);
    expect(lay(inputs, 4).order).toEqual(green);
  });

  test.each<[string, Partial<RolloutInputs>, readonly boolean[]]>([
    ['by default', {}, [false, false]],
    ['where it is not wanted', { pauseBeforeSwitch: false }, [false, false]],
    ['where it is wanted', { pauseBeforeSwitch: true }, [true, false]],
    ['and not before the rest', { pauseBeforeSwitch: true, retire: true }, [true, false, false]],
  ])('blue and green wait for a person before the switch: %s', (_name, changes, pauses) => {
    const { layout } = lay(
      { strategy: 'blue-green', router: 'edge', groupLabel: 'group', ...changes },
      4,
    );
    expect(layout.stages.map(({ pause }) => pause)).toEqual(pauses);
  });

  test('where nothing runs yet there is nobody to compare with', () => {
    const inputs: RolloutInputs = { strategy: 'canary', router: 'edge', analysis: { metrics: [] } };
    const laidOut = layOutRollout(inputs, targets(3), null, true);
    expect(laidOut.ok && shape(laidOut.layout)).toEqual(['first 0-3 x3 1000 60s']);
    expect(laidOut.ok && laidOut.layout.stages[0]?.analyse).toBe(false);
  });
});

describe('what is wrong', () => {
  const canary = (...waves: WaveInput[]): RolloutInputs => ({
    strategy: 'canary',
    router: 'edge',
    waves,
  });
  test.each<[string, RolloutInputs]>([
    [
      'waves[0].share: Without a router',
      { strategy: 'canary', waves: [{ targets: 1, share: 5 }, {}] },
    ],
    ['waves[1].share: Shares must not fall', canary({ targets: 1, share: 50 }, { share: 5 }, {})],
    ['waves[0].share: 4.25 has more', canary({ targets: 1, share: 4.25 }, {})],
    ['waves[1].share: Nobody has the version', canary({ targets: 1, share: 5 }, { share: 60 })],
    ['waves[1].targets: It counts', canary({ targets: 3 }, { targets: 2 }, {})],
    ['waves[0].percent: targets says it', canary({ targets: 3, percent: 50 }, {})],
    ['waves[0]: Say how many', canary({}, {})],
    ['waves[1].percent: The last wave', canary({ targets: 1 }, { percent: 50 })],
    ['waves[1].targets: The last wave has 5 of 10', canary({ targets: 1 }, { targets: 5 })],
    ['waves[0].targets: Each wave', canary({ targets: 0 }, {})],
    ['waves[0].targets: It has all of 10', canary({ targets: 10, share: 5 }, {})],
    ['waves[1].name: Another wave', canary({ name: 'a', targets: 1 }, { name: 'a' })],
    ['waves[1].name: Two waves', canary({ name: 'wave-2', targets: 1 }, {})],
    ['waves[1].targets: It has 2 of 10', canary({ percent: 50 }, { targets: 2 }, {})],
    ['waves: Only waves, canary or ab', { strategy: 'rolling', waves: [{}] }],
    ['router: Only canary, blue-green or ab', { strategy: 'waves', router: 'edge' }],
    [
      'pauseBeforeSwitch: Only blue-green has pauseBeforeSwitch, and this is canary: take it out.',
      { strategy: 'canary', router: 'edge', pauseBeforeSwitch: true },
    ],
    ['router: blue-green moves', { strategy: 'blue-green', groupLabel: 'group' }],
    ['groupLabel: blue-green needs', { strategy: 'blue-green', router: 'edge' }],
    ['groupLabel: Target host-000', { strategy: 'blue-green', router: 'e', groupLabel: 'zone' }],
    ['match: ab needs', { strategy: 'ab', router: 'edge' }],
    ['match[0]: Exactly one', { strategy: 'ab', router: 'edge', match: [{}] }],
    [
      'match[0]: It.header.name',
      { strategy: 'ab', router: 'edge', match: [{ header: { name: 'x y', value: 'a' } }] },
    ],
    ['analysis: No stage', { strategy: 'rolling', soakSeconds: 0, analysis: {} }],
    [
      'maxUnavailablePercent: maxUnavailable says',
      { strategy: 'rolling', maxUnavailable: 1, maxUnavailablePercent: 5 },
    ],
  ])('%s', (message, inputs) => {
    expect(refusal(inputs)).toContain(message);
  });

  test('nothing is said that hangs on what is not known yet', () => {
    expect(findRolloutProblems({ strategy: 'ab' }, new Set(['router', 'match']))).toEqual([]);
    expect(findRolloutProblems({ router: 'edge' }, new Set(['strategy']))).toEqual([]);
  });
});

/** Repeatable numbers from 0 to 1. */
function createDraw(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 4_294_967_296;
    return state / 4_294_967_296;
  };
}

function drawInputs(draw: () => number): RolloutInputs {
  const upTo = (most: number): number => Math.floor(draw() * (most + 1));
  const maybe = <T>(value: T): T | undefined => (draw() < 0.5 ? value : undefined);
  const strategy = ROLLOUT_STRATEGIES[upTo(5)] ?? 'waves';
  const waves = Array.from({ length: 1 + upTo(3) }, () => ({
    targets: maybe(upTo(8)),
    percent: maybe(1 + upTo(99)),
    share: maybe(upTo(100)),
    pause: maybe(true),
  }));
  const isRouted = strategy === 'canary' || strategy === 'ab' || strategy === 'blue-green';
  const all = {
    waves: strategy === 'rolling' || strategy === 'blue-green' ? undefined : maybe(waves),
    router: isRouted ? maybe('edge') : undefined,
    groupLabel: strategy === 'blue-green' ? 'group' : undefined,
    retire: strategy === 'blue-green' ? maybe(true) : undefined,
    pauseBeforeSwitch: strategy === 'blue-green' ? maybe(true) : undefined,
    match: strategy === 'ab' ? [{ cookie: { name: 'beta', value: 'yes' } }] : undefined,
    maxUnavailable: maybe(1 + upTo(4)),
  };
  const said = Object.entries(all).map(([name, value]) => [
    name,
    Array.isArray(value) ? value.map(withoutAbsent) : value,
  ]);
  return { strategy, ...withoutAbsent(Object.fromEntries(said)) } as RolloutInputs;
}

function withoutAbsent(value: object): object {
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined));
}

const serverOf = (name: string, at: number): RouteServer => ({
  name,
  address: '10.0.0.1',
  port: 1000 + at,
});

test('of 1,200 drawn rollouts each is refused with its place, or goes through all targets in order with sound tables', () => {
  const draw = createDraw(7);
  let laid = 0;
  for (let round = 0; round < 1200; round += 1) {
    const inputs = drawInputs(draw);
    const all = targets(1 + Math.floor(draw() * 12));
    const laidOut = layOutRollout(inputs, all, draw() < 0.5 ? null : [all[0]?.name ?? '']);
    expect(layOutRollout(inputs, all, null).ok).toBe(layOutRollout(inputs, all, null).ok);
    if (!laidOut.ok) {
      expect(laidOut.problems.length).toBeGreaterThan(0);
      continue;
    }
    laid += 1;
    const { order, layout } = laidOut;
    const { stages, router } = layout;
    expect(stages.length).toBeGreaterThan(0);
    expect(stages[0]?.from).toBe(0);
    expect(stages[0]?.gate).toBe(false);
    expect(new Set(stages.map(({ name }) => name)).size).toBe(stages.length);
    expect(stages.at(-1)?.to).toBe(order.length);
    if (inputs.strategy !== 'blue-green') expect(order).toEqual(all.map(({ name }) => name));
    let [to, permille] = [0, 0];
    for (const stage of stages) {
      expect(stage.from).toBe(to);
      expect(stage.to).toBeGreaterThanOrEqual(stage.from);
      expect(stage.maxParallel).toBeGreaterThan(0);
      expect(stage.maxParallel).toBeLessThanOrEqual(Math.max(1, stage.to - stage.from));
      expect(stage.canaryPermille === null).toBe(router === null);
      expect(stage.canaryPermille ?? 0).toBeGreaterThanOrEqual(permille);
      [to, permille] = [stage.to, stage.canaryPermille ?? 0];
    }
    const members = order.map(serverOf);
    const others = all
      .filter(({ name }) => !order.includes(name))
      .map(({ name }, at) => serverOf(name, 500 + at));
    const match = inputs.strategy === 'ab' ? [{ cookie: { name: 'beta', value: 'yes' } }] : [];
    const parts = { layout, members, others, before: null, backend: 'web', match };
    const places = stages.flatMap((_, stage) => [
      { kind: 'prepare', stage } as const,
      { kind: 'stage', stage } as const,
    ]);
    const offs = Array.from(
      { length: order.length + 1 },
      (_, exposed) => ({ kind: 'off', exposed }) as const,
    );
    for (const place of [...places, ...offs, { kind: 'final' }, { kind: 'restore' }] as const) {
      const table = composeRoutes({ ...parts, place });
      expect({ place, problem: findRouteTableProblem(table) }).toEqual({
        place,
        problem: undefined,
      });
      if (place.kind === 'off') expect(table.canaryPermille).toBe(0);
    }
  }
  expect(laid).toBeGreaterThan(150);
});
