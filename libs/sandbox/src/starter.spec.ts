import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { chmod, chown, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { transform } from '@swc/core';
import { createGroupName, GROUP_FOLDER, removeStaleGroups } from './cgroup-folder.ts';
import { findStartTime } from './process-table.ts';
import { tryScript } from './testing/script-trial.ts';

let bubblewrap: string;
let folder: string;

beforeAll(async () => {
  const { getTool } = await import('@sluice/infra');
  bubblewrap = (await getTool('bwrap')).path;
  folder = await mkdtemp(join(tmpdir(), 'sluice-starter-'));
  await chmod(folder, 0o755);
  await compile(folder);
}, 600_000);

afterAll(() => rm(folder, { recursive: true }));

/** Apart from its use, because swc's types do not know all of it. */
const COMPILER = {
  swcrc: false,
  configFile: false,
  jsc: {
    target: 'es2022' as const,
    parser: { syntax: 'typescript' as const },
    transform: { verbatimModuleSyntax: true },
    rewriteRelativeImportExtensions: true,
  },
  module: { type: 'es6' as const },
};

/** This package as plain JavaScript, and a program that runs the script of its argument: it is killed as a whole. */
async function compile(into: string): Promise<void> {
  const sources = fileURLToPath(new URL('.', import.meta.url));
  for (const name of await readdir(sources)) {
    if (!name.endsWith('.ts') || name.endsWith('.spec.ts')) continue;
    const { code } = await transform(await readFile(join(sources, name), 'utf8'), {
      ...COMPILER,
    });
    await writeFile(join(into, name.replace(/\.ts$/, '.js')), code);
  }
  await writeFile(join(into, 'package.json'), '{"type":"module"}');
  await writeFile(
    join(into, 'starter.js'),
    `import { runSandboxed } from './index.js';
    const limits = { wallSeconds: 60, memoryBytes: 1 << 26, diskBytes: 1 << 20, processes: 16, logBytes: 65536 };
    const { mechanism, outcome } = await runSandboxed({ argv: ['/bin/sh', '-c', process.argv[2].replaceAll('STARTER', process.pid)], network: 'none', limits, workFolder: ${JSON.stringify(into)},
      onLog: (chunk) => { process.stdout.write(chunk); } }, { bubblewrap: ${JSON.stringify(bubblewrap)} });
    console.log(mechanism, outcome);`,
  );
}

function start(script: string, user = {}, environment = {}): ChildProcess {
  // Left open for whatever it starts, as a socket or a lock of a service could be.
  const shell = 'exec 77</etc/hostname; exec "$@"';
  return spawn(
    'bash',
    ['-c', shell, 'bash', process.execPath, join(folder, 'starter.js'), script],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: {
        PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
        ...environment,
      },
      ...user,
    },
  );
}

async function readUntil(child: ChildProcess, word: string): Promise<string> {
  let text = '';
  for await (const chunk of child.stdout ?? []) {
    text += String(chunk);
    if (text.includes(word)) break;
  }
  return text;
}

test('descriptors that the starter was given do not reach the script', async () => {
  const child = start('ls -l /proc/self/fd; echo done');
  const text = await readUntil(child, 'done');
  expect(text).not.toContain('hostname');
  const known = /-> (\/dev\/null|pipe:\[\d+\]|\/proc\/\d+\/fd|\S*\/std(out|err)( \(deleted\))?)$/;
  const targets = text.match(/-> .*/g) ?? [];
  expect(targets.length).toBeGreaterThanOrEqual(4);
  expect(targets.filter((target) => !known.test(target))).toEqual([]);
  child.kill('SIGKILL');
}, 120_000);

const ORDINARY = process.getuid?.() === 0 ? { uid: 54_321, gid: 54_321 } : {};

test('an ordinary user can run scripts too, under limits of its own', async () => {
  const script = 'id -u; echo "{}" > $SLUICE_OUTPUTS; [ -e /etc/shadow ] || echo alone';
  const child = start(script, ORDINARY);
  const text = await readUntil(child, 'exited');
  expect(text).toMatch(/^1000\nalone\n(prlimit|cgroup-v[12]) exited\n$/);
}, 120_000);

