import { expect, test } from '@jest/globals';
import { uuidV5 } from './uuid.ts';

const DNS = '6ba7b810-9dad-11d1-80b4-00c04fd430c8';

test('RFC 9562, Appendix A.4: the example of version 5', () => {
  expect(uuidV5(DNS, 'www.example.com')).toBe('2ed6657d-e927-568b-95e1-2665a8aea6a2');
});

test('every result has the version and the variant', () => {
  for (let index = 0; index < 200; index += 1) {
    expect(uuidV5(DNS, String(index))).toMatch(
      /^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
    );
  }
});

test('a namespace that is no UUID is refused', () => {
  expect(() => uuidV5('not-a-uuid', 'x')).toThrow();
});
