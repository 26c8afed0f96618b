import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, expect, test } from '@jest/globals';
import { fakeIo } from './fake-io.ts';
import { runCli } from './run-cli.ts';

const folder = mkdtempSync(join(tmpdir(), 'sluice pipelines '));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const HEAD = 'schema: sluice.pipeline/v2\nversion: 1\n';
const BASE = `${HEAD}name: base\nsteps:\n  - {id: scan, type: scan@1}\n  - {id: plan, type: plan@1}\n`;
const FAULTY = `${HEAD}name: faulty
steps:
  - {id: scan, type: scam@1}
  - {id: gate, type: gate@1, needs: [scna]}
  - {id: say, type: notify@1, inputs: {channel: ops}, timeoutSecond: 5}
`;
const WARNED = `${HEAD}name: warned
steps:
  - {id: run, type: script@1, inputs: {source: "true"}}
  - {id: scan, type: scan@1, needs: [run]}
`;

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

async function run(args: readonly string[], stdin = '') {
  async function* input() {
    yield Buffer.from(stdin);
  }
  const io = { ...fakeIo({}, {}), stdin: input() };
  const status = await runCli(['pipeline', 'validate', ...args], io);
  expect(io.asked).toEqual([]);
  return { status, out: io.outText(), err: io.errText() };
}

test('every error of a file at once, with its line, a mark under the place and what to write', async () => {
  const path = file('faulty.yaml', FAULTY);
  const { status, out } = await run([path]);
  expect(status).toBe(1);
  expect(
    out,
  ).toBe(`${path}:5:22: error: Step scan is of type scam@1, and there is no such type. [step-type-unknown]
    5 |   - {id: scan, type: scam@1}
      |                      ^~~~~~
  help: Write scan@1.
${path}:6:38: error: Step gate needs scna, and there is no such step. [step-need-unknown]
    6 |   - {id: gate, type: gate@1, needs: [scna]}
      |                                      ^~~~
  help: Write scan.
${path}:7:39: error: ${messageOf(out, 'input-missing')} [input-missing]
    7 |   - {id: say, type: notify@1, inputs: {channel: ops}, timeoutSecond: 5}
      |                                       ^
  help: Add message to its inputs.
${path}:7:55: error: ${messageOf(out, 'field-unknown')} [field-unknown]
    7 |   - {id: say, type: notify@1, inputs: {channel: ops}, timeoutSecond: 5}
      |                                                       ^~~~~~~~~~~~~
  help: Write timeoutSeconds.
1 file: 4 errors
`);
});

/** Words of the library are its own business. */
function messageOf(out: string, code: string): string {
  return new RegExp(`error: (.*) \\[${code}\\]`).exec(out)?.[1] ?? `no ${code}`;
}

test('the document has every file and every problem', async () => {
  const [good, bad] = [file('base.yaml', BASE), file('faulty.yaml', FAULTY)];
  const { status, out } = await run([good, bad, '--json']);
  expect(status).toBe(1);
  expect(JSON.parse(out)).toMatchObject({
    files: [
      { file: good, pipeline: 'base@1', problems: [] },
      {
        file: bad,
        problems: [
          { code: 'step-type-unknown', severity: 'error', at: { file: bad, line: 5, column: 22 } },
          { code: 'step-need-unknown' },
          { code: 'input-missing' },
          { code: 'field-unknown' },
        ],
      },
    ],
    errors: 4,
    warnings: 0,
  });
});

test('warnings are status 0, and errors with --strict', async () => {
  const path = file('warned.yaml', WARNED);
  const { status, out } = await run([path]);
  expect(status).toBe(0);
  expect(out).toMatch(/:5:21: warning: .*\[step-without-compensation\]/);
  expect(out).toMatch(/\n1 file: no errors, 1 warning\n$/);
  const strict = await run([path, '--strict']);
  expect(strict.status).toBe(1);
  expect(strict.out).toMatch(/:5:21: error: /);
  expect(strict.out).toMatch(/\n1 file: 1 error\n$/);
  const document = JSON.parse((await run([path, '--strict', '--json'])).out);
  expect(document).toMatchObject({ errors: 1, warnings: 0 });
});

