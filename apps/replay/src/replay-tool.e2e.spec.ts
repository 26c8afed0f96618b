import { spawn } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { digestOfBundle } from '@sluice/pure';
import { startLane } from './lane.ts';
import type { ReplayReport } from './replay-result.ts';
import { changeCode, HISTORIES } from './sample-code.ts';
import { OWN_BUNDLE } from './workflow-bundle.ts';

/* The built tool as a process, with its lanes. */
const PROGRAM = fileURLToPath(new URL('../dist/main.js', import.meta.url));
const LANE = fileURLToPath(new URL('../dist/lane-main.js', import.meta.url));
let folder: string;
let code: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice replay tool '));
  code = await readFile(OWN_BUNDLE, 'utf8');
});
afterAll(() => rm(folder, { recursive: true, force: true }));

interface Ended {
  readonly status: number | null;
  readonly out: string;
  readonly err: string;
}

function run(...args: readonly string[]): Promise<Ended> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [PROGRAM, ...args], {
      env: { ...process.env, NODE_OPTIONS: '' },
    });
    let out = '';
    let err = '';
    child.stdout.on('data', (chunk: Buffer) => {
      out += chunk.toString();
    });
    child.stderr.on('data', (chunk: Buffer) => {
      err += chunk.toString();
    });
    child.once('close', (status) => resolve({ status, out, err }));
  });
}

const sample = (name: string): string => `${HISTORIES}${name}.json`;

describe('run', () => {
  test('a folder, by two workers: text for people, JSON and JUnit for machines', async () => {
    const histories = join(folder, 'histories');
    await mkdir(join(histories, 'deeper'), { recursive: true });
    for (const name of ['promotion-denied', 'release-created']) {
      await copyFile(sample(name), join(histories, `${name}.json`));
    }
    await copyFile(sample('promotion-failed'), join(histories, 'deeper', 'failed.json'));
    await writeFile(join(histories, 'notes.txt'), 'not looked at');
    await writeFile(join(histories, 'broken.json'), '{"events": [');
    const json = join(folder, 'report.json');
    const junit = join(folder, 'report.xml');
    const ended = await run(
      'run',
      '--input',
      histories,
      '--workers',
      '2',
      '--json',
      json,
      '--junit',
      junit,
    );
    expect(ended).toMatchObject({ status: 1, err: '' });
    expect(ended.out).toMatch(/✓ dev\/3 {2}promoteRelease completed, 49 events/);
    expect(ended.out).toMatch(/\? .*broken\.json {2}history-file-unreadable/);
    expect(ended.out).toMatch(/4 histories, 125 events: 3 deterministic, 1 unreadable\./);
    const report = JSON.parse(await readFile(json, 'utf8')) as ReplayReport;
    expect(report).toMatchObject({
      schema: 'sluice.replay/v1',
      bundle: { digest: digestOfBundle(code) },
      workers: 2,
      histories: 4,
      deterministic: 3,
      mismatched: 0,
      failed: 1,
      inputsChanged: null,
    });
    expect(report.peakMemoryBytes).toBeGreaterThan(50e6);
    expect(report.results.map(({ outcome }) => outcome)).toEqual([
      'unreadable',
      'deterministic',
      'deterministic',
      'deterministic',
    ]);
    expect(await readFile(junit, 'utf8')).toMatch(/<testsuite .*tests="4" failures="0" errors="1"/);
  }, 120_000);

  test('names the build that broke a history, out of kept ones', async () => {
    const kept = join(folder, 'kept');
    await mkdir(kept);
    const broken = changeCode(code, 'run.announce();', '/* not announced */');
    const builds = [
      ['first', `${'// first\n'}${code}`],
      ['second', `${'// second\n'}${code}`],
      ['third', `${'// third\n'}${broken}`],
      ['fourth', `${'// fourth\n'}${broken}`],
    ] as const;
    const rows = builds.map(([buildId, text], day) => ({
      digest: digestOfBundle(text),
      buildId,
      firstSeenAt: `2026-01-0${day + 1}T00:00:00Z`,
    }));
    await writeFile(join(kept, 'bundles.json'), JSON.stringify(rows));
    for (const [index, [, text]] of builds.entries()) {
      await writeFile(join(kept, `${rows[index]?.digest.slice(7)}.js`), text);
    }
    const given = join(folder, 'given.js');
    await writeFile(given, `// given\n${broken}`);
    const files = [sample('promotion-denied'), sample('promotion-failed')];
    const ended = await run(
      'run',
      '--input',
      ...files,
      '--bundle',
      given,
      '--bundles',
      kept,
      '--format',
      'json',
      '--no-progress',
    );
    expect(ended).toMatchObject({ status: 1, err: '' });
    const { results } = JSON.parse(ended.out) as ReplayReport;
    const third = { buildId: 'third', bundleDigest: rows[2]?.digest };
    expect(results.map(({ mismatch }) => mismatch?.brokenBy)).toEqual([third, third]);
    expect(results[0]?.mismatch).toMatchObject({ event: 5, expected: 'search attributes' });
  }, 180_000);

  test.each([
    ['an empty folder', () => ['run', '--input', inFolder('empty')], /There is no history in/],
    ['a path that is not there', () => ['run', '--input', '/nowhere'], /There is no \/nowhere/],
    ['no input', () => ['run'], /--input/],
    ['an option of none', () => ['run', '--input', HISTORIES, '--wrokers', '2'], /--wrokers/],
    ['no workers', () => ['run', '--input', HISTORIES, '--workers', '0'], /--workers/],
    [
      'a bundle that is none',
      () => ['run', '--input', HISTORIES, '--bundle', sample('release-created')],
      /no workflow bundle/,
    ],
    [
      'a bundle cut off',
      () => ['run', '--input', HISTORIES, '--bundle', inFolder('cut.js')],
      /cut off/,
    ],
    [
      'a key file of something else',
      () => ['run', '--input', HISTORIES, '--key', sample('release-created')],
      /key file/,
    ],
    [
      'kept builds that are not there',
      () => ['run', '--input', HISTORIES, '--bundles', '/nowhere'],
      /bundles\.json/,
    ],
    [
      'a report that cannot be written',
      () => ['run', '--input', HISTORIES, '--junit', '/nowhere/x.xml'],
      /x\.xml/,
    ],
    ['a verb of none', () => ['walk'], /run, at and inspect/],
  ] as const)(
    '%s is status 2 with a line that says so',
    async (_name, args, message) => {
      await mkdir(inFolder('empty'), { recursive: true });
      await writeFile(inFolder('cut.js'), code.slice(0, -20_000));
      const ended = await run(...args());
      expect(ended.status).toBe(2);
      expect(ended.err).toMatch(message);
      expect(ended.err.trim().split('\n')).toHaveLength(1);
      expect(ended.out).toBe('');
    },
    60_000,
  );
});

