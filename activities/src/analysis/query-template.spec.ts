import { expect, test } from '@jest/globals';
import type { ProviderQuery } from './analysis-provider.ts';
import { followPointer } from './json-pointer.ts';
import { assertRanges, fillPath, fillPromql } from './query-template.ts';

const asked = (query: string): ProviderQuery => ({
  query,
  pointer: null,
  side: 'canary',
  targets: ['web-1', 'web-2'],
  from: Date.parse('2026-11-22T10:00:00Z'),
  to: Date.parse('2026-11-22T10:01:00Z'),
  stepSeconds: 5,
  maxPoints: 100,
});

test('PromQL gets names as an expression, the step and the side', () => {
  expect(fillPromql(asked('sum(rate(e{t=~"{{targets}}",s="{{ side }}"}[{{interval}}]))'))).toBe(
    'sum(rate(e{t=~"(?:web-1|web-2)",s="canary"}[5s]))',
  );
});

test('names that mean something in an expression, or in quotes, do not', () => {
  const odd = { ...asked('{{targets}}'), targets: ['a.b', 'c"d', 'e\\f'] };
  expect(fillPromql(odd)).toBe('(?:a\\\\.b|c\\"d|e\\\\\\\\f)');
});

test('a path gets its values encoded', () => {
  const odd = { ...asked('/e?t={{targets}}&from={{from}}&step={{step}}'), targets: ['a&b', 'c'] };
  expect(fillPath(odd)).toBe('/e?t=a%26b,c&from=2026-11-22T10%3A00%3A00.000Z&step=5');
});

test('another placeholder is refused with those there are', () => {
  expect(() => fillPromql(asked('up{x="{{constructor}}"}'))).toThrow(
    'Its query has {{constructor}}; there is {{targets}}, {{interval}}, {{side}}.',
  );
});

test('pointers go by RFC 6901, and never beyond what is there', () => {
  const value = { a: { 'b/c': [1, { '~': 2 }] } };
  expect(followPointer(value, '')).toBe(value);
  expect(followPointer(value, '/a/b~1c/1/~0')).toBe(2);
  expect(followPointer(value, '/a/b~1c/length')).toBeUndefined();
  expect(followPointer(value, '/a/constructor')).toBeUndefined();
});

test('a query that looks back over several steps is refused: its samples are not so many as they seem', () => {
  for (const query of ['rate(x[10s])', 'x[5s:1s]', 'x{a="[y]"}', 'max_over_time(x[10000ms])']) {
    expect(() => assertRanges(query, 5)).not.toThrow();
  }
  for (const query of ['rate(x[1m])', 'rate(x[5s]) / rate(y[11s])', 'x[1h30m:5s]', 'x[ 1m ]']) {
    expect(() => assertRanges(query, 5)).toThrow(/write \[\{\{interval\}\}\], and a stepSeconds/);
  }
});
