import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { probeSandbox } from './probe-sandbox.ts';
import type { SandboxHost } from './sandbox-host.ts';
import type { SandboxProbe } from './sandbox-probe.ts';
import { type Trial, type TrialOptions, tryScript } from './testing/script-trial.ts';

let host: SandboxHost;
let probe: SandboxProbe;
const run = (script: string, options: TrialOptions = {}): Promise<Trial> =>
  tryScript(script, { host, ...options });

beforeAll(async () => {
  const { getTool } = await import('@sluice/infra');
  host = { bubblewrap: (await getTool('bwrap')).path };
  probe = await probeSandbox(host);
}, 600_000);

const FORK_BOMB = 'bomb() { bomb | bomb & }; bomb; sleep 1000';
const MEMORY_HOG = `perl -e 'my @all; push @all, "x" x 1048576 while 1'`;

describe('with the mechanism of this machine', () => {
  test('a fork bomb is ended', async () => {
    const trial = await run(FORK_BOMB);
    const withGroups = probe.limits?.mechanism !== 'prlimit';
    expect(trial.outcome).toBe(withGroups ? 'processes-exceeded' : 'timed-out');
  });

  test('a script that takes all memory is ended, though its shell would go on', async () => {
    const trial = await run(`${MEMORY_HOG}; echo went on; sleep 1000`);
    expect(trial.outcome).toBe('memory-exceeded');
  });

  test('memory is counted over all processes', async () => {
    const part = `perl -e 'my $part = "x" x (24 << 20); sleep 1000'`;
    const trial = await run(`${`${part} & `.repeat(8)} wait`);
    expect(trial.outcome).toBe('memory-exceeded');
  });

  test('the disk is full when it is full, and counts as memory', async () => {
    const trial = await run(`
      head -c 20000000 /dev/zero > /tmp/big; [ $(wc -c < /tmp/big) -gt 8000000 ] && [ $(wc -c < /tmp/big) -lt 8388609 ] && echo full
      rm /tmp/big; truncate -s 1T hole
    `);
    expect(trial.stdout.toString()).toBe('full\n');
    expect(trial.stderr.toString()).toContain('No space left');
    expect(trial).toMatchObject({ outcome: 'killed', signal: 'SIGXFSZ' });
  });

  test('a file is no larger than it may be', async () => {
    const trial = await run('trap "" XFSZ; head -c 5000 /dev/zero > big; wc -c < big', {
      limits: { fileBytes: 1000 },
    });
    expect(trial.stdout.toString()).toBe('1000\n');
  });

  test('what was used is told', async () => {
    const { usage } = await run(`perl -e 'my $part = "x" x (32 << 20); print length $part'`);
    expect(usage.wallMilliseconds).toBeGreaterThan(0);
    expect(usage.peakMemoryBytes ?? 32 << 20).toBeGreaterThanOrEqual(32 << 20);
  });

  test('a log without end is cut, read slowly, and the script ends with its time', async () => {
    const trial = await run('echo first; yes endless; ', {
      limits: { wallSeconds: 2, logBytes: 4096 },
      graceMilliseconds: 0,
    });
    expect(trial).toMatchObject({ outcome: 'timed-out', logs: { truncated: true } });
    expect(trial.stdout.length).toBeLessThanOrEqual(4096);
    expect(trial.stdout.toString()).toMatch(
      /^first\nendless\n[^]*\n\[sluice: \d+ bytes of stdout left out here\]\n[^]*endless/,
    );
  });

  test('a flood on one stream leaves room for the last words on the other', async () => {
    const trial = await run('yes | head -c 300000; echo "the reason" >&2; exit 1', {
      limits: { logBytes: 4096 },
    });
    expect(trial.stderr.toString()).toBe('the reason\n');
    expect(trial.logs).toEqual({ bytes: 300_011, truncated: true });
  });

  test('bytes that are no text come as they are', async () => {
    const trial = await run(`printf '\\033[31mred\\033[0m\\000\\377\\376\\r\\n\\007'`);
    expect([...trial.stdout]).toEqual([
      ...Buffer.from('\x1b[31mred\x1b[0m'),
      ...[0, 255, 254, 13, 10, 7],
    ]);
  });
});

