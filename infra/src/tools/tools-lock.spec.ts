import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test } from '@jest/globals';
import { getCacheFolder } from './tool-room.ts';
import { getLockedTool, loadToolsLock } from './tools-lock.ts';
import { isVersionInRange } from './version-range.ts';

test('the checked-in lock is whole and every locked version is in its own range', async () => {
  const lock = await loadToolsLock();
  expect(lock.tools.map((tool) => tool.name).sort()).toEqual([
    'bwrap',
    'caddy',
    'haproxy',
    'nginx',
    'nix',
    'opa',
    'prometheus',
    'temporal',
    'trivy',
  ]);
  for (const tool of lock.tools) {
    expect([tool.name, isVersionInRange(tool.version, tool.onPath)]).toEqual([tool.name, true]);
  }
  expect(getLockedTool(lock, 'trivy').originNote).toMatch(/third party/);
});

test('a wheel without a sum is refused', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-lock-'));
  const file = pathToFileURL(join(folder, 'lock.json'));
  const text = JSON.stringify({ schema: 'sluice.tools-lock/v1', ...(await loadToolsLock()) });
  await writeFile(file, text.replace(/"innerSha256":"[0-9a-f]{64}"/, '"innerSha256":""'));
  await expect(loadToolsLock(file)).rejects.toMatchObject({ code: 'tool-lock-invalid' });
  await rm(folder, { recursive: true });
});

test.each([
  ['1.9.0', '>=1.9.0 <2.0.0', true],
  ['1.10.0', '>=1.9.0 <2.0.0', true],
  ['2.0.0', '>=1.9.0 <2.0.0', false],
  ['1.8.99', '>=1.9.0', false],
  ['1.2.3', '=1.2.3', true],
  ['1.2.3', '>1.2.3', false],
  ['1.2.3', '<=1.2.3', true],
  ['1.2.3-rc.1', '>=1.0.0', false],
])('version %s in "%s" is %s', (version, range, expected) => {
  expect(isVersionInRange(version, range)).toBe(expected);
});

test('a range that is not understood throws', () => {
  expect(() => isVersionInRange('1.0.0', '^1.0.0')).toThrow(RangeError);
});

test.each([
  [{ SLUICE_CACHE: '/c', XDG_CACHE_HOME: '/x', HOME: '/h' }, '/c'],
  [{ SLUICE_CACHE: 'relative', XDG_CACHE_HOME: '/x', HOME: '/h' }, '/x/sluice'],
  [{ XDG_CACHE_HOME: '', HOME: '/h' }, '/h/.cache/sluice'],
])('the cache folder of %j is %s', (env, expected) => {
  expect(getCacheFolder(env)).toBe(expected);
});