test.each([
  ['an ordinary user', ORDINARY],
  ['root, or whoever runs this', {}],
])(
  "a script of %s reads and reaches nothing that is its starter's",
  async (_who, user) => {
    const own = await makeOwnFiles(user);
    try {
      const perl = process.arch === 'x64' ? 101 : 117;
      // The starter is told its own number: it is the one that the script looks for.
      const child = start(
        `exec 2>&1
      for path in ${own.files.join(' ')}; do cat $path && echo "READ $path"; done
      cat /proc/*/environ /proc/STARTER/environ /proc/STARTER/root/etc/shadow | tr '\\0' '\\n'
      for path in ${own.files.join(' ')}; do cat /proc/1/root$path /proc/STARTER/root$path /proc/STARTER/cwd$path; done
      [ -e /proc/STARTER ] && echo "SEEN"
      kill -0 STARTER && echo "SIGNALLED"
      perl -e 'print syscall(${perl}, 16, STARTER, 0, 0) == -1 ? "" : "TRACED\\n"'
      perl -e 'print kill("KILL", STARTER) ? "KILLED\\n" : ""'
      echo over`,
        user,
        { SLUICE_DATABASE_URL: OWN_VALUE },
      );
      const text = await readUntil(child, 'exited');
      expect(text).toMatch(/over\n(prlimit|cgroup-v[12]) exited\n$/);
      expect(text).not.toContain(OWN_VALUE);
      expect(text).not.toMatch(/READ|SEEN|SIGNALLED|TRACED|KILLED/);
    } finally {
      await rm(own.folder, { recursive: true });
    }
  },
  120_000,
);

const OWN_VALUE = "what is the starter's";

/** What a worker has, as its own user has it: all may be opened by that user alone. */
async function makeOwnFiles({
  uid = 0,
  gid = 0,
}: {
  readonly uid?: number;
  readonly gid?: number;
}): Promise<{ readonly folder: string; readonly files: readonly string[] }> {
  const own = await mkdtemp('/var/tmp/sluice-own-');
  const files: string[] = [];
  for (const path of [
    'secrets/acme/production/db',
    'keys/command.key.pem',
    'codec.json',
    'evidence/sha256/ab',
  ]) {
    const file = join(own, path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, OWN_VALUE, { mode: 0o600 });
    files.push(file);
  }
  if (process.getuid?.() === 0) {
    const names = await readdir(own, { recursive: true });
    for (const name of ['', ...names]) await chown(join(own, name), uid, gid);
  }
  return { folder: own, files };
}

test('a starter that is killed leaves no process, and its group goes with the next run', async () => {
  const child = start('(setsid sleep 1000 &); trap "" TERM; sleep 1000 & echo up; wait');
  await readUntil(child, 'up');
  const pid = Number(child.pid);
  const left = await Promise.all(
    listBelow(pid).map(async (below) => ({ below, start: await findStartTime(below) })),
  );
  // bubblewrap twice, the shell and two sleepers.
  expect(left.length).toBeGreaterThanOrEqual(5);
  const group = await findGroup(pid);
  child.kill('SIGKILL');
  await once(child, 'exit');
  for (let attempt = 0; attempt < 600; attempt += 1) {
    const alive = await Promise.all(left.map(({ below, start }) => isRunning(below, start)));
    if (!alive.includes(true)) break;
    await delay(50);
  }
  for (const { below, start } of left) {
    expect([below, await isRunning(below, start)]).toEqual([below, false]);
  }
  if (group === undefined) return;
  await tryScript('true', { host: { bubblewrap } });
  expect(await findGroup(pid)).toBeUndefined();
}, 120_000);

test('groups of makers that are alive are left alone', async () => {
  const parent = await mkdtemp(join(tmpdir(), 'sluice-groups-'));
  try {
    const own = await createGroupName();
    const gone = `${process.pid}-1-0123456789ab`;
    for (const name of [own, gone, 'foreign']) await mkdir(join(parent, name));
    await removeStaleGroups(parent);
    expect((await readdir(parent)).sort()).toEqual([own, 'foreign'].sort());
  } finally {
    await rm(parent, { recursive: true });
  }
});

/** A zombie does not run: whoever inherits orphans on this machine may take its time. */
async function isRunning(pid: number, start: string | undefined): Promise<boolean> {
  if ((await findStartTime(pid)) !== start) return false;
  const stat = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => ') Z');
  return !stat.slice(stat.lastIndexOf(')')).startsWith(') Z');
}

function listBelow(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim().split(' ');
  return children.filter(Boolean).flatMap((child) => [Number(child), ...listBelow(Number(child))]);
}

/** Group that a process made, wherever this machine has its cgroups. */
async function findGroup(pid: number): Promise<string | undefined> {
  const root = '/sys/fs/cgroup';
  const found = await readdir(join(root, 'pids', GROUP_FOLDER)).catch(() => []);
  const unified = await readdir(join(root, GROUP_FOLDER)).catch(() => []);
  return [...found, ...unified].find((name) => name.startsWith(`${pid}-`));
}