test('with a deadline, what cannot fit is an error, what may not fit a warning, sub-pipelines included', async () => {
  const wait = '{id: wait, type: wait@1, inputs: {seconds: 600}}';
  const inner = file('inner-wait.yaml', `${HEAD}name: inner-wait\nsteps:\n  - ${wait}\n`);
  const call = '{id: call, type: pipeline@1, inputs: {pipeline: {name: inner-wait, version: 1}}}';
  const outer = file(
    'outer-wait.yaml',
    `${HEAD}name: outer-wait\nsteps:\n  - ${call}\n  - ${wait.replace('type', 'needs: [call], type')}\n`,
  );
  expect((await run([inner, outer, '--strict'])).out).toBe('2 files: no errors\n');
  const deadline = (seconds: string) => run([inner, outer, '--deadline', seconds]);
  const short = await deadline('1000');
  expect(short.status).toBe(1);
  expect(short.out).toContain(
    `${outer}:6:5: error: The steps up to wait last 1200 seconds at least; the promotion ends after 1000. [deadline-cannot-hold]`,
  );
  expect(short.out).toMatch(/\n2 files: 1 error\n$/);
  const tight = await deadline('1300');
  expect(tight.status).toBe(0);
  expect(tight.out).toMatch(/:6:5: warning: .*\[deadline-may-not-hold\]/);
  expect(await deadline('3600')).toMatchObject({ status: 0, out: '2 files: no errors\n' });
  for (const wrong of ['0', 'soon', '604801']) {
    const { status, err } = await deadline(wrong);
    expect([status, err]).toEqual([2, expect.stringContaining(`--deadline is "${wrong}"`)]);
  }
});

test('files know each other by name and version, whatever their order', async () => {
  const extending = file(
    'extending.yaml',
    `${HEAD}name: extending\nextends: {name: base, version: 1}\nsteps:\n  - {id: gate, type: gate@1, needs: [scan]}\n`,
  );
  const containing = file(
    'containing.yaml',
    `${HEAD}name: containing\nsteps:\n  - {id: all, type: pipeline@1, inputs: {pipeline: {name: extending, version: 1}}}\n`,
  );
  const alone = await run([extending]);
  expect(alone.status).toBe(1);
  expect(alone.out).toContain('help: Name its file, or its folder, on the command line too.');
  const base = file('base.yaml', BASE);
  expect((await run([containing, extending, base])).out).toBe('3 files: no errors\n');
});

test('a version that stands in two files is an error of the second', async () => {
  const [one, two] = [
    file('base.yaml', BASE),
    file('other.yaml', `${BASE}  - {id: x, type: noop@1}\n`),
  ];
  const { status, out } = await run([one, two]);
  expect(status).toBe(1);
  expect(out).toContain(`${two}:3:7: error: base@1 stands in ${one} too`);
  expect(out).toContain('[pipeline-twice]');
  expect((await run([one, one, join(folder, '.', 'base.yaml')])).out).toBe('1 file: no errors\n');
});

test('a folder stands for its YAML and JSON files, sorted, and for nothing else', async () => {
  const inner = join(folder, 'inner');
  mkdirSync(join(inner, 'deeper.yaml'), { recursive: true });
  for (const name of ['c.json', 'a.yml', 'b.yaml']) {
    file(
      `inner/${name}`,
      JSON.stringify({
        schema: 'sluice.pipeline/v2',
        name: name[0],
        version: 1,
        steps: [{ id: 'n', type: 'noop@1' }],
      }),
    );
  }
  file('inner/README.md', '# no pipeline');
  const { out } = await run([inner, '--json']);
  const { files } = JSON.parse(out) as { files: { file: string; pipeline: string }[] };
  expect(files.map(({ pipeline }) => pipeline)).toEqual(['a@1', 'b@1', 'c@1']);
  expect(files[0]?.file).toBe(join(inner, 'a.yml'));
  const empty = join(folder, 'empty');
  mkdirSync(empty);
  const none = await run([empty]);
  expect(none.status).toBe(2);
  expect(none.err.replaceAll(/\s+/g, ' ')).toContain('There is no .yaml, .yml or .json file in');
});

test('a dash reads standard input, of which problems say -', async () => {
  const { status, out } = await run(['-'], FAULTY);
  expect(status).toBe(1);
  expect(out).toMatch(/^-:5:22: error: /);
  const folderAsInput = Readable.from([]);
  folderAsInput.destroy(new Error('EISDIR: illegal operation on a directory, read'));
  const io = { ...fakeIo({}, {}), stdin: folderAsInput };
  expect(await runCli(['pipeline', 'validate', '-'], io)).toBe(2);
  expect(io.errText()).toContain('Standard input cannot be read');
  const large = await run(['-'], '#'.repeat(1024 * 1024 + 1));
  expect(large.status).toBe(2);
  expect(large.err).toContain('Standard input has more than 1048576 bytes');
});