describe('at', () => {
  test('shows state, steps, what is waited for and what was decided', async () => {
    const file = sample('promotion-succeeded-two-rounds');
    const text = await run('at', '--input', file, '--event', '66');
    expect(text).toMatchObject({ status: 0, err: '' });
    expect(text.out).toMatch(/^dev\/4 at event 66 of 173: WorkflowTaskStarted\n/);
    expect(text.out).toMatch(/◷ approval {2}waiting/);
    expect(text.out).toMatch(/approval by otto: approve/);
    const missing = await run('at', '--input', file, '--event', '174');
    expect(missing).toMatchObject({ status: 1, out: '' });
    expect(missing.err).toMatch(/1 to 173/);
  }, 60_000);

  test('says when the code does not fit as far as that', async () => {
    const bundle = join(folder, 'other.js');
    await writeFile(bundle, changeCode(code, 'run.announce();', ''));
    const file = sample('promotion-denied');
    const late = await run('at', '--input', file, '--event', '40', '--bundle', bundle);
    expect(late.status).toBe(1);
    expect(late.err).toMatch(/does not fit/);
  }, 60_000);
});

describe('a lane', () => {
  test('that is stuck in an endless loop is stopped, and the next file goes on in another', async () => {
    const bundle = join(folder, 'endless.js');
    // Only a promotion's steps run into it.
    await writeFile(
      bundle,
      changeCode(code, /(async function executeOnce\([^)]*\) \{)/, '$1 for (;;) {}'),
    );
    const settings = { bundle, key: undefined, compareInputs: false };
    const lane = await startLane(settings, { program: LANE, silenceMs: 15_000 });
    const stuck = await lane.replayFile(sample('promotion-denied'));
    expect(stuck.result).toMatchObject({ outcome: 'unreadable', problem: { code: 'replay-died' } });
    expect(stuck.result.problem?.message).toMatch(/endless loop/);
    expect((await lane.replayFile(sample('release-created'))).result.outcome).toBe('deterministic');
    lane.close();
  }, 120_000);

  test('that cannot take its bundle says why', async () => {
    const settings = { bundle: sample('release-created'), key: undefined, compareInputs: false };
    await expect(startLane(settings, { program: LANE })).rejects.toThrow(/no workflow bundle/);
  }, 60_000);
});

function inFolder(name: string): string {
  return join(folder, name);
}