describe('with prlimit alone', () => {
  const only = (): SandboxHost => ({ ...host, mechanisms: ['prlimit'] });

  test('processes end where they may not become more', async () => {
    const trial = await run(
      'for i in 1 2 3 4 5 6 7 8 9; do sleep 1000 & done; echo all; kill -9 -1',
      { host: only(), limits: { processes: 4 } },
    );
    expect(trial.mechanism).toBe('prlimit');
    expect(trial.stdout.toString()).not.toContain('all');
    expect(trial.stderr.toString()).toMatch(/[Cc]annot fork|Resource temporarily unavailable/);
  });

  test('a fork bomb ends, by its own failure or with its time', async () => {
    const trial = await run(FORK_BOMB, {
      host: only(),
      limits: { wallSeconds: 2 },
      graceMilliseconds: 0,
    });
    expect(trial.exitCode).not.toBe(0);
  });

  test('one process gets no more memory than there is', async () => {
    const trial = await run(`${MEMORY_HOG}; echo "ended $?"`, { host: only() });
    expect(trial.stdout.toString()).not.toContain('ended 0');
  });

  test('many that share the memory out are ended together', async () => {
    const part = `perl -e 'my $part = "x" x (24 << 20); sleep 1000'`;
    const trial = await run(`${`${part} & `.repeat(8)} wait`, { host: only() });
    expect(trial.outcome).toBe('memory-exceeded');
  });

  test('processor time binds each process', async () => {
    const trial = await run('while :; do :; done', {
      host: only(),
      limits: { cpuSeconds: 1 },
    });
    expect(trial).toMatchObject({ outcome: 'timed-out', ranOut: 'cpuSeconds' });
  });

  test('a share of processors cannot be kept, and is refused by name', async () => {
    await expect(run('true', { host: only(), limits: { cpus: 1 } })).rejects.toMatchObject({
      code: 'sandbox-limit-missing',
      limit: 'cpus',
    });
  });
});

describe('what is missing', () => {
  test('cgroups that are not there are said, and another way is taken', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sluice-no-cgroup-'));
    try {
      const found = await probeSandbox({ ...host, cgroupRoot: folder });
      expect(found.usable).toBe(true);
      expect(found.limits?.mechanism).toBe('prlimit');
      expect(found.missing.map(({ code, stops }) => [code, stops])).toEqual([
        ['cgroup-missing', false],
        ['cgroup-controller-missing', false],
      ]);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test('no mechanism at all: refused, nothing runs', async () => {
    const none: SandboxHost = { ...host, mechanisms: [] };
    expect((await probeSandbox(none)).usable).toBe(false);
    await expect(run('true', { host: none })).rejects.toMatchObject({
      code: 'sandbox-limit-missing',
    });
  });

  test.each<[string, SandboxHost, string]>([
    ['no bubblewrap', { bubblewrap: '/nowhere/bwrap' }, 'bubblewrap-missing'],
    ['another program', { bubblewrap: '/bin/true' }, 'bubblewrap-missing'],
    ['a path that is not there', { readOnlyPaths: ['/nowhere'] }, 'namespaces-refused'],
    ['root as user', { user: { uid: 0, gid: 0 } }, 'user-is-root'],
  ])('%s: refused, with what to do', async (_what, wrong, code) => {
    const broken = { ...host, ...wrong };
    const found = await probeSandbox(broken);
    expect(found).toMatchObject({ usable: false, isolation: null });
    expect(found.missing.filter(({ stops }) => stops)).toMatchObject([{ code }]);
    await expect(run('true', { host: broken })).rejects.toMatchObject({
      code: 'sandbox-isolation-missing',
    });
  });
});
