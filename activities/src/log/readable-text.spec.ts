import { expect, test } from '@jest/globals';
import { ReadableText } from './readable-text.ts';

function show(...pieces: readonly (string | readonly number[])[]): string {
  const text = new ReadableText();
  const shown = pieces.map((piece) => text.push(Buffer.from(piece as string)));
  return shown.join('') + text.end();
}

test.each<[string, (string | readonly number[])[], string]>([
  ['UTF-8', ['aé€😀\t\n'], 'aé€😀\t\n'],
  ['a character in pieces', [[0xf0, 0x9f], [0x98], [0x80]], '😀'],
  ['a character that is not ended', ['a', [0xe2, 0x82]], 'a\\xe2\\x82'],
  ['a character that goes on as another', [[0xe2, 0x82], 'a'], '\\xe2\\x82a'],
  ['other bytes', [[0xff, 0x61, 0x80]], '\\xffa\\x80'],
  ['overlong forms', [[0xc0, 0xaf, 0xe0, 0x80, 0xaf]], '\\xc0\\xaf\\xe0\\x80\\xaf'],
  ['surrogates', [[0xed, 0xa0, 0x80]], '\\xed\\xa0\\x80'],
  ['beyond Unicode', [[0xf4, 0x90, 0x80, 0x80, 0xf5]], '\\xf4\\x90\\x80\\x80\\xf5'],
  ['control characters', ['\x1b[31m\0\x07\x7f'], '\\x1b[31m\\x00\\x07\\x7f'],
  ['control characters of the second kind', ['\u0085\u009b'], '\\u0085\\u009b'],
  ['what turns text around', ['a\u202eb\u2066c\ufeff'], 'a\\u202eb\\u2066c\\ufeff'],
  ['joined emoji', ['👩‍💻'], '👩‍💻'],
  ['ends of lines', ['a\r\nb\rc\n'], 'a\nb\nc\n'],
  ['ends of lines in pieces', ['a\r', '\nb\r', 'c'], 'a\nb\nc'],
  ['ends of lines between others', ['a\r', [0xff], '\n'], 'a\n\\xff\n'],
])('shows %s', (_what, pieces, shown) => {
  expect(show(...pieces)).toBe(shown);
});

test('what comes byte by byte is shown as what comes whole (seed 5)', () => {
  let seed = 5;
  const next = (below: number): number => {
    seed = (seed * 48_271) % 2_147_483_647;
    return seed % below;
  };
  const all = ['a', '\r', '\n', 'é', '€', '😀', '\u202e', '\x1b'].map((text) => [
    ...Buffer.from(text),
  ]);
  for (let round = 0; round < 500; round += 1) {
    const bytes = Array.from({ length: 20 }, () =>
      next(4) === 0 ? [next(256)] : (all[next(all.length)] ?? []),
    ).flat();
    const whole = show(bytes);
    expect(show(...bytes.map((byte) => [byte]))).toBe(whole);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: none of them may be there
    expect(whole).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202e\ufffd]/);
  }
});
