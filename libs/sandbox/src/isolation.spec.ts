import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import type { SandboxHost } from './sandbox-host.ts';
import { systemCallFilter } from './system-call-filter.ts';
import { type Trial, type TrialOptions, tryScript } from './testing/script-trial.ts';

let host: SandboxHost;
const run = (script: string, options: TrialOptions = {}): Promise<Trial> =>
  tryScript(script, { host, ...options });

beforeAll(async () => {
  const { getTool } = await import('@sluice/infra');
  host = { bubblewrap: (await getTool('bwrap')).path };
}, 600_000);

test('the files of the machine are not there', async () => {
  const folder = await mkdtemp('/var/tmp/sluice-host-');
  try {
    await writeFile(join(folder, 'mine'), 'host', { mode: 0o644 });
    const trial = await run(`
      for path in /etc/shadow /etc/gshadow /root /home ${folder}/mine ${process.cwd()} /sys /run/docker.sock /var /boot; do
        if [ -e $path ]; then echo "seen $path"; fi
      done
      ls /
    `);
    expect(trial.stdout.toString()).not.toContain('seen');
    expect(trial.stdout.toString().split('\n')).toEqual(
      expect.arrayContaining(['etc', 'proc', 'sandbox', 'usr']),
    );
  } finally {
    await rm(folder, { recursive: true });
  }
});

test.each(['/tmp', '/var/tmp', '/opt'])(
  'a folder below %s is seen when it is handed over, and not changed',
  async (parent) => {
    const folder = await mkdtemp(join(parent, 'sluice-tools-'));
    try {
      await chmod(folder, 0o755);
      await writeFile(join(folder, 'tool'), '#!/bin/sh\necho tool\n', { mode: 0o755 });
      const options = { host: { ...host, readOnlyPaths: [folder] } };
      const trial = await run(
        `${folder}/tool; (echo x > ${folder}/tool) 2>/dev/null || echo kept; echo mine > /tmp/mine; cat /tmp/mine
       mv ${folder} ${folder}-moved 2>/dev/null || echo there; rm -rf ${folder} 2>/dev/null; ${folder}/tool`,
        options,
      );
      expect(trial.stdout.toString()).toBe('tool\nkept\nmine\nthere\ntool\n');
    } finally {
      await rm(folder, { recursive: true });
    }
  },
);

test('nothing but its own folder can be written', async () => {
  const trial = await run(`
    for path in / /usr /usr/bin /etc /etc/passwd /dev /run /proc/sys/kernel/hostname /proc/sysrq-trigger; do
      if [ -d $path ]; then target=$path/x; else target=$path; fi
      if (echo x > $target) 2>/dev/null; then echo "wrote $target"; fi
    done
    echo x > here && echo x > /tmp/here && echo x > /dev/shm/here && echo x > /dev/null && echo fine
    mount -t tmpfs none /usr 2>/dev/null && echo mounted
    mknod disk b 8 0 2>/dev/null && echo made
  `);
  expect(trial.stdout.toString()).toBe('fine\n');
});

test('no privilege is left or can be had', async () => {
  const trial = await run(`
    grep -E '^(Cap|NoNewPrivs|Uid)' /proc/self/status
    unshare --user true 2>/dev/null && echo namespace
    unshare --mount true 2>/dev/null && echo mounts
    su -c true 2>/dev/null </dev/null && echo root
    true
  `);
  const text = trial.stdout.toString();
  expect(text).toMatch(/NoNewPrivs:\t1/);
  expect(text.match(/^Cap\w+:\t0{16}$/gm)).toHaveLength(5);
  expect(text).toMatch(/^Uid:\t1000\t1000\t1000\t1000$/m);
  expect(text).not.toMatch(/^(namespace|mounts|root)$/m);
});

test('it is not root outside either, and no other process is seen or reached', async () => {
  const users: number[] = [];
  const marker = `marker-${process.pid}`;
  const other = spawn('/bin/sleep', ['1000'], { env: { OTHER: marker }, stdio: 'ignore' });
  try {
    const controller = new AbortController();
    const trial = await run(
      `
      cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n'
      kill -9 ${process.pid} ${other.pid} 2>/dev/null && echo killed
      perl -e '$| = 1; print "up\\n"; sleep 1000'
    `,
      {
        signal: controller.signal,
        onText: (text) => {
          if (!text.includes('up')) return;
          users.push(...listUsersBelow(process.pid, 'perl'));
          controller.abort();
        },
      },
    );
    const text = trial.stdout.toString();
    expect(text).not.toContain(marker);
    expect(text).not.toContain('killed');
    expect(other.exitCode).toBeNull();
    expect(users).toHaveLength(1);
    expect(users).not.toContain(0);
  } finally {
    other.kill('SIGKILL');
    await once(other, 'exit');
  }
});

