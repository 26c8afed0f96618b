import { describe, expect, test } from '@jest/globals';
import { errorRate, latency } from '../src/analysis/models.ts';
import { createRandom } from '../src/analysis/random.ts';
import { CURVE_TABLES } from '../src/analysis/tables.ts';
import { runTrials, type StageSetting } from '../src/analysis/trials.ts';

/** Four standard errors of a share of so many trials: by chance alone once in thirty thousand. */
function margin(share: number, trials: number): number {
  return 4 * Math.sqrt((share * (1 - share)) / trials);
}

function stage(more: Partial<StageSetting>): StageSetting {
  return {
    looks: 10,
    pointsAt: (look) => 3 * look,
    metrics: [
      {
        rules: { direction: 'either', confidence: 0.9 },
        canary: () => latency(200),
        baseline: () => latency(200),
      },
    ],
    ...more,
  };
}

describe('over all looks of a stage', () => {
  const trials = 150;

  test('false alarms stay within 1 − confidence; looking as often without correction they do not', () => {
    const result = runTrials(stage({}), { trials, seed: 11, contrast: true });
    expect(result.fail).toBeLessThanOrEqual(0.1 + margin(0.1, trials));
    expect(result.bare).toBeLessThanOrEqual(0.1 + margin(0.1, trials));
    expect(result.bareUncorrected).toBeGreaterThan(0.1 + margin(0.1, trials));
    expect(result.fail + result.pass + result.inconclusive).toBeCloseTo(1, 12);
  });

  test('a canary that fails ten times as often is caught, long before the end', () => {
    const metrics = [{ canary: () => errorRate(100, 0.05), baseline: () => errorRate(100, 0.005) }];
    const result = runTrials(stage({ metrics }), { trials: 100, seed: 12 });
    expect(result.fail).toBeGreaterThan(0.97);
    expect(result.medianShare).toBeLessThanOrEqual(0.6);
  });

  test('one seed gives one result', () => {
    const setting = stage({});
    const one = runTrials(setting, { trials: 10, seed: 5 });
    expect(runTrials(setting, { trials: 10, seed: 5 })).toEqual(one);
  });
});

describe('the simulation', () => {
  test('draws what it says', () => {
    const random = createRandom(3);
    const many = Array.from({ length: 20_000 }, () => random.normal());
    const mean = many.reduce((sum, value) => sum + value, 0) / many.length;
    const variance = many.reduce((sum, value) => sum + value * value, 0) / many.length;
    expect(Math.abs(mean)).toBeLessThan(0.03);
    expect(Math.abs(variance - 1)).toBeLessThan(0.04);
    const events = Array.from({ length: 2000 }, () => random.binomial(500, 0.02));
    expect(events.reduce((sum, value) => sum + value, 0) / 2000).toBeCloseTo(10, 0);
    expect(random.binomial(10, 0)).toBe(0);
    expect(random.binomial(10, 1)).toBe(10);
  });

  test('has tables whose every row can be played', () => {
    expect(new Set(CURVE_TABLES.map(({ name }) => name)).size).toBe(CURVE_TABLES.length);
    for (const { columns, rows } of CURVE_TABLES) {
      for (const { label, setting } of rows) {
        expect(label).toHaveLength(columns.length);
        expect(setting.pointsAt(setting.looks)).toBeGreaterThan(0);
      }
    }
  });
});
