import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type CommandPayload, PAYLOAD_SCHEMA } from '@sluice/domain';
import { type ImageLayout, openLayout, packLayer, writeLayout } from '@sluice/oci';
import { digestOf } from '@sluice/pure';
import { FakeControlPlane } from './fake-control-plane.ts';

/** The built agent as its own process against a control plane in this one; the service is a real one. */
const root = fileURLToPath(new URL('../../..', import.meta.url));

const SERVER = `
import { appendFileSync } from 'node:fs';
import { createServer } from 'node:http';
const { PORT, VERSION, STARTS, MODE } = process.env;
appendFileSync(STARTS, VERSION + '\\n');
createServer((request, response) => {
  response.statusCode = MODE === 'sick' ? 500 : 200;
  response.end(VERSION);
}).listen(Number(PORT), '127.0.0.1');
`;

let folder: string;
let stateDir: string;
let plane: FakeControlPlane;
let layout: ImageLayout;
let digests: ReadonlyMap<string, string>;
let port: number;
let agent: ChildProcess | undefined;
let errors = '';

beforeAll(async () => {
  await buildPackages();
  folder = await mkdtemp(join(tmpdir(), 'sluice agent-'));
  stateDir = join(folder, 'state');
  const imageOf = async (tag: string) => ({
    tag,
    cmd: ['node', 'server.mjs'],
    env: [`VERSION=${tag}`],
    layers: [
      await packLayer([
        { type: 'file', path: 'server.mjs', content: SERVER },
        { type: 'file', path: 'version', content: tag },
      ]),
    ],
  });
  const directory = join(folder, 'layout');
  // Every test deploys an image that was not there before: it has to be fetched and unpacked.
  const tags = Array.from({ length: 16 }, (_, at) => String(at + 1));
  digests = await writeLayout(directory, await Promise.all(tags.map(imageOf)));
  layout = await openLayout(directory, { architecture: 'amd64' });
  for (const tag of tags) {
    const resolved = await layout.resolve(tag);
    if (resolved.ok) manifestSizes.set(tag, resolved.value.manifestBytes.length);
  }
  plane = await FakeControlPlane.start(layout);
  port = await freePort();
}, 120_000);

afterAll(async () => {
  await stopAgent();
  await plane.close();
  await rm(folder, { recursive: true, force: true });
});

async function buildPackages(): Promise<void> {
  const libs = ['domain', 'pure', 'signing', 'observability', 'oci', 'agent-protocol'];
  const packages = [...libs, 'target-drivers'].map((name) => join(root, 'libs', name));
  const run = promisify(execFile);
  for (const cwd of [...packages, join(root, 'apps/agent')]) {
    await run(process.execPath, [join(root, 'infra/build/build-package.mjs')], { cwd });
  }
}

/** Below the ports that the system hands out to clients: those may take a port while the service is down. */
async function freePort(): Promise<number> {
  for (;;) {
    const server = createServer();
    const wanted = 20_000 + Math.floor(Math.random() * 12_000);
    const isFree = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false));
      server.listen(wanted, '127.0.0.1', () => resolve(true));
    });
    if (!isFree) continue;
    await new Promise((resolve) => server.close(resolve));
    return wanted;
  }
}

