import { spawn } from 'node:child_process';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { removeStackData } from '../stack/start-stack.ts';
import type { DemoDocument } from './demo-report.ts';

/** Long, for other suites may run at the same time. */
const DEMO_TIMEOUT_MS = 360_000;

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

type Outcome = { readonly status: number | null; readonly stdout: string; readonly stderr: string };

function run(script: string, args: readonly string[], signalAt?: RegExp): Promise<Outcome> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [join(ROOT, script), ...args], {
      cwd: ROOT,
      env: { ...process.env, NODE_OPTIONS: '' },
    });
    let [stdout, stderr] = ['', ''];
    let isSignalled = false;
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => {
      stderr += chunk.toString();
      if (signalAt?.test(stderr) === true && !isSignalled) {
        isSignalled = true;
        child.kill('SIGINT');
      }
    });
    child.once('close', (status) => resolve({ status, stdout, stderr }));
  });
}

describe('npm run demo', () => {
  let folder: string;
  let dataDir: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sluice demo '));
    await chmod(folder, 0o755);
    dataDir = join(folder, 'data');
  });

  afterAll(async () => {
    await removeStackData(dataDir);
    await rm(folder, { recursive: true, force: true });
  });

  async function expectNothingRuns(): Promise<void> {
    expect(await readFile(join(dataDir, 'run/processes.json'), 'utf8')).toBe('{}\n');
  }

  test(
    '--once --json: the whole story comes out, and packets verify with everything stopped',
    async () => {
      const demo = await run('infra/demo/start.mjs', ['--once', '--json', '--data', dataDir]);
      expect([demo.status, demo.stderr]).toEqual([0, expect.stringContaining('sealed')]);
      const { promotions, services, trustRoot } = JSON.parse(demo.stdout) as DemoDocument;
      expect(
        promotions.map(({ kind, release, environment, state }) =>
          [kind, release, environment, state].join(' '),
        ),
      ).toEqual([
        'promote hello@1.0.0 dev succeeded',
        'promote hello@1.0.0 staging succeeded',
        'promote hello@1.0.0 production succeeded',
        'promote hello@1.1.0 dev denied',
        'promote hello@1.2.0 dev succeeded',
        'promote hello@1.2.0 staging reverted',
        'rollback hello@1.0.0 dev succeeded',
      ]);
      expect(promotions[2]?.steps.map(({ name, state }) => `${name} ${state}`)).toEqual(
        ['scan', 'gate', 'plan', 'approval', 'deploy', 'verify'].map((name) => `${name} succeeded`),
      );
      expect(promotions.map(({ approvals }) => approvals.length)).toEqual([0, 0, 1, 0, 0, 0, 0]);
      expect(promotions[3]?.decision).toMatchObject({ decision: 'deny' });
      expect(promotions[3]?.decision?.reasonCodes).not.toEqual([]);
      expect(services.map(({ environment, version }) => [environment, version])).toEqual([
        ['dev', '1.0.0'],
        ['staging', '1.0.0'],
        ['production', '1.0.0'],
      ]);
      expect([trustRoot, promotions[0]?.evidencePacket ?? ''].every(isAbsolute)).toBe(true);
      await expectNothingRuns();
      for (const { evidencePacket } of promotions) {
        await expectVerified(evidencePacket, trustRoot);
      }
    },
    DEMO_TIMEOUT_MS,
  );

  async function expectVerified(packet: string, trustRoot: string): Promise<void> {
    const cli = 'apps/cli/dist/main.js';
    const verified = await run(cli, ['verify', packet, '--trust-root', trustRoot]);
    expect([verified.status, verified.stderr]).toEqual([0, '']);
    const changed = JSON.parse(await readFile(packet, 'utf8')) as {
      statements: { payload: string }[];
    };
    const [statement] = changed.statements;
    const bytes = Buffer.from(statement?.payload ?? '', 'base64');
    bytes.writeUInt8(bytes.readUInt8(40) ^ 1, 40);
    const file = join(folder, 'changed.json');
    const statements = [{ ...statement, payload: bytes.toString('base64') }];
    await writeFile(
      file,
      JSON.stringify({ ...changed, statements: [...statements, ...changed.statements.slice(1)] }),
    );
    const refused = await run(cli, ['verify', file, '--trust-root', trustRoot]);
    expect(refused.status).not.toBe(0);
    expect(refused.stdout + refused.stderr).toContain('statements[0]');
  }

  test(
    'a second run resumes the data and stays up until Ctrl-C, which leaves nothing running',
    async () => {
      const demo = await run('infra/demo/start.mjs', ['--data', dataDir], /stays up until Ctrl-C/);
      expect([demo.status, demo.stderr]).toEqual([0, expect.stringContaining('the data stay in')]);
      expect(demo.stdout).toMatch(/dev\/5 +hello 1\.0\.0 +succeeded/);
      expect(demo.stdout).toMatch(/dev\/8 +↩ hello 1\.0\.0 +succeeded/);
      expect(demo.stdout).toMatch(/sluice approve production\/3/);
      const table = demo.stdout.split('GraphQL explorer')[0] ?? '';
      expect(table.split('\n').filter((line) => line.length > 100)).toEqual([]);
      expect(demo.stdout).toMatch(/GraphQL explorer +http:\/\/127\.0\.0\.1:\d+\/explorer/);
      await expectNothingRuns();
    },
    DEMO_TIMEOUT_MS,
  );
});
