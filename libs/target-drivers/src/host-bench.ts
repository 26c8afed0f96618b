import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Outcome, SettingValue } from '@sluice/domain';
import { type ImageLayout, openLayout, packLayer, writeLayout } from '@sluice/oci';
import { createLinuxHostDriver, type LinuxHostOptions } from './linux-host-driver.ts';
import type { Activation, BlobSource, TargetDriver } from './target-driver.ts';

const SERVER = `
import { createServer } from 'node:http';
import { spawn } from 'node:child_process';
const { PORT, MODE = 'good', VERSION } = process.env;
console.error('starting', VERSION);
if (MODE === 'crash') throw new Error('no luck today');
if (MODE === 'stubborn') {
  process.on('SIGTERM', () => {});
  spawn(process.execPath, ['-e', 'process.on("SIGTERM", () => {}); setInterval(() => {}, 1000)']);
}
createServer((request, response) => {
  if (request.url === '/die') process.exit(3);
  response.statusCode = MODE === 'sick' ? 500 : 200;
  response.end(JSON.stringify({ ...process.env, cwd: process.cwd() }));
}).listen(Number(PORT), '127.0.0.1');
`;

/** Tags of images that run; those of images that do not are `none` and `missing`. */
const TAGS = ['1', '2', '3', '4', '5', '6'];

/** For tests: a folder that is a target, a port, and images to put there. */
export class HostBench {
  readonly folder: string;
  readonly stateDir: string;
  readonly secretsDir: string;
  readonly port: number;
  readonly layout: ImageLayout;
  readonly digests: ReadonlyMap<string, string>;
  readonly source: BlobSource;
  /** A control plane that gives nothing out. */
  readonly refusing: BlobSource = {
    openBlob: async ({ digest }) => {
      throw Object.assign(new Error(`${digest} was asked for.`), { code: 'blob-refused' });
    },
  };
  readonly #drivers: TargetDriver[] = [];
  #counter = 0;

  private constructor(
    folder: string,
    port: number,
    layout: ImageLayout,
    digests: ReadonlyMap<string, string>,
  ) {
    this.folder = folder;
    this.stateDir = join(folder, 'state');
    this.secretsDir = join(folder, 'secrets');
    this.port = port;
    this.layout = layout;
    this.digests = digests;
    this.source = { openBlob: async (blob) => layout.blobStream(blob) };
  }

  static async make(): Promise<HostBench> {
    const folder = await mkdtemp(join(tmpdir(), 'sluice driver-'));
    await mkdir(join(folder, 'secrets'));
    const image = async (tag: string, cmd: string[]) => ({
      tag,
      cmd,
      env: [`VERSION=${tag}`, 'PATH=/image/bin', 'MODE=good'],
      layers: [
        await packLayer([
          { type: 'file', path: 'server.mjs', content: SERVER },
          { type: 'file', path: 'version', content: tag },
        ]),
      ],
    });
    const digests = await writeLayout(
      join(folder, 'layout'),
      await Promise.all([
        ...TAGS.map((tag) => image(tag, ['node', 'server.mjs'])),
        image('none', []),
        image('missing', ['no-such-program']),
      ]),
    );
    const layout = await openLayout(join(folder, 'layout'), { architecture: 'amd64' });
    return new HostBench(folder, await freePort(), layout, digests);
  }

  async remove(): Promise<void> {
    for (const driver of this.#drivers) await driver.close('stop');
    await rm(this.folder, { recursive: true, force: true });
  }

  async newDriver(options: Partial<LinuxHostOptions> = {}): Promise<TargetDriver> {
    const driver = await createLinuxHostDriver({
      stateDir: this.stateDir,
      secretsDir: this.secretsDir,
      graceMs: 1000,
      watchMs: 100,
      generator: 'test/1',
      ...options,
    });
    this.#drivers.push(driver);
    return driver;
  }

  /** @param tag null empties the target */
  async activationOf(
    tag: string | null,
    settings: Record<string, SettingValue> = {},
    more: Partial<Activation> = {},
  ): Promise<Activation> {
    this.#counter += 1;
    const digest = this.digestOf(tag ?? '');
    const resolved = tag === null ? undefined : await this.layout.resolve(tag);
    const size = resolved?.ok ? resolved.value.manifestBytes.length : 0;
    const manifest = { mediaType: 'x', digest, size };
    const { port } = this;
    return {
      id: `sha256:${String(this.#counter).padStart(64, '0')}`,
      kind: 'deploy',
      target: 'host-1',
      environment: 'dev',
      promotionId: `dev/${this.#counter}`,
      planDigest: `sha256:${'b'.repeat(64)}`,
      health: { path: '/', port, intervalMs: 100, timeoutMs: 1000, successes: 2, failures: 100 },
      desired:
        tag === null
          ? null
          : {
              release: releaseOf(tag),
              components: [{ name: 'app', kind: 'oci', digest, version: tag, manifest }],
              settings: { PORT: String(port), ...settings },
            },
      ...more,
    };
  }

  async deploy(
    driver: TargetDriver,
    activation: Activation,
    source = this.source,
  ): Promise<Outcome<true>> {
    await driver.prepare(activation, source);
    await driver.activate(activation.id);
    return driver.confirm(activation.id);
  }

  /** Digest of an image's manifest. */
  digestOf(tag: string): string {
    return this.digests.get(tag) ?? '';
  }

  /** Where an image lies. */
  imagePath(tag: string): string {
    return join(this.stateDir, 'images', this.digestOf(tag).slice(7));
  }

  /** Tags of the images that lie on the target. */
  async imageTags(): Promise<readonly string[]> {
    const names = await readdir(join(this.stateDir, 'images'));
    const tags = new Map([...this.digests].map(([tag, digest]) => [digest.slice(7), tag]));
    return names.map((name) => tags.get(name) ?? name).sort();
  }

  async ask(path = ''): Promise<Record<string, string>> {
    const response = await fetch(`http://127.0.0.1:${this.port}/${path}`);
    return (await response.json()) as Record<string, string>;
  }

  async recordedPid(): Promise<number> {
    return JSON.parse(await readFile(join(this.stateDir, 'service.json'), 'utf8')).pid;
  }
}

/** The release that an image is, in these tests. */
export function releaseOf(tag: string): { digest: string; name: string; version: string } {
  return { digest: `sha256:${'a'.repeat(63)}${tag[0]}`, name: 'app', version: tag };
}

/** Looks again until it is so. */
export async function eventually(look: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 100; tries += 1) {
    if (await look().catch(() => false)) return;
    await sleep(100);
  }
  throw new Error('It did not happen within 10 s.');
}

/** Below the ports that the system hands out to clients: those may take a port while the service is down. */
async function freePort(): Promise<number> {
  for (;;) {
    const server = createTcpServer();
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
