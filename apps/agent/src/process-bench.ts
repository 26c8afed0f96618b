import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type CommandPayload, PAYLOAD_SCHEMA } from '@sluice/domain';
import { type ImageLayout, openLayout, packLayer, writeLayout } from '@sluice/oci';
import { digestOf } from '@sluice/pure';
import { FakeControlPlane } from './fake-control-plane.ts';
import type { JournalEntry } from './journal.ts';

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

/** For tests: the built agent as its own process against a control plane in this one; the service is a real one. */
export class ProcessBench {
  readonly folder: string;
  readonly stateDir: string;
  readonly plane: FakeControlPlane;
  readonly port: number;
  /** What the agent wrote to standard error since its last start. */
  errors = '';
  readonly #digests: ReadonlyMap<string, string>;
  readonly #manifestSizes: ReadonlyMap<string, number>;
  readonly #env: Readonly<Record<string, string>>;
  #agent: ChildProcess | undefined;

  private constructor(options: {
    readonly folder: string;
    readonly plane: FakeControlPlane;
    readonly port: number;
    readonly digests: ReadonlyMap<string, string>;
    readonly manifestSizes: ReadonlyMap<string, number>;
    readonly env: Readonly<Record<string, string>>;
  }) {
    this.folder = options.folder;
    this.stateDir = join(options.folder, 'state');
    this.plane = options.plane;
    this.port = options.port;
    this.#digests = options.digests;
    this.#manifestSizes = options.manifestSizes;
    this.#env = options.env;
  }

  /**
   * @param images how many there are; their tags are `1`, `2`, …
   * @param env of every start
   */
  static async make(
    images: number,
    env: Readonly<Record<string, string>> = {},
  ): Promise<ProcessBench> {
    await buildPackages();
    const folder = await mkdtemp(join(tmpdir(), 'sluice agent-'));
    const directory = join(folder, 'layout');
    const tags = Array.from({ length: images }, (_, at) => String(at + 1));
    const digests = await writeLayout(directory, await Promise.all(tags.map(imageOf)));
    const layout = await openLayout(directory, { architecture: 'amd64' });
    const manifestSizes = await manifestSizesOf(layout, tags);
    const plane = await FakeControlPlane.start(layout);
    return new ProcessBench({
      folder,
      plane,
      port: await freePort(),
      digests,
      manifestSizes,
      env,
    });
  }

  async remove(): Promise<void> {
    await this.stop();
    await this.plane.close();
    await rm(this.folder, { recursive: true, force: true });
  }

  get agent(): ChildProcess | undefined {
    return this.#agent;
  }

  async start(env: Record<string, string> = {}): Promise<void> {
    const child = spawn(process.execPath, [join(root, 'apps/agent/dist/main.js')], {
      env: {
        PATH: process.env.PATH,
        SLUICE_AGENT_CONTROL_PLANE: this.plane.url,
        SLUICE_AGENT_STATE_DIR: this.stateDir,
        SLUICE_AGENT_TOKEN: 'good-token',
        SLUICE_AGENT_POLL_SECONDS: '2',
        SLUICE_AGENT_STOP_SERVICE: '1',
        ...this.#env,
        ...env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.errors = '';
    child.stderr.on('data', (chunk) => {
      this.errors += String(chunk);
    });
    await new Promise<void>((resolve, reject) => {
      child.stdout.once('data', () => resolve());
      child.once('exit', () => reject(new Error(`The agent ended: ${this.errors}`)));
    });
    this.#agent = child;
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const child = this.#agent;
    this.#agent = undefined;
    if (child === undefined || child.exitCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    await ended;
  }

  /** Starts the agent anew and kills it with -9 when it came to this fault point, `<name>` or `<name>@<sequence>`. */
  async killAt(point: string, work: () => void | Promise<void>): Promise<void> {
    const marker = join(this.stateDir, 'fault-points', point);
    await rm(marker, { force: true });
    await this.stop('SIGKILL');
    await this.start({ SLUICE_FAULT_POINTS: '1', SLUICE_AGENT_PAUSE_AT: point });
    await work();
    await this.until(`the agent stands at ${point}`, async () => existsSync(marker));
    await this.stop('SIGKILL');
  }

  async until(what: string, look: () => Promise<boolean>): Promise<void> {
    for (let tries = 0; !(await look()); tries += 1) {
      if (tries > 400) throw new Error(`It did not come to this: ${what}; ${this.errors}`);
      await sleep(50);
    }
  }

  payloadOf(tag: string, settings: Record<string, string> = {}): CommandPayload {
    const digest = this.#digests.get(tag) ?? '';
    const manifest = { mediaType: 'x', digest, size: this.#manifestSizes.get(tag) ?? 0 };
    const { port } = this;
    return {
      schema: PAYLOAD_SCHEMA,
      environment: 'dev',
      desired: {
        release: { digest: digestOf(tag), name: 'app', version: tag },
        components: [{ name: 'app', kind: 'oci', digest, version: tag, manifest }],
        settings: { PORT: String(port), STARTS: join(this.folder, 'starts'), ...settings },
      },
      health: { path: '/', port, intervalMs: 50, timeoutMs: 1000, successes: 2, failures: 200 },
      traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`,
    };
  }

  /** What the service answers; undefined when nothing does. */
  async version(): Promise<string | undefined> {
    const response = await fetch(`http://127.0.0.1:${this.port}/`).catch(() => undefined);
    return response?.text();
  }

  /** Versions in the order in which their services were started. */
  async starts(): Promise<readonly string[]> {
    const text = await readFile(join(this.folder, 'starts'), 'utf8').catch(() => '');
    return text.split('\n').slice(0, -1);
  }

  async journal(): Promise<readonly JournalEntry[]> {
    const text = await readFile(join(this.stateDir, 'journal.jsonl'), 'utf8');
    // The last line may be in the middle of being written.
    const lines = text.slice(0, text.lastIndexOf('\n') + 1).split('\n');
    return lines.slice(0, -1).map((line) => JSON.parse(line) as JournalEntry);
  }

  async stagesInJournal(sequence: number): Promise<readonly string[]> {
    const lines = await this.journal();
    return lines.filter((line) => line.sequence === sequence).map(({ stage }) => stage);
  }
}

async function imageOf(tag: string) {
  return {
    tag,
    cmd: ['node', 'server.mjs'],
    env: [`VERSION=${tag}`],
    layers: [
      await packLayer([
        { type: 'file', path: 'server.mjs', content: SERVER },
        { type: 'file', path: 'version', content: tag },
      ]),
    ],
  };
}

async function manifestSizesOf(
  layout: ImageLayout,
  tags: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  const sizes = new Map<string, number>();
  for (const tag of tags) {
    const resolved = await layout.resolve(tag);
    if (resolved.ok) sizes.set(tag, resolved.value.manifestBytes.length);
  }
  return sizes;
}

async function buildPackages(): Promise<void> {
  const libs = ['domain', 'pure', 'signing', 'observability', 'oci', 'agent-protocol', 'nix'];
  const packages = [...libs, 'target-drivers', 'router'].map((name) => join(root, 'libs', name));
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
