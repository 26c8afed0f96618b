import { expect, test } from '@jest/globals';
import { isMap, isScalar, parseDocument, Scalar, stringify } from 'yaml';
import { seededRandom } from '../testing/seeded-random.ts';
import type { ScalarStyle } from './positioned-node.ts';
import { offsetInScalar } from './scalar-offset.ts';

const STYLES: readonly (readonly [ScalarStyle, Scalar.Type])[] = [
  ['plain', 'PLAIN'],
  ['single', 'QUOTE_SINGLE'],
  ['double', 'QUOTE_DOUBLE'],
  ['literal', 'BLOCK_LITERAL'],
  ['folded', 'BLOCK_FOLDED'],
];

/** Source and value of the one member of a text. */
function scalarOf(text: string): { source: string; value: string; style: string } {
  const { contents } = parseDocument(text);
  const node = isMap(contents) ? contents.items[0]?.value : undefined;
  if (!isScalar(node) || node.range == null) throw new Error(`No scalar in ${text}`);
  const source = text.slice(node.range[0], node.range[1]);
  return { source, value: String(node.value), style: String(node.type) };
}

test.each([
  ['if: a == §b', 'plain'],
  ['if: a ==\n  §b', 'plain'],
  ["if: 'a == ''x'' && §b'", 'single'],
  ["if: 'a ==\n\n   §b'", 'single'],
  ['if: "a == \\"x\\" && §b"', 'double'],
  ['if: "\\u0061\\x62\\n\\ta == \\\n   §b"', 'double'],
  ['if: |\n    a ==\n      §b\n', 'literal'],
  ['if: |2-  # why\n    a ==\n\n  §b', 'literal'],
  ['if: >-\n  a ==\n  c &&\n\n    §b\n', 'folded'],
] as const)('%j', (text, style) => {
  const { source, value } = scalarOf(text);
  const at = offsetInScalar(source, style, value, value.indexOf('§'));
  expect(source.slice(at, (at ?? 0) + 2)).toBe('§b');
});

test('values that are not those of the source have no place in it', () => {
  expect(offsetInScalar('abc', 'plain', 'abd', 3)).toBeUndefined();
  expect(offsetInScalar('abc', 'plain', 'abc', 99)).toBe(3);
});

const seed = Number(process.env.SLUICE_TEST_SEED ?? Date.now() % 1_000_000);

test(`a mark is found in every style in which a text can be written, seed ${seed}`, () => {
  const random = seededRandom(seed);
  const pieces = [
    'a',
    'bc',
    ' ',
    '  ',
    '\n',
    '\n\n',
    '"',
    "'",
    '\\',
    '&& ',
    '(x)',
    'é',
    '😀',
    '\t',
    '#',
  ];
  for (let round = 0; round < 400; round += 1) {
    const parts = Array.from({ length: 1 + random(14) }, () => pieces[random(pieces.length)] ?? '');
    parts.splice(random(parts.length + 1), 0, '§');
    const written = new Scalar(`x${parts.join('')}y`);
    const [, type] = STYLES[random(STYLES.length)] ?? STYLES[0] ?? ['plain', 'PLAIN'];
    written.type = type;
    const text = stringify({ if: written }, { lineWidth: 20 + random(60) });
    const { source, value, style } = scalarOf(text);
    const own = STYLES.find(([, name]) => name === style)?.[0] ?? 'plain';
    const at = offsetInScalar(source, own, value, value.indexOf('§'));
    expect([text, source[at ?? -1]]).toEqual([text, '§']);
  }
});
