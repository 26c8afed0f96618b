import { describe, expect, test } from '@jest/globals';
import { burnRateOf, judgeWatch, type WatchLook } from './judge-watch.ts';
import { readWatchRules } from './read-watch-rules.ts';
import { countLook, endOfWatch, NO_WATCH_PROGRESS, nextLookAt } from './watch-progress.ts';
import { DEFAULT_BURN_RATE_WINDOWS, type WatchRules } from './watch-rules.ts';

const rules: WatchRules = {
  seconds: 7200,
  everySeconds: 30,
  probes: { failures: 3 },
  burnRate: {
    objective: 0.999,
    minRequests: 10,
    source: { kind: 'probes' },
    windows: [{ longSeconds: 3600, shortSeconds: 300, factor: 14.4 }],
  },
  onAlarm: 'rollback',
};
const look = (changed: Partial<WatchLook> = {}): WatchLook => ({
  failing: [],
  burns: null,
  blind: null,
  ...changed,
});
const burns = (long: readonly [number, number], short: readonly [number, number]) => [
  {
    long: { requests: long[0], errors: long[1] },
    short: { requests: short[0], errors: short[1] },
  },
];
const blind = { code: 'analysis-provider-down', message: 'It did not answer.' };

describe('a look', () => {
  test('is well where nothing fails', () => {
    expect(judgeWatch(rules, look({ burns: burns([9000, 0], [900, 0]) }), 7000)).toEqual({
      kind: 'well',
    });
  });

  test('is an alarm when a target fails so often in a row', () => {
    const failing = [{ target: 'web-1', count: 2, outcome: 'HTTP 500' }];
    expect(judgeWatch(rules, look({ failing }), 60).kind).toBe('well');
    const third = [{ target: 'web-1', count: 3, outcome: 'HTTP 500' }];
    expect(judgeWatch(rules, look({ failing: third, blind }), 60)).toMatchObject({
      kind: 'alarm',
      reason: {
        code: 'watch-probe-failing',
        message: expect.stringContaining('web-1 failed 3 times'),
      },
    });
    expect(judgeWatch({ ...rules, probes: null }, look({ failing: third }), 60).kind).toBe('well');
  });

  test('is an alarm when both windows burn, and none when one does not', () => {
    const alarm = judgeWatch(rules, look({ burns: burns([10_000, 200], [1000, 20]) }), 7000);
    expect(alarm).toMatchObject({ kind: 'alarm', reason: { code: 'watch-burn-rate' } });
    // It was bad and is over; it begins and matters not yet.
    expect(judgeWatch(rules, look({ burns: burns([10_000, 200], [1000, 0]) }), 7000).kind).toBe(
      'well',
    );
    expect(judgeWatch(rules, look({ burns: burns([10_000, 20], [1000, 20]) }), 7000).kind).toBe(
      'well',
    );
  });

  test('says nothing of too few requests', () => {
    expect(judgeWatch(rules, look({ burns: burns([9, 9], [9, 9]) }), 7000).kind).toBe('well');
    expect(judgeWatch(rules, look({ burns: burns([100, 100], [9, 9]) }), 7000).kind).toBe('well');
  });

  test('is blind, which is neither, where nobody can say', () => {
    expect(judgeWatch(rules, look({ blind }), 60)).toEqual({ kind: 'blind', reason: blind });
  });
});

describe('the burn rate', () => {
  test('is the share of errors over what the objective allows', () => {
    expect(burnRateOf({ requests: 1000, errors: 1 }, 3600, 3600, 0.999)).toBeCloseTo(1, 6);
    expect(burnRateOf({ requests: 1000, errors: 1000 }, 3600, 3600, 0.999)).toBeCloseTo(1000, 3);
    expect(burnRateOf({ requests: 0, errors: 0 }, 3600, 3600, 0.999)).toBe(0);
  });

  test('takes as long to alarm from the beginning as an alert over the whole window', () => {
    // The workbook: (1 − objective) / share of errors × window × factor = 0.001 / 1 × 3600 s × 14.4.
    const all = (elapsed: number) =>
      judgeWatch(rules, look({ burns: burns([500, 500], [500, 500]) }), elapsed).kind;
    expect(all(51)).toBe('well');
    expect(all(52)).toBe('alarm');
  });
});

