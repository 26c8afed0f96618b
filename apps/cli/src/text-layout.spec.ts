import { expect, test } from '@jest/globals';
import { printable } from '@sluice/pure';
import { MAX_WIDTH, table, wrapped } from './text-layout.ts';

const longest = (text: string): number =>
  Math.max(...text.split('\n').map((line) => [...line].length));

test('a table stays within 80 columns; the column that shrinks gives way first', () => {
  const columns = [{ title: 'A' }, { title: 'B', shrinks: true }];
  const text = table(columns, [
    ['short', 'x'.repeat(200)],
    ['another one', 'y'],
  ]);
  expect(longest(text)).toBe(MAX_WIDTH);
  expect(text).toContain('another one  y\n');
  expect(text).toContain('…');
});

test('when nothing may shrink, the widest does', () => {
  const columns = [{ title: 'A' }, { title: 'B' }];
  expect(longest(table(columns, [['a'.repeat(70), 'b'.repeat(90)]]))).toBeLessThanOrEqual(
    MAX_WIDTH,
  );
});

test('a short table is as narrow as it can be', () => {
  expect(table([{ title: 'A' }, { title: 'B' }], [['1', '2']])).toBe('A  B\n1  2\n');
});

test('long text is broken at blanks and indented', () => {
  const text = wrapped(`  ${'word '.repeat(40).trim()}`, 4);
  expect(longest(text)).toBeLessThanOrEqual(MAX_WIDTH);
  expect(text.split('\n')[1]).toMatch(/^ {4}word/);
});

test('characters that steer a terminal do not reach it', () => {
  expect(printable('a\u001b[31mb\u202ec\r\nd')).toBe('a?[31mb?c??d');
  expect(table([{ title: 'A' }], [['\u001b]0;x\u0007']])).not.toMatch(/[\u001b\u0007]/);
});
