import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import type { Stack } from '../stack/stack-types.ts';
import { toGuide } from './demo-guide.ts';
import { parseDemoOptions } from './demo-options.ts';

test('without arguments it stays up, on the data in the checkout', () => {
  expect(parseDemoOptions([])).toEqual({
    canary: false,
    once: false,
    json: false,
    reset: false,
    dataDir: join(import.meta.dirname, '../../../.sluice/demo'),
  });
});

test('all arguments', () => {
  const args = ['--canary', '--once', '--json', '--reset', '--data', '/a b'];
  expect(parseDemoOptions(args)).toEqual({
    canary: true,
    once: true,
    json: true,
    reset: true,
    dataDir: '/a b',
  });
});

test('the canary has data of its own, for its environment is another one', () => {
  expect(parseDemoOptions(['--canary']).dataDir).toMatch(/\.sluice\/demo-canary$/);
});

test('an argument that is not known is refused', () => {
  expect(() => parseDemoOptions(['--twice'])).toThrow('--twice');
  expect(() => parseDemoOptions(['--data', ''])).toThrow('--data needs');
});

test.each([
  [['--help'], 0, 'stdout'],
  [['--once', '--twice'], 2, 'stderr'],
] as const)('%s is answered before anything is installed', (args, status, stream) => {
  const start = join(import.meta.dirname, '../../demo/start.mjs');
  const answer = spawnSync(process.execPath, [start, ...args], { encoding: 'utf8' });
  expect([answer.status, answer[stream]]).toEqual([status, expect.stringContaining('usage: npm')]);
  expect(answer.stdout + answer.stderr).not.toContain('building');
});

test('the guide quotes what a shell would split and shows no token', () => {
  const stack = {
    apiUrl: 'http://127.0.0.1:7070',
    explorerUrl: 'http://127.0.0.1:7070/explorer',
    temporalUiUrl: 'http://127.0.0.1:8233',
    dataDir: '/a b/demo',
    tokens: { 'release-manager': 'secret-token' },
    layout: { keysDir: '/a b/demo/keys' },
  } as unknown as Stack;
  const story = {
    promotions: [],
    trustRootFile: '/a b/demo/evidence-out/trust-root.json',
    services: [],
  };
  const guide = toGuide(stack, story, '/somewhere/else');
  expect(guide).toContain("--trust-root '/a b/demo/evidence-out/trust-root.json'");
  expect(guide).toContain('http://127.0.0.1:7070/explorer');
  expect(guide).toContain("Authorization = Bearer <content of '/a b/demo/keys/viewer.token'>");
  expect(guide).not.toContain('secret-token');
});
