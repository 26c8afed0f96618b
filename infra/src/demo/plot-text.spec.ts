import { describe, expect, test } from '@jest/globals';
import { toPlot } from './plot-text.ts';

describe('a plot in plain characters', () => {
  const ramp = Array.from({ length: 20 }, (_, second) => second);

  test('has a scale, an axis of time and what each sign is', () => {
    const panel = {
      ...{ title: 'share of requests', unit: '%' },
      series: [
        { name: 'old', sign: '·', values: ramp.map(() => 20) },
        { name: 'new', sign: '#', values: ramp.map((value) => (value < 10 ? null : value)) },
      ],
    };
    const marks = [{ at: 10, sign: 'A', text: 'it begins' }];
    expect(toPlot({ panels: [panel], seconds: 1, marks, width: 40, height: 5 })).toBe(
      [
        'share of requests, %: · old  # new',
        '      20 ┤··················##',
        '         │             #####',
        '      10 ┤          ###',
        '         │',
        '       0 ┤',
        '         └┬───────────────────',
        '          0s',
        '                    A',
        '  A   10.0 s it begins',
      ].join('\n'),
    );
  });

  test('is no wider than it may be; what does not fit shares a column, the largest is seen', () => {
    const values = Array.from({ length: 1000 }, (_, at) => (at === 500 ? 99 : 1));
    const plot = toPlot({
      panels: [{ title: 'p95', unit: 'ms', series: [{ name: 'all', sign: '*', values }] }],
      seconds: 2,
      marks: [{ at: 1999, sign: 'B', text: 'x'.repeat(200) }],
      width: 80,
    });
    const lines = plot.split('\n');
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
    expect(lines[1]).toMatch(/^ {5}100 ┤ +\*$/);
  });

  test('lets what is far above all others leave it, where that is wanted', () => {
    const values = Array.from({ length: 50 }, (_, at) => (at === 20 ? 2000 : 40 + (at % 10)));
    const series = [{ name: 'all', sign: '*', values }];
    const panel = { title: 'p95', unit: 'ms', series };
    const draw = (isClipped: boolean): string =>
      toPlot({ panels: [{ ...panel, isClipped }], seconds: 1, marks: [] });
    expect(draw(true)).toMatch(/^ {6}50 ┤[ *]+\^/m);
    expect(draw(false)).toMatch(/^ {4}2000 ┤ +\*$/m);
  });

  test('stands without values, and marks at one place do not hide each other', () => {
    const panels = [{ title: 'errors', unit: '%', series: [{ name: 'x', sign: 'x', values: [] }] }];
    const marks = ['A', 'B'].map((sign) => ({ at: 0, sign, text: sign }));
    expect(toPlot({ panels, seconds: 1, marks })).toContain('errors');
    const wide = [
      {
        ...panels[0],
        title: 'e',
        unit: '%',
        series: [{ name: 'x', sign: 'x', values: [0, 1, null, 3] }],
      },
    ];
    expect(toPlot({ panels: wide, seconds: 1, marks })).toMatch(/^ +AB$/m);
  });
});
