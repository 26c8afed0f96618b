import { expect, test } from '@jest/globals';
import { cutText } from './cut-text.ts';

test('cuts without leaving half a character, and mends halves that were there', () => {
  expect(cutText('ab', 5)).toBe('ab');
  expect(cutText('a\u{1F680}b', 3)).toBe('a\u{1F680}');
  expect(cutText('a\u{1F680}b', 2)).toBe('a\uFFFD');
  expect(cutText('\u{1F680}b'.slice(1), 5)).toBe('\uFFFDb');
});