describe('time', () => {
  const at = (seconds: number) => seconds * 1000;
  const count = (before = NO_WATCH_PROGRESS, seconds = 0, why: typeof blind | null = null) =>
    countLook(rules, before, { at: at(seconds), since: 0, failing: {}, blind: why });

  test('counts as seen, as unseen where a look was blind, and where nobody looked', () => {
    const seen = count(count(NO_WATCH_PROGRESS, 30), 60);
    expect(seen).toMatchObject({ rounds: 2, blindMs: 0, lookedAt: 60_000 });
    expect(count(seen, 90, blind)).toMatchObject({ blindMs: 30_000, blind });
    expect(count(seen, 660)).toMatchObject({ blindMs: 570_000, blind: null });
    expect(count(seen, 660, blind).blindMs).toBe(600_000);
    expect(count(seen, 10)).toMatchObject({ blindMs: 0, lookedAt: 60_000 });
  });

  test('the last look is at the very end', () => {
    const span = { since: 0, until: at(7200) };
    expect(nextLookAt(rules, { lookedAt: null }, span)).toBe(30_000);
    expect(nextLookAt(rules, { lookedAt: at(7190) }, span)).toBe(at(7200));
  });

  test('a watch held, held with gaps, or nobody can say', () => {
    expect(endOfWatch(rules, { blindMs: 0, rounds: 240 })).toEqual({ state: 'held', reason: null });
    expect(endOfWatch(rules, { blindMs: 45_000, rounds: 240 })).toMatchObject({
      state: 'held',
      reason: { code: 'watch-blind', message: 'Nobody could see for 45 of 7200 s (240 looks).' },
    });
    expect(endOfWatch(rules, { blindMs: 3_601_000, rounds: 2 }).state).toBe('failed');
    expect(endOfWatch(rules, { blindMs: 0, rounds: 0 }).state).toBe('failed');
  });
});

describe('what a person writes', () => {
  test('gets its defaults', () => {
    expect(
      readWatchRules({
        seconds: 600,
        probes: {},
        burnRate: { objective: 0.99 },
        onAlarm: 'notify',
      }),
    ).toEqual({
      ok: true,
      value: {
        seconds: 600,
        everySeconds: 30,
        probes: { failures: 3 },
        burnRate: {
          objective: 0.99,
          minRequests: 10,
          source: { kind: 'probes' },
          windows: DEFAULT_BURN_RATE_WINDOWS,
        },
        onAlarm: 'notify',
      },
    });
    expect(readWatchRules({ seconds: 10, probes: {}, onAlarm: 'rollback' })).toMatchObject({
      value: { everySeconds: 10, burnRate: null },
    });
  });

  test.each([
    [null, ''],
    [[], ''],
    [{ seconds: 600, onAlarm: 'notify' }, ''],
    [{ seconds: 5, probes: {}, onAlarm: 'notify' }, 'seconds'],
    [{ seconds: 3_000_000, probes: {}, onAlarm: 'notify' }, 'seconds'],
    [{ seconds: 60, everySeconds: 61, probes: {}, onAlarm: 'notify' }, 'everySeconds'],
    [{ seconds: 60, probes: { failures: 0 }, onAlarm: 'notify' }, 'probes.failures'],
    [{ seconds: 60, probes: {}, onAlarm: 'page' }, 'onAlarm'],
    [{ seconds: 60, probes: {} }, 'onAlarm'],
    [{ seconds: 60, probes: {}, onAlarm: 'notify', burnrate: {} }, 'burnrate'],
    [burn({ objective: 1 }), 'burnRate.objective'],
    [burn({ objective: Number.NaN }), 'burnRate.objective'],
    [burn({ provider: 'prom' }), 'burnRate.errors', 'burnRate.total'],
    [burn({ provider: 'Prom!', errors: 'e', total: 't' }), 'burnRate.provider'],
    [burn({ errors: 'e' }), 'burnRate.errors'],
    [burn({ windows: [] }), 'burnRate.windows'],
    [
      burn({ windows: [{ longSeconds: 60, shortSeconds: 61, factor: 1 }] }),
      'burnRate.windows[0].shortSeconds',
    ],
    [
      burn({ windows: [{ longSeconds: 60, shortSeconds: 5, factor: 0 }] }),
      'burnRate.windows[0].factor',
    ],
    [burn({ windows: [{ longSeconds: 6000, shortSeconds: 5, factor: 2 }] }), 'burnRate.windows'],
  ] as const)('%j is refused at %s', (value, ...paths) => {
    const read = readWatchRules(value);
    expect(read.ok ? [] : read.problems.map(({ path }) => path)).toEqual(paths);
  });
});

function burn(changed: object): object {
  return { seconds: 600, onAlarm: 'rollback', burnRate: { objective: 0.999, ...changed } };
}
