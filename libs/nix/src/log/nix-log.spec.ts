import { describe, expect, test } from '@jest/globals';
import { type OutputLine, splitLines } from '../run/lines.ts';
import { NixLog } from './nix-log.ts';
import type { NixLogEntry } from './nix-log-entry.ts';
import { NixLogParser } from './nix-log-parser.ts';

const DRV = '/nix/store/00000000000000000000000000000000-x.drv';

function line(value: unknown): OutputLine {
  return { text: typeof value === 'string' ? value : `@nix ${JSON.stringify(value)}`, cut: false };
}

const START = { action: 'start', id: 7, type: 105, fields: [DRV, '', 1, 1], text: 'building' };

test('last lines are without colours, control characters and what is empty then', async () => {
  const log = new NixLog(1000, undefined);
  await log.take(line(START));
  for (const text of [
    'one',
    '\u0001\u0000',
    '\u0005 \u0000Error\u0000\u0000 \u001b[35;1mno\u001b[0m  file\u0007',
  ]) {
    await log.take(line({ action: 'result', id: 7, type: 101, fields: [text] }));
  }
  expect(log.lastLines(DRV)).toEqual(['one', 'Error no file']);
});

describe('what Nix says', () => {
  test('a build, its lines and its progress are told apart', () => {
    const parser = new NixLogParser();
    const entries = [
      { action: 'start', id: 3, type: 104, text: '' },
      START,
      { action: 'result', id: 7, type: 101, fields: ['\u001b[1mbold\u001b[0m'] },
      { action: 'result', id: 3, type: 105, fields: [1, 4, 2, 0] },
      { action: 'result', id: 99, type: 105, fields: [9, 9, 9, 9] },
      { action: 'stop', id: 7 },
      { action: 'result', id: 7, type: 101, fields: ['late'] },
      {
        action: 'msg',
        level: 0,
        msg: '\u001b[31;1merror:\u001b[0m x',
        raw_msg: 'x',
        file: '/f.nix',
        line: 2,
        column: 3,
      },
      { action: 'msg', level: 3, msg: 'these 2 derivations will be built:' },
      { action: 'start', id: 8, type: 100, text: 'copying path' },
    ].map((value) => parser.parse(line(value)));
    expect(entries).toEqual([
      undefined,
      { kind: 'building', derivation: DRV },
      { kind: 'log', derivation: DRV, text: '\u001b[1mbold\u001b[0m' },
      { kind: 'progress', built: 1, total: 4, running: 2, failed: 0 },
      undefined,
      undefined,
      { kind: 'log', derivation: null, text: 'late' },
      { kind: 'message', level: 0, text: 'x', position: { file: '/f.nix', line: 2, column: 3 } },
      { kind: 'message', level: 3, text: 'these 2 derivations will be built:', position: null },
      { kind: 'activity', text: 'copying path' },
    ]);
  });

  test.each([
    'plain text',
    '@nix {',
    '@nix []',
    '@nix null',
    '@nix 7',
    '@nix {"action":"dance"}',
    '@nix {"action":"msg"}',
    '@nix {"action":"msg","level":"0","msg":{}}',
    '@nix {"action":"result","type":101,"fields":[{}]}',
    '@nix {"action":"result","type":101,"fields":{}}',
    '@nix {"__proto__":{"action":"msg","level":0,"msg":"x"}}',
  ])('%s is kept as it is', (text) => {
    expect(new NixLogParser().parse(line(text))).toEqual({ kind: 'unknown', text });
  });

  test('a line that was cut is no JSON, and a long one is shortened', () => {
    const parser = new NixLogParser();
    expect(parser.parse({ text: '@nix {"action":"stop"}', cut: true })).toMatchObject({
      kind: 'unknown',
    });
    const entry = parser.parse(line('x'.repeat(100_000)));
    expect((entry as { text: string }).text).toHaveLength(16_384);
  });
});

describe('a log', () => {
  test('remembers what failed first and its last lines', async () => {
    const log = new NixLog(1000, undefined);
    await log.take(line(START));
    for (let count = 0; count < 30; count += 1) {
      await log.take(line({ action: 'result', id: 7, type: 101, fields: [`line ${count}`] }));
    }
    const messages = [
      `builder for '${DRV}' failed with exit code 1`,
      "1 dependencies of derivation '/nix/store/y.drv' failed to build",
    ];
    for (const text of messages) {
      await log.take(line({ action: 'msg', level: 0, msg: text, raw_msg: text }));
    }
    expect(log.failedDerivation).toBe(DRV);
    expect(log.lastLines(DRV)).toHaveLength(20);
    expect(log.lastLines(DRV).at(-1)).toBe('line 29');
  });

  test('passes on no more than its bound, but every message and all progress', async () => {
    const entries: NixLogEntry[] = [];
    const log = new NixLog(10, (entry) => void entries.push(entry));
    for (const text of ['12345', '1234', '12', '1']) await log.take(line(text));
    await log.take(line({ action: 'msg', level: 0, msg: 'kept' }));
    expect(entries.map(({ kind }) => kind)).toEqual(['unknown', 'bounded', 'message']);
    expect(log.droppedLines).toBe(3);
  });
});

test('lines are taken out of any chunks, and no longer ones than allowed', async () => {
  const text = `one\ntwo\r\n\n${'x'.repeat(50)}\nä€🚀\nlast`;
  for (const size of [1, 2, 3, 7, 1000]) {
    const lines: OutputLine[] = [];
    const bytes = Buffer.from(text);
    const chunks = (async function* () {
      for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
    })();
    for await (const found of splitLines(chunks, 20)) lines.push(found);
    expect(lines.map((found) => found.text)).toEqual([
      'one',
      'two',
      '',
      'x'.repeat(20),
      'ä€🚀',
      'last',
    ]);
    expect(lines.map((found) => found.cut)).toEqual([false, false, false, true, false, false]);
  }
});
