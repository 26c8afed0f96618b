import { execFile } from 'node:child_process';
import {
  access,
  constants,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import {
  historyFileName,
  readHistoryFile,
  redactedHistoryText,
  redactHistory,
} from '@sluice/temporal-client';
import { parse } from 'yaml';
import { HISTORIES } from '../src/replay/history-file.ts';
import { CHECKOUT, EXAMPLE_SCRIPT, runExample } from '../support/ci-example.ts';
import { runSluice } from '../support/cli.ts';

const LONG = 300_000;
/** Some of the recorded histories: that today's code fits all of them another test shows. */
const SOME = /^(promotion-(succeeded-approved|denied)|release|settlement)/;

interface Job {
  readonly if: string;
  readonly environment?: string;
  readonly permissions: Readonly<Record<string, string>>;
  readonly 'timeout-minutes': number;
  readonly steps: readonly { readonly uses?: string; readonly run?: string }[];
}

let text: string;
let jobs: Readonly<Record<string, Job>>;
let folder: string;

beforeAll(async () => {
  text = await readFile(join(CHECKOUT, 'examples/ci/replay-histories.yml'), 'utf8');
  ({ jobs } = parse(text) as { jobs: Record<string, Job> });
  folder = await mkdtemp(join(tmpdir(), 'sluice-ci-example-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('the job', () => {
  test('runs no code of a pull request where there is a secret', () => {
    const { export: exporting, replay } = jobs;
    expect(exporting?.if).toContain("github.event_name != 'pull_request'");
    expect(exporting?.environment).toBe('production-histories');
    expect(replay?.if).toBe("github.event_name == 'pull_request'");
    expect(replay?.environment).toBeUndefined();
    expect(JSON.stringify(replay)).not.toMatch(/secrets\./);
    expect(text).not.toContain('pull_request_target');
  });

  test('is given no more than it needs, and no more time', () => {
    expect((parse(text) as { permissions: unknown }).permissions).toEqual({});
    for (const job of Object.values(jobs)) {
      expect(Object.values(job.permissions)).not.toContain('write');
      expect(job['timeout-minutes']).toBeLessThanOrEqual(30);
    }
  });

  test('names what others wrote by its digest', () => {
    const used = Object.values(jobs).flatMap(({ steps }) => steps.flatMap(({ uses = [] }) => uses));
    expect(used.length).toBeGreaterThan(3);
    for (const action of used) expect(action).toMatch(/^actions\/[a-z-]+@[0-9a-f]{40}$/);
    const named = text.match(/uses: \S+ # v\d+\.\d+\.\d+$/gm);
    expect(named).toHaveLength(used.length);
  });

  test('calls what is there, in a shell that understands it', async () => {
    const lines = Object.values(jobs).flatMap(({ steps }) => steps.flatMap(({ run = [] }) => run));
    for (const line of lines) await promisify(execFile)('bash', ['-n', '-c', line]);
    const scripts = lines.flatMap((line) => line.match(/^examples\/\S+/) ?? []);
    expect(new Set(scripts)).toEqual(new Set([EXAMPLE_SCRIPT]));
    await access(join(CHECKOUT, EXAMPLE_SCRIPT), constants.X_OK);
    await promisify(execFile)('bash', ['-n', join(CHECKOUT, EXAMPLE_SCRIPT)]);
  });

  test('uses options that the CLI has', async () => {
    const script = await readFile(join(CHECKOUT, EXAMPLE_SCRIPT), 'utf8');
    for (const verb of [['history', 'export'], ['replay']]) {
      const call = new RegExp(`"\\$\\{sluice\\[@\\]\\}" ${verb.join(' ')}((?:.|\\\\\\n)*)`);
      const used = call.exec(script)?.[1]?.match(/--[a-z-]+/g) ?? [];
      expect(used.length).toBeGreaterThan(0);
      const { stdout } = await runSluice([...verb, '--help']);
      for (const option of used) expect(stdout).toContain(`${option} `);
    }
  });
});

describe('the check', () => {
  async function listSome(): Promise<readonly string[]> {
    return (await readdir(HISTORIES)).filter((name) => SOME.test(name));
  }

  /** Exports as production would give them. */
  async function exportRecorded(name: string, change = (document: string) => document) {
    const into = join(folder, name);
    await mkdir(into);
    for (const file of await listSome()) {
      const { head, history } = await readHistoryFile(await readFile(new URL(file, HISTORIES)));
      const document = redactedHistoryText(await redactHistory(history, head));
      await writeFile(join(into, historyFileName(head, 'redacted')), change(document));
    }
    return into;
  }

  test(
    "passes today's code and writes its results",
    async () => {
      const histories = await exportRecorded('fitting');
      const report = join(folder, 'replay.xml');
      const end = await runExample(['check', histories], { SLUICE_REPLAY_REPORT: report });
      expect(end).toMatchObject({ status: 0 });
      const written = await readFile(report, 'utf8');
      const count = (await listSome()).length;
      expect(count).toBeGreaterThan(5);
      expect(written.match(/<testcase /g)).toHaveLength(count);
      expect(written).not.toContain('<failure');
    },
    LONG,
  );

  test(
    'fails code that production would not survive',
    async () => {
      const histories = await exportRecorded('not-fitting', (document) =>
        document.replaceAll('"name":"openApproval"', '"name":"askForApproval"'),
      );
      const report = join(folder, 'failed.xml');
      const end = await runExample(['check', histories], { SLUICE_REPLAY_REPORT: report });
      expect(end).toMatchObject({ status: 1 });
      expect(await readFile(report, 'utf8')).toMatch(/<failure [^>]*/);
      expect(end.stdout).toContain('askForApproval');
    },
    LONG,
  );

  test('fails when there is nothing to prove it with', async () => {
    const empty = join(folder, 'empty');
    await mkdir(empty);
    const end = await runExample(['check', empty]);
    expect(end).toMatchObject({ status: 1, stderr: expect.stringContaining('0 histories') });
  });

  test.each([
    ['nothing', []],
    ['a verb that is none', ['prove', 'x']],
    ['no folder', ['check', '']],
  ])('says how it is used when given %s', async (_what, args) => {
    const { status, stderr } = await runExample(args);
    expect({ status, stderr }).toEqual({
      status: 2,
      stderr: expect.stringContaining('export FOLDER'),
    });
  });

  test('names what an export lacks', async () => {
    const end = await runExample(['export', join(folder, 'none')]);
    expect(end.status).not.toBe(0);
    expect(end.stderr).toContain('SLUICE_API_URL');
  });
});