test('a file that cannot be read is status 2, and too large ones and devices cannot', async () => {
  const missing = await run([join(folder, 'nothing.yaml'), '--json']);
  expect(missing.status).toBe(2);
  expect(JSON.parse(missing.out)).toMatchObject({ error: { code: 'file-unreadable' } });
  const large = await run([file('large.yaml', '#'.repeat(1024 * 1024 + 1)), '--json']);
  expect(large.status).toBe(2);
  expect(JSON.parse(large.out)).toMatchObject({ error: { code: 'file-too-large' } });
  expect((await run(['/dev/zero'])).status).toBe(2);
  expect((await run([])).status).toBe(2);
  expect((await run(['--stric', 'x'])).status).toBe(2);
});

test('whatever is in a text, nothing steers the terminal, and the output is bounded', async () => {
  const evil = await run(['-'], `${HEAD}name: "\u001b[31mx"\nsteps: "\u009b2J"\n`);
  expect(evil.status).toBe(1);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not reach a terminal
  expect(evil.out).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
  const many = Array.from({ length: 400 }, (_, at) => `  - {id: s${at}, type: none@1}`).join('\n');
  const { out } = await run(['-'], `${HEAD}name: many\nsteps:\n${many}\n`);
  expect(out).toMatch(/\n… and \d+ more \(--json has them all\)\n1 file: \d+ errors\n$/);
  expect(out.split('\n').length).toBeLessThan(1000);
  const long = await run(['-'], `${HEAD}name: ${'x'.repeat(100_000)}\n`);
  for (const line of long.out.split('\n')) expect(line.length).toBeLessThan(1200);
});

test('the mark stands under its place behind tabs and wide characters', async () => {
  const json = `{\r\n\t"schema": "sluice.pipeline/v2",\r\n\t"name": "日本", "version": 1,\r\n\t"steps": [{"id": "x", "type": "scam@1"}]\r\n}`;
  const { out } = await run(['-'], json);
  expect(out).toContain(
    '    4 |  "steps": [{"id": "x", "type": "scam@1"}]\n      |                                ^~~~~~~~\n',
  );
  const wide = await run(
    ['-'],
    `${HEAD}name: wide\nsteps:\n  - {description: 日本, id: x, type: scam@1}\n`,
  );
  expect(wide.out).toContain(
    '    5 |   - {description: 日本, id: x, type: scam@1}\n      |                                      ^~~~~~\n',
  );
});

test('a place far to the right is shown with what is around it', async () => {
  const text = `${HEAD}name: far\nsteps:\n  - {description: ${'word '.repeat(40)}, id: x, type: scam@1}\n`;
  const { out } = await run(['-'], text);
  const [, line = '', mark = ''] = out.split('\n');
  expect(line.length).toBeLessThanOrEqual(82);
  expect(line.slice(mark.indexOf('^'), mark.lastIndexOf('~') + 1)).toBe('scam@1');
});

test('a file of a git ref is read as that ref has it', async () => {
  const git = (...args: string[]) =>
    execFileSync('git', ['-C', folder, ...args], { encoding: 'utf8' });
  git('init', '--quiet');
  file('tracked.yaml', FAULTY);
  git('add', 'tracked.yaml');
  file('huge.yaml', '#'.repeat(2 * 1024 * 1024));
  git('add', 'huge.yaml');
  git('-c', 'user.name=t', '-c', 'user.email=t@t.example', 'commit', '--quiet', '--message', 'one');
  file('tracked.yaml', BASE);
  const before = process.cwd();
  process.chdir(folder);
  try {
    const old = await run(['HEAD:tracked.yaml']);
    expect(old.status).toBe(1);
    expect(old.out).toMatch(/^HEAD:tracked\.yaml:5:22: error: /);
    expect((await run(['tracked.yaml'])).status).toBe(0);
    for (const word of ['HEAD:missing.yaml', 'nothere:tracked.yaml', 'HEAD:.']) {
      const failed = await run([word, '--json']);
      expect(failed.status).toBe(2);
      expect(JSON.parse(failed.out)).toMatchObject({ error: { code: 'git-failed' } });
    }
    const huge = await run(['HEAD:huge.yaml', '--json']);
    expect(JSON.parse(huge.out)).toMatchObject({ error: { code: 'file-too-large' } });
    for (const word of ['HEAD..main:x.yaml', ':x.yaml', 'a b:x.yaml', 'HEAD:', '$(id):x.yaml']) {
      const refused = await run([word, '--json']);
      expect(JSON.parse(refused.out)).toMatchObject({ error: { code: 'git-ref-invalid' } });
    }
    const option = await run(['--json', '--', '--output=x:tracked.yaml']);
    expect(option.status).toBe(2);
    expect(JSON.parse(option.out)).toMatchObject({ error: { code: 'git-ref-invalid' } });
  } finally {
    process.chdir(before);
  }
});
