import { mkdir, mkdtemp, readdir, rm, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createFolderStore } from '@sluice/evidence-store';
import { createHostSandbox } from './script-sandbox.ts';
import {
  createScriptStage,
  listNamespaces,
  listProcesses,
  type ScriptStage,
} from './testing/script-stage.ts';

/** Scripts that mean harm, on the real sandbox: each comes to a clear result, and nothing of it is left. */

const SECRET = 'correct-horse/battery+staple';
let folder: string;
let stage: ScriptStage;

beforeAll(async () => {
  const { getTool } = await import('@sluice/infra');
  const sandbox = createHostSandbox({ bubblewrap: (await getTool('bwrap')).path });
  folder = await mkdtemp(join(tmpdir(), 'sluice-hostile-'));
  const evidence = createFolderStore(folder);
  stage = createScriptStage({ sandbox, evidence, secrets: { 'acme/dev/token': SECRET } });
}, 600_000);

afterAll(() => rm(folder, { recursive: true }));

const SMALL = { memoryMiB: 64, diskMiB: 16, processes: 24, seconds: 20 };

test.each<[string, string, Record<string, unknown>, RegExp, RegExp]>([
  [
    'forks without end',
    'bomb() { bomb | bomb & }; bomb; sleep 60',
    {},
    /^script-processes-exceeded$/,
    /limits\.processes/,
  ],
  [
    'writes a terabyte',
    'dd if=/dev/zero of=big bs=1M count=1048576',
    {},
    /^script-(failed|killed)$/,
    /No space left|File too large|SIGXFSZ/,
  ],
  [
    'writes a terabyte of holes',
    'truncate -s 1T big',
    {},
    /^script-(failed|killed)$/,
    /File too large|SIGXFSZ/,
  ],
  [
    'writes everywhere else',
    'for at in /dev/shm /tmp; do head -c 1T /dev/zero > $at/big || true; done; echo x > /usr/x',
    {},
    /^script-failed$/,
    /Read-only file system/,
  ],
  [
    'takes all memory',
    'head -c 1T /dev/zero | tail -c 1T > /dev/null',
    {},
    /^script-memory-exceeded$/,
    /limits\.memoryMiB/,
  ],
  [
    'ignores SIGTERM and does not end',
    'trap "" TERM INT HUP; echo up; while :; do sleep 1; done',
    { limits: { ...SMALL, seconds: 3 } },
    /^script-timed-out$/,
    /after 3 s.*\nup$/,
  ],
  [
    'hides from its group and its environment',
    'env -i setsid /bin/sh -c "trap \\"\\" TERM; while :; do sleep 1; done" & sleep 1; exit 3',
    {},
    /^script-failed$/,
    /status 3/,
  ],
  [
    'writes outputs that are too large',
    'head -c 10000000 /dev/zero > outputs.json',
    {},
    /^script-outputs-refused$/,
    /output-too-large/,
  ],
  [
    'writes outputs that are too deep',
    'head -c 100000 /dev/zero | tr "\\0" "[" > outputs.json',
    {},
    /^script-outputs-refused$/,
    /output-too-deep/,
  ],
  [
    'writes outputs that are no JSON',
    'head -c 1000 /dev/urandom > outputs.json',
    {},
    /^script-outputs-refused$/,
    /output-not-json/,
  ],
  [
    'makes a device of its outputs',
    'ln -s /dev/zero outputs.json',
    {},
    /^script-outputs-refused$/,
    /output-linked/,
  ],
  [
    'makes a pipe of its outputs',
    'mkfifo outputs.json',
    {},
    /^script-outputs-refused$/,
    /output-not-a-file/,
  ],
  [
    'gives outputs of other types',
    'echo "{\\"applied\\": \\"three\\"}" > outputs.json',
    { outputs: { applied: { type: 'integer' } } },
    /^output-invalid$/,
    /applied/,
  ],
  [
    'gives no outputs',
    'true',
    { outputs: { applied: { type: 'integer' } } },
    /^output-invalid$/,
    /applied/,
  ],
  [
    'gives outputs that nobody declared',
    'echo "{\\"exitCode\\": 1}" > outputs.json',
    {},
    /^output-invalid$/,
    /exitCode/,
  ],
  [
    'gives its secret as an output',
    'printf "{\\"a\\": \\"x%s\\"}" "$TOKEN" > outputs.json',
    { outputs: { a: { type: 'string' } } },
    /^script-outputs-refused$/,
    /secret/,
  ],
  [
    'links an artifact to a file of the machine',
    'ln -s /etc/passwd report',
    { artifacts: { report: 'report' } },
    /^script-artifact-refused$/,
    /report.*output-linked/,
  ],
  [
    'links the folder of an artifact',
    'ln -s /etc folder',
    { artifacts: { report: 'folder/passwd' } },
    /^script-artifact-refused$/,
    /output-linked/,
  ],
  [
    'leaves out an artifact',
    'true',
    { artifacts: { report: 'report' } },
    /^script-artifact-refused$/,
    /output-missing/,
  ],
])('a script that %s', async (_what, source, inputs, code, message) => {
  // Long enough to be seen.
  const { result, seen, left } = await stage.run(`sleep 0.3\n${source}`, {
    inputs: { limits: SMALL, secrets: { TOKEN: 'token' }, ...inputs },
    timeoutSeconds: 30,
  });
  expect(result.outcome).toBe('failed');
  expect(result.reason?.code).toMatch(code);
  expect(result.reason?.message).toMatch(message);
  expect(JSON.stringify(result)).not.toContain(SECRET);
  expect(result.reason?.message.length).toBeLessThan(2500);
  expect(seen.length).toBeGreaterThan(0);
  expect(left).toEqual([]);
});

