import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { parseOutputs } from './collect-outputs.ts';
import type { SandboxHost } from './sandbox-host.ts';
import { type Trial, tryScript } from './testing/script-trial.ts';

let host: SandboxHost;
let workFolder: string;

beforeAll(async () => {
  const { getTool } = await import('@sluice/infra');
  host = { bubblewrap: (await getTool('bwrap')).path };
}, 600_000);
beforeEach(async () => {
  workFolder = await mkdtemp(join(tmpdir(), 'sluice-outputs-'));
});
afterEach(() => rm(workFolder, { recursive: true }));

const run = (script: string, artifacts: Record<string, string> = {}): Promise<Trial> =>
  tryScript(script, { host, workFolder, artifacts: new Map(Object.entries(artifacts)) });

test.each<[string, string, string]>([
  ['a link to a file of the machine', 'ln -s /etc/passwd outputs.json', 'output-linked'],
  ['a link to a device', 'ln -s /dev/zero outputs.json', 'output-linked'],
  ['a pipe', 'mkfifo outputs.json', 'output-not-a-file'],
  ['a folder', 'mkdir outputs.json', 'output-not-a-file'],
  [
    'a socket',
    'perl -MIO::Socket::UNIX -e "IO::Socket::UNIX->new(Local => q(outputs.json), Listen => 1)"',
    'output-not-a-file',
  ],
  ['a second name', 'echo "{}" > a; ln a outputs.json', 'output-linked'],
  ['a hole', 'truncate -s 7M outputs.json', 'output-too-large'],
  ['too many bytes', 'head -c 4200000 /dev/zero | tr "\\0" " " > outputs.json', 'output-too-large'],
  [
    'too many values',
    `perl -e 'print "{\\"a\\":[0", ",0" x 400001, "]}"' > outputs.json`,
    'output-too-large',
  ],
  ['no JSON', 'echo hello > outputs.json', 'output-not-json'],
  ['nothing in it', ': > outputs.json', 'output-not-json'],
  ['a list', 'echo "[1]" > outputs.json', 'output-not-json'],
  ['no UTF-8', `printf '{"a":"\\377"}' > outputs.json`, 'output-not-json'],
  ['a well', `perl -e 'print "{\\"a\\":" x 40000' > outputs.json`, 'output-too-deep'],
])('outputs that are %s are refused', async (_what, script, code) => {
  const trial = await run(script);
  expect(trial).toMatchObject({ outcome: 'exited', exitCode: 0 });
  expect(trial.outputs).toMatchObject({ state: 'refused', code });
});

test('no outputs are none', async () => {
  expect((await run('true')).outputs).toEqual({ state: 'none' });
});

test.each([
  ['{"a": 1e999}'],
  ['{"__proto__": {"b": 1}}'],
  ['{"a": "\\ud800"}'],
  ['{"\\udc00": 1}'],
  ['{} {}'],
  ['null'],
])('%s is refused', (text) => {
  expect(() => parseOutputs(Buffer.from(text))).toThrow(
    expect.objectContaining({ code: 'output-not-json' }),
  );
});

test('brackets in texts are no depth', () => {
  const text = `{"a": "${'['.repeat(100)}\\"${'{'.repeat(100)}"}`;
  expect(parseOutputs(Buffer.from(text))).toEqual({ a: `${'['.repeat(100)}"${'{'.repeat(100)}` });
});

test('artifacts are kept with their digest; tricks are refused one by one', async () => {
  const trial = await run(
    `
    mkdir -p dist real; head -c 200000 /dev/zero > dist/app; echo x > real/file
    ln -s real link; ln -s /etc/passwd passwd; ln dist/app twin; mkfifo pipe; : > empty; chmod 000 empty
    ln -s /proc/self/root/etc escape; mkdir locked; echo y > locked/file; chmod 000 locked
  `,
    {
      empty: 'empty',
      folder: 'real',
      gone: 'dist/none',
      linked: 'link/file',
      passwd: 'passwd',
      pipe: 'pipe',
      root: 'escape/passwd',
      through: 'empty/file',
      twin: 'dist/app',
    },
  );
  const states = [...trial.artifacts].map(([name, artifact]) => [
    name,
    artifact.state === 'kept' ? artifact.digest : artifact.code,
  ]);
  expect(Object.fromEntries(states)).toMatchObject({
    folder: 'output-not-a-file',
    gone: 'output-missing',
    linked: 'output-linked',
    passwd: 'output-linked',
    pipe: 'output-not-a-file',
    root: 'output-linked',
    through: 'output-unreadable',
    twin: 'output-linked',
  });
});

test('an artifact is copied whole', async () => {
  const trial = await run('mkdir -p a/b; head -c 200001 /dev/urandom > a/b/c; sha256sum a/b/c', {
    'app.tar': 'a/b/c',
  });
  const digest = trial.stdout.toString().slice(0, 64);
  const file = join(workFolder, 'app.tar');
  expect(trial.artifacts.get('app.tar')).toEqual({
    state: 'kept',
    bytes: 200_001,
    digest: `sha256:${digest}`,
    file,
  });
  expect(
    createHash('sha256')
      .update(await readFile(file))
      .digest('hex'),
  ).toBe(digest);
  expect(await readdir(workFolder)).toEqual(['app.tar']);
});

test('files with holes do not make more on this machine than the script may have', async () => {
  const trial = await run('truncate -s 6M a; truncate -s 6M b', { a: 'a', b: 'b' });
  expect(trial.artifacts.get('a')?.state).toBe('kept');
  expect(trial.artifacts.get('b')).toMatchObject({ state: 'refused', code: 'output-too-large' });
});
