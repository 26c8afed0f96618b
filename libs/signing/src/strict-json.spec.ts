import { expect, test } from '@jest/globals';
import { parseStrictJson } from './strict-json.ts';

const limits = { maxBytes: 1000, maxDepth: 4 };

function pathOf(source: string | Uint8Array): readonly (string | number)[] | 'parsed' {
  try {
    parseStrictJson(source, limits);
    return 'parsed';
  } catch (error) {
    expect((error as { code?: unknown }).code).toBe('json-invalid');
    return (error as { path: readonly (string | number)[] }).path;
  }
}

test.each([
  'null',
  'true',
  '-0',
  '1.5e3',
  '"a\\u0041\\n\\"é😀"',
  '[]',
  '{}',
  ' [ 1 , "a" , { "b" : [ ] } ] ',
  '{"a":{"b":[1,2,{"c":null}]}}',
  '"\\ud83d\\ude00"',
])('%s parses as JSON.parse does', (text) => {
  expect(parseStrictJson(text, limits)).toEqual(JSON.parse(text));
});

test.each([
  ['', []],
  ['{"a":1,"a":2}', ['a']],
  ['{"a":[1,{"b":1,"b":2}]}', ['a', 1, 'b']],
  ['{"__proto__":1}', ['__proto__']],
  ['[1,]', [1]],
  ['[1 2]', [0]],
  ['{"a":01}', ['a']],
  ['{"a":1}x', []],
  ['"\\ud800"', []],
  ['"\n"', []],
  ['"\\x41"', []],
  ['"open', []],
  ['[[[[[]]]]]', [0, 0, 0, 0]],
  ['1e999', []],
  ['{"a":tru}', ['a']],
  ['NaN', []],
])('%s is refused at its place', (text, path) => {
  expect(pathOf(text)).toEqual(path);
});

test('bytes that are no UTF-8 are refused where they stand', () => {
  const bytes = Buffer.from('{"a":["x","y?"]}');
  bytes[bytes.indexOf('?')] = 0xff;
  expect(pathOf(bytes)).toEqual(['a', 1]);
  expect(pathOf(Buffer.from('\ufeff{}'))).toEqual([]);
});

test('a text over the limit is refused, a long string within it is read', () => {
  expect(pathOf(`"${'a'.repeat(1000)}"`)).toEqual([]);
  const long = 'a'.repeat(4_000_000);
  expect(parseStrictJson(`"${long}"`, { maxBytes: 5_000_000, maxDepth: 1 })).toBe(long);
});
