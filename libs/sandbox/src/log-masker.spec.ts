import { describe, expect, test } from '@jest/globals';
import { BoundedLog } from './bounded-log.ts';
import { LogMasker } from './log-masker.ts';

function mask(secrets: readonly string[], pieces: readonly string[]): string {
  const masker = new LogMasker(secrets.map((secret) => Buffer.from(secret, 'latin1')));
  const shown = pieces.map((piece) => masker.push(Buffer.from(piece, 'latin1')));
  return Buffer.concat([...shown, masker.end()]).toString('latin1');
}

/** The same by hand: every byte of every occurrence, runs of them as one mask. */
function maskByHand(secrets: readonly string[], text: string): string {
  const spans = secrets.flatMap((secret) => {
    const found: [number, number][] = [];
    for (let at = text.indexOf(secret); at >= 0; at = text.indexOf(secret, at + 1)) {
      found.push([at, at + secret.length]);
    }
    return found;
  });
  spans.sort(([left], [right]) => left - right);
  let shown = '';
  let until = 0;
  for (const [start, end] of spans) {
    if (start >= until) shown += `${text.slice(until, start)}***`;
    until = Math.max(until, end);
  }
  return shown + text.slice(until);
}

test.each<[string, string[], string[], string]>([
  ['whole', ['secret'], ['a secret b'], 'a *** b'],
  ['byte by byte', ['secret'], [...'a secret b'], 'a *** b'],
  ['only begun', ['secret'], ['a secr', 'etly'], 'a ***ly'],
  ['begun and not ended', ['secret'], ['a secr'], 'a secr'],
  ['begun twice', ['aab'], ['aa', 'ab'], 'a***'],
  ['overlapping', ['abc', 'bcd'], ['xab', 'cdx'], 'x***x'],
  ['one the beginning of another', ['key', 'keyword'], ['key', 'word key'], '*** ***'],
  ['of bytes', ['\xff\x00\xfe'], ['a\xff\x00', '\xfeb'], 'a***b'],
  ['with an end of line', ['secret\r\n'], ['secret and'], '*** and'],
  [
    'of lines, indented',
    ['first line!\nx\nsecond line'],
    ['  first line!\n  second line'],
    '  ***\n  ***',
  ],
  ['empty', ['', '\n'], ['a\nb'], 'a\nb'],
])('a secret is masked: %s', (_what, secrets, pieces, shown) => {
  expect(mask(secrets, pieces)).toBe(shown);
});

test('what comes in pieces is masked as what comes whole (seed 7)', () => {
  let seed = 7;
  const next = (below: number): number => {
    seed = (seed * 48_271) % 2_147_483_647;
    return seed % below;
  };
  const word = (length: number): string =>
    Array.from({ length }, () => 'ab'[next(2)] ?? '').join('');
  for (let round = 0; round < 2000; round += 1) {
    const secrets = Array.from({ length: 1 + next(3) }, () => word(1 + next(5)));
    const pieces = Array.from({ length: next(8) }, () => word(next(7)));
    const text = pieces.join('');
    const byHand = maskByHand(secrets, text);
    expect([secrets, pieces, mask(secrets, pieces)]).toEqual([secrets, pieces, byHand]);
  }
});

test('a secret that repeats itself takes no time in a log that repeats it', () => {
  const shown = mask(
    ['a'.repeat(60_000)],
    Array.from({ length: 100 }, () => 'a'.repeat(10_000)),
  );
  expect(shown).toBe('***');
});

describe('BoundedLog', () => {
  const at = new Date(0);
  async function bound(
    limit: number,
    pieces: readonly [string, 'stdout' | 'stderr'][],
  ): Promise<string> {
    let text = '';
    const log = new BoundedLog(limit, [], (chunk) => {
      text += Buffer.from(chunk).toString('latin1');
    });
    for (const [piece, stream] of pieces) await log.push(Buffer.from(piece), stream, at);
    await log.end(at);
    return text;
  }

  test('keeps all when there is room', async () => {
    const pieces: [string, 'stdout'][] = Array.from({ length: 100 }, (_, n) => [
      `${n}\n`,
      'stdout',
    ]);
    expect(await bound(1024, pieces)).toBe(pieces.map(([text]) => text).join(''));
  });

  test('never gives out more than it may, however it comes', async () => {
    for (const size of [1, 7, 100, 5000]) {
      const pieces = Array.from(
        { length: 20_000 / size },
        (_, n): [string, 'stdout' | 'stderr'] => [
          'x'.repeat(size),
          n % 2 === 0 ? 'stdout' : 'stderr',
        ],
      );
      const text = await bound(2048, pieces);
      expect(text.length).toBeLessThanOrEqual(2048);
      expect(text).toMatch(/bytes of stdout left out[^]*bytes of stderr left out/);
    }
  });
});
