import { following, overlapping } from './models.ts';
import { type CurveTable, lat, POINTS, percent, sides, stage } from './table.ts';

/** How often a canary fails that is as its baseline. */
export const FALSE_ALARM_TABLES: readonly CurveTable[] = [
  {
    name: 'looks',
    title:
      'False alarms by the number of looks (60 points a side, confidence 0.98, direction either)',
    columns: ['looks'],
    failure: 'false-alarm',
    contrast: true,
    rows: [1, 2, 4, 10, 20, 60].map((looks) => ({
      label: [looks],
      setting: stage({
        looks,
        metrics: [{ rules: { direction: 'either' }, ...sides(lat(200), lat(200)) }],
      }),
    })),
  },
  {
    name: 'confidence',
    title: 'False alarms by confidence (60 points a side, 20 looks, direction either)',
    columns: ['confidence', '1 − confidence'],
    failure: 'false-alarm',
    contrast: true,
    rows: [0.8, 0.9, 0.95, 0.98, 0.99].map((confidence) => ({
      label: [confidence, percent(1 - confidence)],
      setting: stage({
        looks: 20,
        metrics: [{ rules: { direction: 'either', confidence }, ...sides(lat(200), lat(200)) }],
      }),
    })),
  },
  {
    name: 'metrics',
    title:
      'False alarms of all metrics together, each critical (latency, 60 points a side, 10 looks)',
    columns: ['metrics', 'confidence'],
    failure: 'false-alarm',
    contrast: false,
    rows: [0.9, 0.98].flatMap((confidence) =>
      [1, 2, 5, 10, 20].map((many) => ({
        label: [many, confidence],
        setting: stage({
          looks: 10,
          metrics: Array.from({ length: many }, () => ({
            rules: { confidence, direction: 'either' as const },
            ...sides(lat(200), lat(200)),
          })),
        }),
      })),
    ),
  },
  {
    name: 'arrival',
    title:
      'False alarms where points come unevenly (60 points a side, confidence 0.9, direction either)',
    columns: ['points come', 'looks'],
    failure: 'false-alarm',
    contrast: true,
    rows: (
      [
        ['evenly', (share: number) => share],
        ['late (share² of the time)', (share: number) => share * share],
        ['very late (share⁴)', (share: number) => share ** 4],
        ['early (√share)', (share: number) => Math.sqrt(share)],
      ] as const
    ).flatMap(([how, arrived]) =>
      [10, 60].map((looks) => ({
        label: [how, looks],
        setting: {
          ...stage({
            looks,
            metrics: [
              { rules: { direction: 'either', confidence: 0.9 }, ...sides(lat(200), lat(200)) },
            ],
          }),
          pointsAt: (look: number) => Math.round(POINTS * arrived(look / looks)),
        },
      })),
    ),
  },
  {
    name: 'dependence',
    title:
      'False alarms where each point follows the one before it (60 points a side, 20 looks, direction either)',
    columns: ['correlation', 'allowed'],
    failure: 'false-alarm',
    contrast: true,
    rows: [0, 0.1].flatMap((allowed) =>
      [0, 0.2, 0.4, 0.6, 0.8].map((part) => ({
        label: [part, allowed === 0 ? 'any' : `± ${percent(allowed)}`],
        setting: stage({
          looks: 20,
          metrics: [
            {
              rules: {
                direction: 'either',
                effect: { allowedIncrease: 1 + allowed, allowedDecrease: 1 - allowed },
              },
              canary: () => following(part),
              baseline: () => following(part),
            },
          ],
        }),
      })),
    ),
  },
  {
    name: 'windows',
    title:
      'False alarms where the windows of points overlap (60 points a side, 20 looks, direction either)',
    columns: ['window'],
    failure: 'false-alarm',
    contrast: false,
    rows: [1, 2, 3, 6, 12].map((width) => ({
      label: [width === 1 ? 'one step' : `${width} steps`],
      setting: stage({
        looks: 20,
        metrics: [
          {
            rules: { direction: 'either' },
            canary: () => overlapping(width),
            baseline: () => overlapping(width),
          },
        ],
      }),
    })),
  },
];