test('one that prints binary and secrets: the log is text without them', async () => {
  const { result, log, left } = await stage.run(
    `head -c 20000 /dev/urandom; printf '\\033[2J\\000\\n'
     printf '%s\\n' "$TOKEN"
     printf '%s' "$TOKEN" | base64
     printf 'user:%s' "$TOKEN" | base64 -w0; echo
     printf '%s' "$TOKEN" | od -An -tx1 | tr -d ' \\n'; echo
     for part in correct-horse /battery +staple; do printf '%s' "$part"; sleep 0.05; done; echo
     echo 'correct-horse%2Fbattery%2Bstaple'
     cat "$SLUICE_SECRETS/TOKEN"`,
    { inputs: { limits: SMALL, secrets: { TOKEN: 'token' } } },
  );
  expect(result.outcome).toBe('succeeded');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: none of them may be there
  expect(log).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/);
  expect(log).toContain('\\x1b[2J\\x00\n***\n***\n');
  for (const form of [
    SECRET,
    'battery',
    encodeURIComponent(SECRET),
    Buffer.from(SECRET).toString('base64').slice(4, 24),
    Buffer.from(`user:${SECRET}`).toString('base64').slice(12, 36),
    Buffer.from(SECRET).toString('hex'),
  ]) {
    expect(log).not.toContain(form);
  }
  expect(left).toEqual([]);
});

test('one that prints without end: its log is bounded, and says so', async () => {
  const { result, log, left } = await stage.run('echo begun; yes', {
    inputs: { limits: { ...SMALL, seconds: 2, logBytes: 4096 } },
    timeoutSeconds: 10,
  });
  expect(result.reason).toMatchObject({ code: 'script-timed-out' });
  expect(log.length).toBeLessThan(4096 + 200);
  expect(log).toMatch(/^begun\ny\n/);
  expect(log).toMatch(/\[sluice: \d{6,} bytes of stdout left out here\]/);
  expect(left).toEqual([]);
});

test('one that leaves daemons behind: it succeeds, and they are ended', async () => {
  const { result, seen, left } = await stage.run(
    'setsid sleep 1000 & nohup sleep 1000 > /dev/null 2>&1 & (sleep 1000 &); sleep 0.5',
    { inputs: { limits: SMALL } },
  );
  expect(result.outcome).toBe('succeeded');
  expect(seen.length).toBeGreaterThanOrEqual(4);
  expect(left).toEqual([]);
});

test('cancelled in the middle: it may put things in order, and nothing is left', async () => {
  const cancellation = new AbortController();
  const idempotencyKey = 'dev/1/cancelled';
  const old = join(tmpdir(), 'sluice-script-1-left');
  await mkdir(join(old, 'files'), { recursive: true });
  await utimes(old, 0, 0);
  const running = stage.run('trap "echo bye; exit 0" TERM; sleep 1000 & wait', {
    scope: { cancellation: cancellation.signal },
    inputs: { limits: SMALL },
    idempotencyKey,
  });
  running.catch(() => undefined);
  for (let tries = 0; tries < 500 && listProcesses(idempotencyKey).length < 2; tries += 1) {
    await delay(20);
  }
  const { all } = listNamespaces(idempotencyKey);
  expect(all().length).toBeGreaterThanOrEqual(2);
  cancellation.abort();
  await expect(running).rejects.toThrow('cancelled');
  expect(all()).toEqual([]);
  // What a worker that died has left goes too.
  const own = [`sluice-script-${process.pid}-`, 'sluice-script-1-left'];
  const left = (await readdir(tmpdir())).filter((name) => own.some((of) => name.startsWith(of)));
  expect(left).toEqual([]);
});
