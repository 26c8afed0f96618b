import { errorRate } from './models.ts';
import { BASE_ERRORS, type CurveTable, errors, lat, percent, sides, stage } from './table.ts';

/** How often, and when, a canary fails that is worse. */
export const DETECTION_TABLES: readonly CurveTable[] = [
  {
    name: 'errors',
    title: `Errors by traffic: the baseline fails ${percent(BASE_ERRORS)} of requests (60 points a side, 20 looks)`,
    columns: ['requests a point', 'canary fails'],
    failure: 'detection',
    contrast: false,
    rows: [20, 100, 500, 2500].flatMap((requests) =>
      [1, 1.5, 2, 4, 10].map((times) => ({
        label: [requests, `${times === 1 ? 'the same' : percent(BASE_ERRORS * times)}`],
        setting: stage({
          looks: 20,
          metrics: [sides(errors(requests, times), errors(requests, 1))],
        }),
      })),
    ),
  },
  {
    name: 'latency',
    title: 'Mean latency by traffic (log-normal requests, 60 points a side, 20 looks)',
    columns: ['requests a point', 'canary slower by'],
    failure: 'detection',
    contrast: false,
    rows: [5, 50, 500].flatMap((requests) =>
      [1, 1.05, 1.1, 1.2, 1.5].map((times) => ({
        label: [requests, times === 1 ? 'nothing' : percent(times - 1)],
        setting: stage({
          looks: 20,
          metrics: [sides(lat(requests, { median: 100 * times }), lat(requests))],
        }),
      })),
    ),
  },
  {
    name: 'points',
    title: 'Misses by the length of a stage (errors 0.5 % → 2 %, 100 requests a point, 4 looks)',
    columns: ['points a side', 'canary fails'],
    failure: 'detection',
    contrast: false,
    rows: [8, 12, 20, 40, 60, 120].flatMap((points) =>
      [1, 4].map((times) => ({
        label: [points, times === 1 ? 'the same' : percent(BASE_ERRORS * times)],
        setting: stage({
          looks: 4,
          points,
          metrics: [sides(errors(100, times), errors(100, 1))],
        }),
      })),
    ),
  },
  {
    name: 'interval',
    title: 'How early it shows, by the number of looks (60 points a side, 100 requests a point)',
    columns: ['looks', 'canary fails'],
    failure: 'detection',
    contrast: false,
    rows: [1, 4, 10, 20, 60].flatMap((looks) =>
      [2, 4, 10].map((times) => ({
        label: [looks, percent(BASE_ERRORS * times)],
        setting: stage({ looks, metrics: [sides(errors(100, times), errors(100, 1))] }),
      })),
    ),
  },
  {
    name: 'effect',
    title: 'Misses by allowedIncrease (errors, 500 requests a point, 60 points a side, 20 looks)',
    columns: ['allowedIncrease', 'canary fails'],
    failure: 'detection',
    contrast: false,
    rows: [1, 1.25, 1.5, 2, 3].flatMap((allowedIncrease) =>
      [1, 1.5, 2, 4].map((times) => ({
        label: [allowedIncrease, times === 1 ? 'the same' : percent(BASE_ERRORS * times)],
        setting: stage({
          looks: 20,
          metrics: [
            {
              rules: { effect: { allowedIncrease } },
              ...sides(errors(500, times), errors(500, 1)),
            },
          ],
        }),
      })),
    ),
  },
  {
    name: 'threshold',
    title:
      'An absolute threshold of 1 % errors, without a baseline (100 requests a point, 60 points, 20 looks)',
    columns: ['canary fails'],
    failure: 'detection',
    contrast: false,
    rows: [0.0025, 0.005, 0.0075, 0.01, 0.0125, 0.015, 0.02, 0.04].map((chance) => ({
      label: [percent(chance)],
      setting: stage({
        looks: 20,
        metrics: [{ rules: { threshold: { max: 0.01 } }, canary: () => errorRate(100, chance) }],
      }),
    })),
  },
  {
    name: 'stages',
    title:
      'What a stage finds, by its length (100 requests a point; 4 looks up to 20 points, else 20)',
    columns: ['points a side', 'canary'],
    failure: 'detection',
    contrast: false,
    rows: [12, 20, 60, 120].flatMap((points) =>
      (
        [
          ['errors 0.5 % → 1 %', errors(100, 2), errors(100, 1)],
          ['errors → 2 %', errors(100, 4), errors(100, 1)],
          ['errors → 5 %', errors(100, 10), errors(100, 1)],
          ['latency + 5 %', lat(100, { median: 105 }), lat(100)],
          ['latency + 10 %', lat(100, { median: 110 }), lat(100)],
          ['latency + 20 %', lat(100, { median: 120 }), lat(100)],
          ['latency + 50 %', lat(100, { median: 150 }), lat(100)],
        ] as const
      ).map(([what, canary, baseline]) => ({
        label: [points, what],
        setting: stage({
          looks: points <= 20 ? 4 : 20,
          points,
          metrics: [sides(canary, baseline)],
        }),
      })),
    ),
  },
  {
    name: 'example',
    title:
      'The worked example of the guide (30 points of 400 requests, 20 looks; errors and latency, both critical)',
    columns: ['canary'],
    failure: 'detection',
    contrast: false,
    rows: (
      [
        ['as good as the old one', 1, 100],
        ['errors 0.5 % → 0.75 %', 1.5, 100],
        ['errors 0.5 % → 1 %', 2, 100],
        ['latency + 10 %', 1, 110],
      ] as const
    ).map(([what, times, median]) => ({
      label: [what],
      setting: stage({
        looks: 20,
        points: 30,
        metrics: [
          {
            rules: { effect: { allowedIncrease: 1.25 }, threshold: { max: 0.05 } },
            ...sides(errors(400, times), errors(400, 1)),
          },
          {
            rules: { effect: { allowedIncrease: 1.05 } },
            ...sides(lat(400, { median }), lat(400)),
          },
        ],
      }),
    })),
  },
  {
    name: 'sensitivity',
    title: 'What confidence costs (60 points a side, 20 looks, direction increase)',
    columns: ['canary', 'confidence'],
    failure: 'detection',
    contrast: false,
    rows: (
      [
        ['errors as the baseline', errors(100, 1), errors(100, 1)],
        ['errors 0.5 % → 1 %, 100 requests a point', errors(100, 2), errors(100, 1)],
        ['latency as the baseline', lat(50), lat(50)],
        ['latency + 10 %, 50 requests a point', lat(50, { median: 110 }), lat(50)],
      ] as const
    ).flatMap(([what, canary, baseline]) =>
      [0.8, 0.9, 0.95, 0.98, 0.99].map((confidence) => ({
        label: [what, confidence],
        setting: stage({
          looks: 20,
          metrics: [{ rules: { confidence }, ...sides(canary, baseline) }],
        }),
      })),
    ),
  },
];
