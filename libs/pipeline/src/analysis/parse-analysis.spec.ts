import { expect, test } from '@jest/globals';
import { analysisRulesOf, parseAnalysis } from './parse-analysis.ts';

const errors = { name: 'errors', provider: 'probes', query: 'error-rate', direction: 'increase' };

test('what is left out is filled in, and must have data', () => {
  const parsed = parseAnalysis({ metrics: [errors] });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  expect(parsed.value).toEqual({
    passScore: 95,
    marginalScore: 75,
    minSamples: 8,
    stepSeconds: null,
    metrics: [
      {
        provider: 'probes',
        query: 'error-rate',
        pointer: null,
        rules: {
          name: 'errors',
          direction: 'increase',
          nanStrategy: 'remove',
          critical: false,
          mustHaveData: true,
          weight: 1,
          effect: {},
          confidence: 0.98,
        },
      },
    ],
  });
  expect(analysisRulesOf(parsed.value, 4)).toMatchObject({ looks: 4, minSamples: 8 });
});

test('the confidence of all holds for a metric without its own', () => {
  const parsed = parseAnalysis({
    confidence: 0.9,
    metrics: [errors, { ...errors, name: 'other', confidence: 0.95, threshold: { max: 0.1 } }],
  });
  expect(parsed.ok && parsed.value.metrics.map(({ rules }) => rules.confidence)).toEqual([
    0.9, 0.95,
  ]);
});

test.each([
  ['no object', 'fast', '', /no object/],
  ['no metrics', { metrics: [] }, 'metrics', /1 to 20/],
  ['an unknown member', { metric: [], metrics: [errors] }, 'metric', /Did you mean metrics\?/],
  [
    'an unknown direction',
    { metrics: [{ ...errors, direction: 'increse' }] },
    'metrics[0].direction',
    /Did you mean increase\?/,
  ],
  [
    'an unknown sample',
    { metrics: [{ ...errors, query: 'latency-p95' }] },
    'metrics[0].query',
    /Did you mean latency-p9/,
  ],
  [
    'a pointer where nothing is followed',
    { metrics: [{ ...errors, pointer: '/a' }] },
    'metrics[0].pointer',
    /leave it out/,
  ],
  [
    'no pointer',
    { metrics: [{ ...errors, provider: 'shop', pointer: 'data.x' }] },
    'metrics[0].pointer',
    /JSON Pointer/,
  ],
  ['a low confidence', { confidence: 0.1, metrics: [errors] }, 'confidence', /0\.5 to 0\.9999/],
  [
    'scores that cross',
    { passScore: 60, marginalScore: 80, metrics: [errors] },
    '',
    /marginalScore/,
  ],
  ['one name twice', { metrics: [errors, errors] }, '', /Two metrics/],
  [
    'an empty threshold',
    { metrics: [{ ...errors, threshold: {} }] },
    'metrics[0].threshold',
    /max/,
  ],
  [
    'an effect that shrinks',
    { metrics: [{ ...errors, effect: { allowedIncrease: 0.9 } }] },
    'metrics[0].effect.allowedIncrease',
    /1 to 1000/,
  ],
])('%s is refused where it stands', (_what, input, at, message) => {
  const parsed = parseAnalysis(input);
  if (parsed.ok) throw new Error('It was taken.');
  expect(parsed.problems).toContainEqual({ at, message: expect.stringMatching(message) });
});
