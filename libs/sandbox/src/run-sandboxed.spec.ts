import { access, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import type { SandboxHost } from './sandbox-host.ts';
import { type Trial, type TrialOptions, tryScript } from './testing/script-trial.ts';

let host: SandboxHost;
const run = (script: string, options: TrialOptions = {}): Promise<Trial> =>
  tryScript(script, { host, ...options });

beforeAll(async () => {
  const { getTool } = await import('@sluice/infra');
  host = { bubblewrap: (await getTool('bwrap')).path };
}, 600_000);

/** Aborts when the script has said a word. */
function abortOn(word: string): {
  readonly signal: AbortSignal;
  readonly onText: (t: string) => void;
} {
  const controller = new AbortController();
  return {
    signal: controller.signal,
    onText: (text) => {
      if (text.includes(word)) controller.abort();
    },
  };
}

test('a script runs; its streams come apart and its outputs are read', async () => {
  const trial = await run(`
    echo out; echo err >&2; echo again > /dev/stderr
    echo '{"applied": 3}' > "$SLUICE_OUTPUTS"
  `);
  expect(trial.stderr.toString()).toBe('err\nagain\n');
  expect(trial.stdout.toString()).toBe('out\n');
  expect(trial).toMatchObject({
    outcome: 'exited',
    exitCode: 0,
    signal: null,
    ranOut: null,
    outputs: { state: 'given', values: { applied: 3 } },
    logs: { bytes: 14, truncated: false },
  });
});

test('arguments, files and environment are what was declared, byte for byte', async () => {
  const trial = await run('printf "%s|" "$@"; cat a/b; ls -l a/tool; cat /proc/self/environ', {
    argv: ['/bin/sh', 'script.sh', 'one two', '', '*', '--'],
    environment: { GREETING: 'a\nb "c" $d', PATH: '/usr/bin:/bin' },
    files: new Map([
      ['a/b', { content: Buffer.from([0, 255, 10]) }],
      ['a/tool', { path: '/bin/true', executable: true }],
    ]),
  });
  const text = trial.stdout.toString('latin1');
  expect(text).toContain('one two||*|--|\0\xff\n');
  expect(text).toMatch(/^-rwxr-xr-x.* a\/tool$/m);
  const variables = text.slice(text.indexOf('a/tool\n') + 7).split('\0');
  expect(variables.sort()).toEqual([
    '',
    'GREETING=a\nb "c" $d',
    'HOME=/sandbox/work',
    'PATH=/usr/bin:/bin',
    'PWD=/sandbox/work',
    'SLUICE_OUTPUTS=/sandbox/work/outputs.json',
  ]);
});

test('an exit code is handed on, and what such a script left is not looked at', async () => {
  const trial = await run('echo 1 > "$SLUICE_OUTPUTS"; exit 7', {
    artifacts: new Map([['a', 'outputs.json']]),
  });
  expect(trial).toMatchObject({ outcome: 'exited', exitCode: 7, outputs: { state: 'none' } });
  expect(trial.artifacts.size).toBe(0);
});

test('a script that a signal ends is killed, by its name', async () => {
  expect(await run('kill -SEGV $$')).toMatchObject({
    outcome: 'killed',
    exitCode: null,
    signal: 'SIGSEGV',
  });
});

test('a program that is not there is said in the log', async () => {
  const trial = await run('', { argv: ['/opt/nothing', 'x'] });
  expect(trial).toMatchObject({ outcome: 'exited', exitCode: 127 });
  expect(trial.stderr.toString()).toContain('/opt/nothing is not in the sandbox');
});

test('a file that cannot be read whole keeps the script from starting', async () => {
  const files = new Map([['data', { path: '/nowhere/data' }]]);
  await expect(run('echo started', { files })).rejects.toMatchObject({
    code: 'sandbox-start-failed',
  });
});

test('files that are larger than the disk keep the script from starting', async () => {
  const files = new Map([['data', { content: Buffer.alloc(1 << 20) }]]);
  const refused = run('echo started', { files, limits: { diskBytes: 1 << 19 } });
  await expect(refused).rejects.toThrow(/nothing was run: .*No space left/);
});

test('children without parents are reaped, and left ones are ended with the script', async () => {
  const trial = await run(`
    for i in 1 2 3 4 5; do (sh -c 'sleep 0.01 & exit' &) ; done
    setsid sleep 1000 & nohup sleep 1000 > /dev/null 2>&1 &
    sleep 1
    for stat in /proc/[0-9]*/stat; do read -r line < $stat && echo "$line"; done
  `);
  expect(trial).toMatchObject({ outcome: 'exited', exitCode: 0 });
  expect(trial.stdout.toString().match(/\(sleep\) Z/g)).toBeNull();
  expect(trial.stdout.toString().match(/\(sleep\) S/g)?.length).toBe(2);
});

describe('ending', () => {
  test('aborted before: nothing is started', async () => {
    const trial = await run('echo started', { signal: AbortSignal.abort() });
    expect(trial).toMatchObject({ outcome: 'cancelled', exitCode: null });
    expect(trial.stdout.length).toBe(0);
  });

  test('aborted while it is started: it ends as cancelled', async () => {
    const controller = new AbortController();
    const running = run('sleep 1000', { signal: controller.signal });
    controller.abort();
    expect(await running).toMatchObject({ outcome: 'cancelled' });
  });

  test('a script may put things in order after SIGTERM', async () => {
    const trial = await run('trap "echo bye; exit 0" TERM; echo up; sleep 1000 & wait', {
      ...abortOn('up'),
      graceMilliseconds: 20_000,
    });
    expect(trial).toMatchObject({ outcome: 'cancelled', exitCode: null });
    expect(trial.stdout.toString()).toBe('up\nbye\n');
  });

  test('one that ignores SIGTERM, in its own session too, is killed', async () => {
    const trial = await run(
      'trap "" TERM INT HUP; setsid sh -c "trap \\"\\" TERM; while :; do sleep 1; done" & echo up; while :; do sleep 1; done',
      { ...abortOn('up'), graceMilliseconds: 50 },
    );
    expect(trial).toMatchObject({ outcome: 'cancelled', exitCode: null });
  });

  test('wall-clock time runs out', async () => {
    const trial = await run('echo begun; sleep 1000', {
      limits: { wallSeconds: 1 },
      graceMilliseconds: 100,
    });
    expect(trial).toMatchObject({ outcome: 'timed-out', ranOut: 'wallSeconds', exitCode: null });
    expect(trial.stdout.toString()).toBe('begun\n');
  });

  test('processor time of all its processes together runs out', async () => {
    const burn = 'while :; do :; done';
    const trial = await run(`(${burn}) & (${burn}) & ${burn}`, {
      limits: { cpuSeconds: 1, cpus: 1 },
      graceMilliseconds: 0,
    });
    expect(trial).toMatchObject({ outcome: 'timed-out', ranOut: 'cpuSeconds' });
  });

  test('a log that nobody can take ends the script, and its error comes out', async () => {
    const onText = (): never => {
      throw new Error('the log store is full');
    };
    await expect(run('echo a; sleep 1000', { onText })).rejects.toThrow('the log store is full');
  });
});

test('secrets are files and variables, and masked in the log also in pieces', async () => {
  const trial = await run(
    `
    cat "$SLUICE_SECRETS/TOKEN"; echo; ls -l $SLUICE_SECRETS; echo "$PASSWORD"
    for letter in c o r r e c t - h o r s e; do printf %s $letter; sleep 0.01; done
    (echo no > $SLUICE_SECRETS/TOKEN) 2>/dev/null || echo kept
    cat /proc/self/environ | tr '\\0' '\\n' | grep -c TOKEN
  `,
    {
      secrets: new Map([
        ['TOKEN', { value: 'correct-horse\n' }],
        ['PASSWORD', { value: 'battery staple', asVariable: true }],
      ]),
    },
  );
  const text = trial.stdout.toString();
  expect(text).not.toMatch(/correct|horse|battery/);
  expect(text).toMatch(/^\*\*\*\n\n/);
  expect(text).toMatch(/-r-------- .* TOKEN\n\*\*\*\n\*\*\*kept\n0\n$/);
});

test('a secret in an argument is refused', async () => {
  const secrets = new Map([['TOKEN', { value: 'correct-horse' }]]);
  const refused = run('', { argv: ['curl', '-H', 'x: correct-horse'], secrets });
  await expect(refused).rejects.toMatchObject({ code: 'sandbox-run-invalid' });
});

test.each<[string, TrialOptions]>([
  ['no program', { argv: [] }],
  ['an option as program', { argv: ['-c'] }],
  ['a NUL', { argv: ['a\0b'] }],
  ['a path that climbs', { files: new Map([['../a', { content: '' }]]) }],
  ['an absolute path', { files: new Map([['/etc/a', { content: '' }]]) }],
  ['a relative source', { files: new Map([['a', { path: 'a' }]]) }],
  ['an artifact outside', { artifacts: new Map([['a', 'b/../../c']]) }],
  ['an artifact under a path', { artifacts: new Map([['a/b', 'c']]) }],
  ['an odd variable', { environment: { 'A=B': 'c' } }],
  ['an odd secret', { secrets: new Map([['../x', { value: 'v' }]]) }],
  ['no time', { limits: { wallSeconds: 0 } }],
  ['no number', { limits: { memoryBytes: Number.NaN } }],
  ['half a process', { limits: { processes: 1.5 } }],
  ['a log without end', { limits: { logBytes: Number.POSITIVE_INFINITY } }],
])('refused: %s', async (_what, options) => {
  await expect(run('true', options)).rejects.toMatchObject({ code: 'sandbox-run-invalid' });
});

test('several at once keep apart', async () => {
  const trials = await Promise.all(
    Array.from({ length: 6 }, (_, index) =>
      run(
        `echo ${index} > /tmp/mine; sleep 0.2; cat /tmp/mine; echo '{"n": ${index}}' > outputs.json`,
      ),
    ),
  );
  for (const [index, trial] of trials.entries()) {
    expect(trial.stdout.toString()).toBe(`${index}\n`);
    expect(trial.outputs).toEqual({ state: 'given', values: { n: index } });
  }
});

test('nothing is left on the machine', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-trial-'));
  try {
    await run('echo x > file; echo y > /tmp/other', { workFolder: folder });
    await expect(access(join(folder, 'file'))).rejects.toThrow();
    await expect(access('/tmp/other')).rejects.toThrow();
  } finally {
    await rm(folder, { recursive: true });
  }
});
