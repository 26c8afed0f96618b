import { spawn } from 'node:child_process';
import { chmod, chown, copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { EvidencePacket, TrustRoot } from '@sluice/domain';
import { getTool, removeStackData } from '@sluice/infra';
import { verifyPacket } from '@sluice/signing';
import { runNode, runSluice } from '../support/cli.ts';

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

/** Of the document that the demo prints. */
interface DemoFiles {
  readonly promotions: readonly {
    readonly evidencePacket: string;
    readonly steps: readonly { readonly name: string; readonly state: string }[];
  }[];
  readonly trustRoot: string;
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
  // The checkout is not that user's: what is stale in it is built for them.
  await runNode([join(CHECKOUT, 'infra/build/build.mjs'), '--quiet'], {
    PATH: process.env['PATH'] ?? '',
  });
}, 120_000);

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

/**
 * Runs the README's first command as an ordinary user with an empty home.
 * @param interruptAt what standard error must say for the user to press Ctrl-C; absent: never
 */
function runDemo(args: readonly string[], interruptAt?: RegExp): Promise<DemoEnd> {
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
    let isInterrupted = false;
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
      if (isInterrupted || interruptAt?.test(stderr) !== true) return;
      isInterrupted = true;
      child.kill('SIGINT');
    });
    child.once('error', reject);
    child.once('close', (status) => resolve({ status, stdout, stderr }));
  });
}

async function expectNothingRuns(): Promise<void> {
  expect(await readFile(join(dataDir, 'run', 'processes.json'), 'utf8')).toBe('{}\n');
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
    const { promotions, trustRoot } = document as unknown as DemoFiles;
    expect(promotions[2]?.steps.map(({ name, state }) => `${name} ${state}`)).toEqual(
      ['scan', 'gate', 'plan', 'approval', 'deploy', 'verify'].map((name) => `${name} succeeded`),
    );
    const paths = [trustRoot, ...promotions.map(({ evidencePacket }) => evidencePacket)];
    expect(paths.filter((path) => !isAbsolute(path))).toEqual([]);
  });

  test('leaves nothing running', expectNothingRuns);

  test('leaves packets that the CLI verifies, and refuses when one byte was changed', async () => {
    const { promotions, trustRoot } = JSON.parse(end.stdout) as DemoFiles;
    const roots = JSON.parse(await readFile(trustRoot, 'utf8')) as TrustRoot;
    const verify = (packet: string) => runSluice(['verify', packet, '--trust-root', trustRoot]);
    for (const { evidencePacket } of promotions) {
      expect(await verify(evidencePacket)).toMatchObject({ status: 0, stderr: '' });
      const packet = JSON.parse(await readFile(evidencePacket, 'utf8')) as EvidencePacket;
      const [first, ...others] = packet.statements;
      if (first === undefined) throw new Error(`${evidencePacket} has no statement.`);
      const bytes = Buffer.from(first.payload, 'base64');
      bytes.writeUInt8(bytes.readUInt8(40) ^ 1, 40);
      const statements = [{ ...first, payload: bytes.toString('base64') }, ...others];
      const verdict = verifyPacket({ ...packet, statements }, roots);
      expect(verdict.problems.map(({ statement }) => statement.split(' ')[0])).toContain(
        'statements[0]',
      );
    }
  }, 60_000);
});

describe('npm run demo, a second time', () => {
  test(
    'resumes the data and stays up until Ctrl-C, which leaves nothing running',
    async () => {
      const demo = await runDemo([], /stays up until Ctrl-C/);
      expect([demo.status, demo.stderr]).toEqual([0, expect.stringContaining('the data stay in')]);
      expect(demo.stdout).toMatch(/dev\/5 +hello 1\.0\.0 +succeeded/);
      expect(demo.stdout).toMatch(/dev\/8 +↩ hello 1\.0\.0 +succeeded/);
      expect(demo.stdout).toMatch(/sluice approve production\/3/);
      const table = demo.stdout.split('GraphQL explorer')[0] ?? '';
      expect(table.split('\n').filter((line) => line.length > 100)).toEqual([]);
      expect(demo.stdout).toMatch(/GraphQL explorer +http:\/\/127\.0\.0\.1:\d+\/explorer/);
      await expectNothingRuns();
    },
    DEMO_MS,
  );
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
