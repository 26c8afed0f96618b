import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { digestOfBundle } from '@sluice/pure';
import { openKeptBuilds } from './kept-builds.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kept builds '));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const code = 'var __TEMPORAL__ = 1;\n//# sourceMappingURL=data:application/json;base64,AAAA';
const digest = digestOfBundle(code);
const row = (at: number, of = digest) => ({
  digest: of,
  buildId: `build-${at}`,
  firstSeenAt: new Date(Date.UTC(2026, 0, 1 + at)).toISOString(),
});
const list = (rows: unknown) =>
  writeFileSync(
    join(folder, 'bundles.json'),
    typeof rows === 'string' ? rows : JSON.stringify(rows),
  );
const file = (text: string) => writeFileSync(join(folder, `${digest.slice(7)}.js`), text);

test('the digest is that of the code without its source map', () => {
  expect(digestOfBundle('var __TEMPORAL__ = 1;')).toBe(digest);
  expect(digestOfBundle('var __TEMPORAL__ = 2;')).not.toBe(digest);
});

test('builds come oldest first, whatever the order of the file', async () => {
  list([row(2), row(1, digestOfBundle('other'))]);
  const kept = await openKeptBuilds(folder);
  expect(kept.list.map(({ buildId }) => buildId)).toEqual(['build-1', 'build-2']);
});

test('code is found by its digest; another content is none, and what is missing is asked for once', async () => {
  list([row(1)]);
  const asked: string[] = [];
  const bring = (text: string) => (of: string) => {
    asked.push(of);
    file(text);
    return Promise.resolve(true);
  };
  file('something else');
  const [build] = (await openKeptBuilds(folder)).list;
  if (build === undefined) throw new Error('no build');
  expect(await (await openKeptBuilds(folder)).findCode(build)).toBeUndefined();
  expect(await (await openKeptBuilds(folder, bring('else'))).findCode(build)).toBeUndefined();
  const kept = await openKeptBuilds(folder, bring(code));
  const path = join(folder, `${digest.slice(7)}.js`);
  expect(await Promise.all([kept.findCode(build), kept.findCode(build)])).toEqual([path, path]);
  expect(asked).toEqual([digest, digest]);
});

test.each([
  ['no JSON'],
  [{}],
  [[{ digest: 'sha256:1', buildId: 'x', firstSeenAt: '2026-01-01T00:00:00Z' }]],
  [[{ digest, buildId: 'x', firstSeenAt: 'yesterday' }]],
  [[{ digest: '../../etc/passwd', buildId: 'x', firstSeenAt: '2026-01-01T00:00:00Z' }]],
])('%j is no list of builds', async (rows) => {
  list(rows);
  await expect(openKeptBuilds(folder)).rejects.toThrow('is no list of');
});

test('a program that was started with a channel asks over it', async () => {
  list([row(1)]);
  const sent: unknown[] = [];
  const before = process.send;
  const listeners = process.listenerCount('message');
  process.env['SLUICE_PARENT_ANSWERS'] = 'yes';
  process.send = (message: unknown) => {
    sent.push(message);
    file(code);
    const answer = { brought: digest, ok: true };
    setImmediate(() => process.emit('message', answer, undefined));
    return true;
  };
  try {
    const kept = await openKeptBuilds(folder);
    const [build] = kept.list;
    if (build === undefined) throw new Error('no build');
    expect(await kept.findCode(build)).toBe(join(folder, `${digest.slice(7)}.js`));
    expect(sent).toEqual([{ wanted: digest }]);
    expect(process.listenerCount('message')).toBe(listeners);
  } finally {
    if (before === undefined) delete process.send;
    else process.send = before;
    delete process.env['SLUICE_PARENT_ANSWERS'];
  }
});