test('the environment and secrets of the starter are nowhere to be read', async () => {
  const name = 'SLUICE_TEST_PARENT_SECRET';
  process.env[name] = 'parent-value';
  try {
    const controller = new AbortController();
    const seen: string[] = [];
    const trial = await run('env; cat /proc/*/environ | tr "\\0" "\\n"; echo ready; sleep 1000', {
      environment: { DECLARED: 'declared-value' },
      secrets: new Map([['KEY', { value: 'secret-value', asVariable: true }]]),
      signal: controller.signal,
      onText: (text) => {
        if (!text.includes('ready')) return;
        seen.push(...listCommandLinesBelow(process.pid));
        controller.abort();
      },
    });
    expect(trial.stdout.toString()).not.toContain('parent-value');
    expect(trial.stdout.toString()).toContain('DECLARED=declared-value');
    expect(seen.some((line) => line.includes('bwrap'))).toBe(true);
    expect(seen.filter((line) => /secret-value|declared-value/.test(line))).toEqual([]);
  } finally {
    delete process.env[name];
  }
});

describe('network', () => {
  async function withServer<T>(use: (port: number) => Promise<T>): Promise<T> {
    const server: Server = createServer((socket) => socket.end('hello from outside\n'));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    try {
      return await use((server.address() as { port: number }).port);
    } finally {
      server.close();
    }
  }
  const connect = (port: number): string => `
    exec 2>&1
    bash -c 'exec 3<>/dev/tcp/127.0.0.1/${port} && cat <&3' || echo refused
    cat /proc/net/dev | tail -n +3 | cut -d: -f1 | tr -d ' '
  `;

  test('none: not even a service of this machine', async () => {
    const text = await withServer(async (port) => (await run(connect(port))).stdout.toString());
    expect(text).not.toContain('hello');
    expect(text).toMatch(/refused\nlo\n$/);
  });

  test('host: what this machine reaches, its own services too', async () => {
    const text = await withServer(async (port) =>
      (await run(connect(port), { network: 'host' })).stdout.toString(),
    );
    expect(text).toContain('hello from outside');
  });
});

test('it has no terminal to push characters into', async () => {
  const trial = await run(`
    exec 2>&1
    (: < /dev/tty) && echo terminal
    cut -d' ' -f6,7 /proc/self/stat
    perl -e 'my $c = "x"; print ioctl(STDIN, 0x5412, $c) ? "pushed\\n" : "refused\\n"' 2>&1
  `);
  expect(trial.stdout.toString()).not.toMatch(/^(terminal|pushed)$/m);
  expect(trial.stdout.toString()).toMatch(/^1 0$/m);
});

test("kernel keys and the kernel's log are out of reach", async () => {
  const [addKey, keyctl, syslog, ring] =
    process.arch === 'x64' ? [248, 250, 103, 425] : [217, 219, 116, 425];
  const call = (number: number | undefined, rest: string): string =>
    `perl -e '$! = 0; my $r = syscall(${number}, ${rest}); print $r == -1 ? "$!\\n" : "done\\n"'`;
  const trial = await run(`
    ${call(addKey, '0, 0, 0, 0, -3')}
    ${call(keyctl, '0, -3, 0')}
    ${call(syslog, '10, 0, 0')}
    ${call(ring, '1, 0')}
    perl -e 'my $typed = "x"; print ioctl(STDIN, 0x5412, $typed) ? "pushed" : "$!", "\\n"'
  `);
  expect(trial.stderr.toString()).toBe('');
  const no = 'Operation not permitted';
  expect(trial.stdout.toString().split('\n')).toEqual([
    no,
    no,
    no,
    'Function not implemented',
    no,
    '',
  ]);
});

test.each([['x64'], ['arm64']])('the filter for %s jumps nowhere but onwards and ends', (name) => {
  const filter = systemCallFilter(name) ?? Buffer.alloc(0);
  const count = filter.length / 8;
  expect(count).toBeGreaterThan(60);
  for (let at = 0; at < count; at += 1) {
    const longest = Math.max(filter.readUInt8(at * 8 + 2), filter.readUInt8(at * 8 + 3));
    expect(at + 1 + longest).toBeLessThanOrEqual(count);
  }
  expect(filter.subarray(-8)).toEqual(Buffer.from([6, 0, 0, 0, 0, 0, 0xff, 0x7f]));
  expect(systemCallFilter('mips')).toBeUndefined();
});

/** Command lines of the processes that descend from one. */
function listCommandLinesBelow(pid: number): string[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim();
  return children
    .split(' ')
    .filter(Boolean)
    .flatMap((child) => [
      readFileSync(`/proc/${child}/cmdline`, 'latin1'),
      ...listCommandLinesBelow(Number(child)),
    ]);
}

/** Real user ids, as the machine sees them, of processes of a name that descend from one. */
function listUsersBelow(pid: number, name: string): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim();
  return children
    .split(' ')
    .filter(Boolean)
    .flatMap((child) => {
      const status = readFileSync(`/proc/${child}/status`, 'latin1');
      const own = status.startsWith(`Name:\t${name}\n`)
        ? [Number(/^Uid:\t(\d+)/m.exec(status)?.[1])]
        : [];
      return [...own, ...listUsersBelow(Number(child), name)];
    });
}