async function startAgent(env: Record<string, string> = {}): Promise<void> {
  const child = spawn(process.execPath, [join(root, 'apps/agent/dist/main.js')], {
    env: {
      PATH: process.env.PATH,
      SLUICE_AGENT_CONTROL_PLANE: plane.url,
      SLUICE_AGENT_STATE_DIR: stateDir,
      SLUICE_AGENT_TOKEN: 'good-token',
      SLUICE_AGENT_POLL_SECONDS: '2',
      SLUICE_AGENT_STOP_SERVICE: '1',
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  agent = child;
  errors = '';
  child.stderr.on('data', (chunk) => {
    errors += String(chunk);
  });
  await new Promise<void>((resolve, reject) => {
    child.stdout.once('data', () => resolve());
    child.once('exit', () => reject(new Error(`The agent ended: ${errors}`)));
  });
}

async function stopAgent(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  const child = agent;
  agent = undefined;
  if (child === undefined || child.exitCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill(signal);
  await ended;
}

function payloadOf(tag: string, settings: Record<string, string> = {}): CommandPayload {
  const digest = digests.get(tag) ?? '';
  const manifest = { mediaType: 'x', digest, size: manifestSizes.get(tag) ?? 0 };
  return {
    schema: PAYLOAD_SCHEMA,
    environment: 'dev',
    desired: {
      release: { digest: digestOf(tag), name: 'app', version: tag },
      components: [{ name: 'app', kind: 'oci', digest, version: tag, manifest }],
      settings: { PORT: String(port), STARTS: join(folder, 'starts'), ...settings },
    },
    health: { path: '/', port, intervalMs: 50, timeoutMs: 1000, successes: 2, failures: 200 },
    traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`,
  };
}

const manifestSizes = new Map<string, number>();

async function version(): Promise<string | undefined> {
  const response = await fetch(`http://127.0.0.1:${port}/`).catch(() => undefined);
  return response?.text();
}

async function starts(): Promise<readonly string[]> {
  const text = await readFile(join(folder, 'starts'), 'utf8').catch(() => '');
  return text.split('\n').slice(0, -1);
}

async function stagesInJournal(sequence: number): Promise<readonly string[]> {
  const lines = (await readFile(join(stateDir, 'journal.jsonl'), 'utf8')).trim().split('\n');
  const entries = lines.map((line) => JSON.parse(line));
  return entries.flatMap((entry) => (entry.sequence === sequence ? [entry.stage] : []));
}

/** What is visible of images is whole; what `current` names is all there. */
async function expectNothingHalf(): Promise<void> {
  for (const image of await readdir(join(stateDir, 'images'))) {
    if (image.startsWith('.')) continue;
    expect((await readdir(join(stateDir, 'images', image))).sort()).toEqual([
      'server.mjs',
      'version',
    ]);
  }
  const seen = await readFile(join(stateDir, 'current/image/version'), 'utf8');
  const sticker = JSON.parse(await readFile(join(stateDir, 'current/sluice.version.json'), 'utf8'));
  expect(sticker.release.version).toBe(seen);
}

async function killAt(stage: string, work: () => void): Promise<void> {
  const marker = join(stateDir, 'fault-points', stage);
  await rm(marker, { force: true });
  await stopAgent('SIGKILL');
  await startAgent({ SLUICE_FAULT_POINTS: '1', SLUICE_AGENT_PAUSE_AT: stage });
  work();
  for (let tries = 0; !existsSync(marker); tries += 1) {
    if (tries > 200) throw new Error(`The agent did not come to ${stage}: ${errors}`);
    await sleep(50);
  }
  await stopAgent('SIGKILL');
}

const GOOD = ['accepted', 'fetching', 'fetched', 'activating', 'activated', 'confirmed'];
const BAD = [...GOOD.slice(0, -1), 'reverting', 'reverted'];

test('enrols by its token and deploys over its own channel', async () => {
  await startAgent();
  expect((await stat(join(stateDir, 'agent.key'))).mode & 0o777).toBe(0o600);
  const command = plane.dispatch(payloadOf('1'));
  expect(await plane.finalReport(command.sequence)).toMatchObject({ stage: 'confirmed' });
  expect(await version()).toBe('1');
  expect(await stagesInJournal(command.sequence)).toEqual(GOOD);
  expect(errors).toContain(`"traceId":"${'a'.repeat(32)}"`);
}, 60_000);

describe('killed with -9', () => {
  let current = '1';

  test.each([
    'accepted',
    'fetching',
    'unpacked',
    'fetched',
    'activating',
    'stopped',
    'switched',
    'started',
    'activated',
    'confirmed',
    'reported',
  ])(
    'at "%s" it goes on: old or new, never half, each effect once',
    async (stage) => {
      const next = String(Number(current) + 1);
      const before = (await starts()).length;
      let sequence = 0;
      await killAt(stage, () => {
        sequence = plane.dispatch(payloadOf(next)).sequence;
      });
      await expectNothingHalf();
      const between = await version();
      expect([current, next, undefined]).toContain(between);
      if (['accepted', 'fetching', 'unpacked', 'fetched', 'activating'].includes(stage)) {
        expect(between).toBe(current);
      }
      await startAgent();
      expect(await plane.finalReport(sequence)).toMatchObject({
        stage: 'confirmed',
        failure: null,
      });
      expect(await version()).toBe(next);
      await expectNothingHalf();
      expect(await stagesInJournal(sequence)).toEqual(GOOD);
      expect(plane.stagesOf(sequence)).toEqual(['accepted', 'fetched', 'activated', 'confirmed']);
      // The new version was started exactly once, however often the agent was.
      expect((await starts()).slice(before)).toEqual([next]);
      current = next;
    },
    60_000,
  );

  test.each(['reverting', 'reverted'])(
    'at "%s" the old version is put back, once',
    async (stage) => {
      const before = (await starts()).length;
      const other = String(Number(current) + (stage === 'reverting' ? 1 : 2));
      const payload = payloadOf(other, { MODE: 'sick' });
      let sequence = 0;
      await killAt(stage, () => {
        const health = { ...payload.health, failures: 10 };
        sequence = plane.dispatch({ ...payload, health }).sequence;
      });
      await expectNothingHalf();
      await startAgent();
      expect(await plane.finalReport(sequence)).toMatchObject({
        stage: 'reverted',
        failure: { code: 'service-unhealthy' },
        activeRelease: digestOf(current),
      });
      expect(await version()).toBe(current);
      expect(await stagesInJournal(sequence)).toEqual(BAD);
      expect((await starts()).slice(before)).toEqual([other, current]);
    },
    60_000,
  );

  test('in the middle of a journal line it goes on', async () => {
    await stopAgent('SIGKILL');
    const path = join(stateDir, 'journal.jsonl');
    const text = await readFile(path, 'utf8');
    await writeFile(path, `${text}{"sequence":`);
    await startAgent();
    expect(await version()).toBe(current);
  }, 60_000);
});

test('bytes that do not match their digest are refused and change nothing', async () => {
  const before = await version();
  const evil = payloadOf('16');
  const [component] = evil.desired?.components ?? [];
  if (component === undefined) throw new Error('no component');
  plane.exchanged.set(component.digest, Buffer.alloc(component.manifest.size, ' '));
  const command = plane.dispatch(evil);
  expect(await plane.finalReport(command.sequence)).toMatchObject({
    stage: 'refused',
    failure: { code: 'blob-corrupt' },
  });
  plane.exchanged.clear();
  expect(await version()).toBe(before);
}, 60_000);

test('a second agent in the same folder and fault points outside of tests are refused', async () => {
  await expect(startAgent({ SLUICE_AGENT_PAUSE_AT: 'accepted' })).rejects.toThrow('fault tests');
  await expect(startAgent()).rejects.toThrow('works in');
}, 60_000);

test('emptying the target stops the service; SIGTERM ends the agent cleanly', async () => {
  agent = undefined;
  await stopRunning();
  await startAgent();
  const command = plane.dispatch({ ...payloadOf('1'), desired: null });
  expect(await plane.finalReport(command.sequence)).toMatchObject({
    stage: 'confirmed',
    activeRelease: null,
  });
  expect(await version()).toBeUndefined();
  const child = agent as unknown as ChildProcess;
  await stopAgent();
  expect(child.exitCode).toBe(0);
}, 60_000);

/** Ends the agent that the test before could not name any more. */
async function stopRunning(): Promise<void> {
  const [pid] = (await readFile(join(stateDir, 'agent.pid'), 'utf8')).split(' ').map(Number);
  if (pid === undefined) return;
  process.kill(pid, 'SIGTERM');
  for (let tries = 0; tries < 100 && existsSync(`/proc/${pid}`); tries += 1) await sleep(50);
}
