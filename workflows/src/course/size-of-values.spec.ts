import { expect, test } from '@jest/globals';
import { sizeOfValues } from './size-of-values.ts';

test('values are counted in bytes of UTF-8, as the engine and the records have them', () => {
  expect(sizeOfValues({})).toBe(0);
  expect(sizeOfValues({ a: 'x' })).toBe('{"a":"x"}'.length);
  expect(sizeOfValues({ a: '世界' })).toBe('{"a":""}'.length + 6);
});
