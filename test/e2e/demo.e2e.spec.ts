import { spawn } from 'node:child_process';
import { chmod, chown, copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { getTool, removeStackData } from '@sluice/infra';
import { runNode } from '../support/cli.ts';

const CHECKOUT = fileURLToPath(new URL('../../', import.meta.url));
const DEFAULT_PORTS = [7070, 5433, 7233, 8233, 8080, 8081, 8082];
const NOBODY = 65534;
const ROOT = process.getuid?.() === 0;
const DEMO_MS = 360_000;

interface DemoEnd {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

let folder: string;
let dataDir: string;
const blockers: Server[] = [];

beforeAll(async () => {
  // A space in the path, as people's folders have.
  folder = await mkdtemp(join(tmpdir(), 'sluice user '));
  dataDir = join(folder, 'demo data');
  const tools = join(folder, 'bin');
  await mkdir(tools);
  for (const name of ['temporal', 'trivy'] as const) {
    await copyFile((await getTool(name)).path, join(tools, name));
    await chmod(join(tools, name), 0o755);
  }
  if (ROOT) await chown(folder, NOBODY, NOBODY);
  for (const port of DEFAULT_PORTS) await takePort(port);
}, 60_000);

afterAll(async () => {
  for (const blocker of blockers) blocker.close();
  await removeStackData(dataDir);
  await rm(folder, { recursive: true, force: true });
});

/** Listens there; somebody else may do so already, which is as good. */
function takePort(port: number): Promise<void> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve());
    server.listen(port, '127.0.0.1', () => {
      blockers.push(server);
      resolve();
    });
  });
}

/** Runs the README's first command as an ordinary user with an empty home. */
async function runDemo(args: readonly string[]): Promise<DemoEnd> {
  // The checkout is not that user's here: what is stale in it is built for them.
  await runNode([join(CHECKOUT, 'infra/build/build.mjs'), '--quiet'], {
    PATH: process.env['PATH'] ?? '',
  });
  return new Promise((resolve, reject) => {
    const child = spawn(
      process.execPath,
      [join(CHECKOUT, 'infra/demo/start.mjs'), ...args, '--data', dataDir],
      {
        cwd: CHECKOUT,
        env: { PATH: `${join(folder, 'bin')}:${process.env['PATH']}`, HOME: folder, USER: 'user' },
        stdio: ['ignore', 'pipe', 'pipe'],
        ...(ROOT ? { uid: NOBODY, gid: NOBODY } : {}),
      },
    );
    let [stdout, stderr] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.once('error', reject);
    child.once('close', (status) => resolve({ status, stdout, stderr }));
  });
}

describe('npm run demo as an ordinary user, with the default ports taken', () => {
  let end: DemoEnd;

  beforeAll(async () => {
    end = await runDemo(['--once', '--json']);
  }, DEMO_MS);

  test('ends with status 0 and has moved to other ports, saying so', async () => {
    expect([end.status, end.stderr]).toEqual([0, expect.stringContaining('sealed')]);
    for (const port of DEFAULT_PORTS) expect(end.stderr).toContain(`port ${port} (`);
    const ports = JSON.parse(await readFile(join(dataDir, 'run', 'ports.json'), 'utf8'));
    const chosen = Object.values(ports as Record<string, number>);
    expect(chosen.filter((port) => DEFAULT_PORTS.includes(port))).toEqual([]);
  });

  test('prints one document of exactly the settled shape', () => {
    const document = JSON.parse(end.stdout) as Record<string, unknown>;
    expect(Object.keys(document).sort()).toEqual(['promotions', 'services', 'trustRoot']);
    const step = { name: expect.any(String), state: expect.any(String) };
    const ran = { ...step, seconds: expect.any(Number) };
    const common = { kind: 'promote', approvals: [], evidencePacket: expect.any(String) };
    const allowed = { decision: 'allow', reasonCodes: [] };
    const succeeded = {
      ...{ ...common, release: 'hello@1.0.0', state: 'succeeded', decision: allowed },
      steps: Array(5).fill(ran),
    };
    const approval = {
      principal: 'approver',
      decision: 'approve',
      plan: expect.stringMatching(/^sha256:[0-9a-f]{64}$/),
    };
    expect(document).toEqual({
      promotions: [
        { ...succeeded, environment: 'dev' },
        { ...succeeded, environment: 'staging' },
        {
          ...{ ...succeeded, environment: 'production', approvals: [approval] },
          steps: Array(6).fill(ran),
        },
        {
          ...{ ...common, environment: 'dev', release: 'hello@1.1.0', state: 'denied' },
          steps: [ran, ran, ...Array(3).fill({ ...step, seconds: null })],
          decision: { decision: 'deny', reasonCodes: ['secret-found'] },
        },
        { ...succeeded, environment: 'dev', release: 'hello@1.2.0' },
        {
          ...{ ...common, environment: 'staging', release: 'hello@1.2.0', state: 'reverted' },
          steps: [ran, ran, ran, ran, { ...step, seconds: null }],
          decision: allowed,
        },
        {
          ...{ ...succeeded, environment: 'dev', kind: 'rollback', decision: null },
          steps: Array(3).fill(ran),
        },
      ],
      services: ['dev', 'staging', 'production'].map((environment) => ({
        ...{ environment, target: `${environment}-host-1`, version: '1.0.0' },
        url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+\/$/),
      })),
      trustRoot: expect.any(String),
    });
    const { promotions, trustRoot } = document as {
      promotions: { evidencePacket: string }[];
      trustRoot: string;
    };
    const paths = [trustRoot, ...promotions.map(({ evidencePacket }) => evidencePacket)];
    expect(paths.filter((path) => !isAbsolute(path))).toEqual([]);
  });

  test('leaves nothing running', async () => {
    expect(await readFile(join(dataDir, 'run', 'processes.json'), 'utf8')).toBe('{}\n');
  });
});

describe('a data folder is refused, naming the version to use and --reset, when it was written by', () => {
  async function runWith(file: string, content: string): Promise<DemoEnd> {
    const before = await readFile(file);
    await writeFile(file, content);
    const end = await runDemo(['--once']);
    await writeFile(file, before);
    return end;
  }

  test('another Postgres major', async () => {
    const end = await runWith(join(dataDir, 'postgres', 'PG_VERSION'), '17\n');
    expect([end.status, end.stderr]).toEqual([1, expect.stringMatching(/Postgres 17.*--reset/s)]);
  });

  test('a newer Temporal', async () => {
    const file = join(dataDir, 'temporal', 'temporal.db.version.json');
    const end = await runWith(file, '{"cli":"99.1.0","server":"99.0.0"}\n');
    expect([end.status, end.stderr]).toEqual([
      1,
      expect.stringMatching(/temporal CLI 99\.1\.0 or newer.*--reset/s),
    ]);
  });
});
