import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { type BuildRefInput, buildRef } from './build-ref.ts';

let root: string;
let checkout: string;
const log: string[] = [];

const git = (...args: string[]) =>
  execFileSync('git', ['-c', 'user.name=x', '-c', 'user.email=x@x.invalid', ...args], {
    cwd: checkout,
    encoding: 'utf8',
  }).trim();
const write = (path: string, text: string) => {
  mkdirSync(dirname(join(checkout, path)), { recursive: true });
  writeFileSync(join(checkout, path), text);
};
const lock = (version: string) =>
  JSON.stringify({
    packages: {
      '': { workspaces: ['libs/*'] },
      'libs/own': { version: '0.1.0' },
      'node_modules/@sluice/own': { resolved: 'libs/own', link: true },
      'node_modules/outside': { version, integrity: 'sha512-x' },
      'node_modules/elsewhere': { version, integrity: 'sha512-y', optional: true },
    },
  });
/** A build that says what it found of its packages, in the bundle. */
const BUILD = `
  import { mkdirSync, writeFileSync } from 'node:fs';
  import { own } from '@sluice/own';
  import { outside } from 'outside';
  mkdirSync('workflows/dist', { recursive: true });
  writeFileSync('workflows/dist/workflow-bundle.js', own + ' ' + outside);
  writeFileSync('workflows/dist/workflow-bundle.json', JSON.stringify({ digest: 'ab', buildId: own }));
`;

beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'build ref ')));
  checkout = join(root, 'checkout');
  log.length = 0;
  mkdirSync(checkout);
  git('init', '--quiet', '--initial-branch=main');
  write('.gitignore', 'node_modules/\ndist/\n');
  write('package-lock.json', lock('1.0.0'));
  write('infra/build/build.mjs', BUILD);
  write('libs/own/package.json', '{"name": "@sluice/own", "type": "module", "exports": "./i.js"}');
  write('libs/own/i.js', "export const own = 'first';");
  git('add', '.');
  git('commit', '--quiet', '-m', 'first');
  git('tag', 'v1');
  write('libs/own/i.js', "export const own = 'second';");
  git('commit', '--quiet', '-am', 'second');
  write('node_modules/.package-lock.json', lock('1.0.0'));
  write('node_modules/outside/package.json', '{"type": "module", "exports": "./i.js"}');
  write('node_modules/outside/i.js', "export const outside = 'from outside';");
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const build = (ref: string, more: Partial<BuildRefInput> = {}) =>
  buildRef({ checkout, ref, to: join(root, 'out'), log: (line) => log.push(line), ...more });

/** Nothing of the worktree is left. */
function assertClean(): void {
  expect(git('worktree', 'list').split('\n')).toHaveLength(1);
  expect(git('status', '--porcelain')).toBe('');
  const temporary = realpathSync(tmpdir());
  const own = readdirSync(temporary)
    .map((name) => join(temporary, name, 'tree', '.git'))
    .filter((link) => existsSync(link) && readFileSync(link, 'utf8').includes(checkout));
  expect(own).toEqual([]);
}

test('a ref is built from its own sources with the packages that are installed', async () => {
  const built = await build('v1');
  expect(built).toEqual({
    ref: 'v1',
    commit: git('rev-parse', 'v1'),
    bundle: join(root, 'out', 'workflow-bundle.js'),
    buildId: 'first',
    digest: 'sha256:ab',
  });
  expect(readFileSync(built.bundle, 'utf8')).toBe('first from outside');
  expect(existsSync(join(root, 'out', 'workflow-bundle.json'))).toBe(true);
  expect(readFileSync(join(checkout, 'node_modules/outside/i.js'), 'utf8')).toContain('outside');
  expect(log.join('\n')).not.toContain('npm ci');
  assertClean();
  expect((await build('main')).buildId).toBe('second');
});

test('sources of the bundle are those of the checkout, for the worktree is gone', async () => {
  write(
    'infra/build/build.mjs',
    `import { mkdirSync, writeFileSync } from 'node:fs';
     const map = { version: 3, sources: [process.cwd() + '/workflows/src/a.ts', '/x/b.ts'] };
     const url = 'data:application/json;charset=utf-8;base64,' + Buffer.from(JSON.stringify(map)).toString('base64');
     mkdirSync('workflows/dist', { recursive: true });
     writeFileSync('workflows/dist/workflow-bundle.js', 'code\\n//# sourceMappingURL=' + url);
     writeFileSync('workflows/dist/workflow-bundle.json', '{"digest": "ab", "buildId": "b"}');`,
  );
  git('commit', '--quiet', '-am', 'mapped');
  const text = readFileSync((await build('main')).bundle, 'utf8');
  expect(
    text.startsWith('code\n//# sourceMappingURL=data:application/json;charset=utf-8;base64,'),
  ).toBe(true);
  const map = JSON.parse(Buffer.from(text.split('base64,')[1] ?? '', 'base64').toString());
  expect(map).toEqual({ version: 3, sources: [`${checkout}/workflows/src/a.ts`, '/x/b.ts'] });
});

test.each(['nowhere', '--upload-pack=x', 'HEAD; true', ''])(
  'the ref %j is unknown',
  async (ref) => {
    await expect(build(ref)).rejects.toMatchObject({ name: 'BuildRefError', code: 'ref-unknown' });
    assertClean();
  },
);

test('a build that fails says its last lines, and its worktree is gone', async () => {
  write('infra/build/build.mjs', "throw new Error('no such luck');");
  git('commit', '--quiet', '-am', 'broken');
  const failed = build('main');
  await expect(failed).rejects.toMatchObject({ code: 'ref-build-failed' });
  await expect(failed).rejects.toThrow('no such luck');
  assertClean();
});

test('a ref without workflows, and a build that leaves none, are said', async () => {
  git('rm', '--quiet', 'infra/build/build.mjs');
  git('commit', '--quiet', '-m', 'none');
  await expect(build('main')).rejects.toMatchObject({ code: 'ref-without-workflows' });
  write('infra/build/build.mjs', '');
  git('add', '.');
  git('commit', '--quiet', '-m', 'empty');
  await expect(build('main')).rejects.toMatchObject({ code: 'ref-without-workflows' });
  assertClean();
});

test('a signal ends the build and what it started, and nothing is left', async () => {
  const mark = join(root, 'started');
  write(
    'infra/build/build.mjs',
    `import { writeFileSync } from 'node:fs';
     writeFileSync(${JSON.stringify(mark)}, String(process.pid));
     setInterval(() => undefined, 1000);`,
  );
  git('commit', '--quiet', '-am', 'endless');
  const interruption = new AbortController();
  const begun = build('main', { signal: interruption.signal });
  const looking = setInterval(() => {
    if (existsSync(mark)) interruption.abort();
  }, 20);
  await expect(begun).rejects.toMatchObject({ code: 'interrupted' });
  clearInterval(looking);
  expect(() => process.kill(Number(readFileSync(mark, 'utf8')), 0)).toThrow('ESRCH');
  assertClean();
});

test('outside a checkout there is nothing to build from', async () => {
  const elsewhere = join(root, 'elsewhere');
  mkdirSync(elsewhere);
  await expect(build('main', { checkout: elsewhere })).rejects.toMatchObject({
    code: 'no-checkout',
  });
  await expect(build('main', { checkout: join(checkout, 'libs') })).rejects.toMatchObject({
    code: 'no-checkout',
  });
});
