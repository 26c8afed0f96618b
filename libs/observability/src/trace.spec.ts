import { expect, test } from '@jest/globals';
import { childTraceparent, newTraceparent, parseTraceparent, traceFields } from './trace.ts';

const sample = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';

test('a new traceparent is one, and each is another trace', () => {
  const [a, b] = [newTraceparent(), newTraceparent()];
  expect(parseTraceparent(a)?.flags).toBe('01');
  expect(parseTraceparent(a)?.traceId).not.toBe(parseTraceparent(b)?.traceId);
});

test('a child keeps the trace and has a span of its own', () => {
  const child = parseTraceparent(childTraceparent(sample));
  expect(child?.traceId).toBe('4bf92f3577b34da6a3ce929d0e0e4736');
  expect(child?.spanId).not.toBe('00f067aa0ba902b7');
  expect(traceFields(sample)).toEqual({
    traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
    spanId: '00f067aa0ba902b7',
  });
});

test.each([
  undefined,
  null,
  '',
  'x',
  `${sample} `,
  sample.toUpperCase(),
  sample.replace('4bf92f3577b34da6a3ce929d0e0e4736', '0'.repeat(32)),
  sample.replace('00f067aa0ba902b7', '0'.repeat(16)),
  `01${sample.slice(2)}`,
])('%s is no traceparent: a new trace begins', (value) => {
  expect(parseTraceparent(value)).toBeUndefined();
  expect(traceFields(value)).toEqual({});
  expect(parseTraceparent(childTraceparent(value))).toBeDefined();
});
