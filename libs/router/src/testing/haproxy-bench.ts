import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RouteServer } from '@sluice/domain';
import { HaproxyDriver, type HaproxySettings } from '../haproxy/haproxy-driver.ts';
import type { RouteDriver } from '../route-driver.ts';
import { BenchProcess } from './bench-process.ts';
import { askThrough } from './http-load.ts';
import { BASE_SERVER, BENCH_BACKEND, type ProxyBench } from './proxy-bench.ts';
import { findFreePort } from './sample-servers.ts';

/** A real HAProxy in a folder of its own. */
export class HaproxyBench implements ProxyBench {
  readonly movesVisitors = true;
  readonly port: number;
  readonly settings: HaproxySettings;
  readonly #folder: string;
  readonly #binary: string;
  #process: BenchProcess | undefined;

  private constructor(folder: string, port: number, binary: string) {
    this.#folder = folder;
    this.#binary = binary;
    this.port = port;
    this.settings = {
      backend: BENCH_BACKEND,
      file: join(folder, 'sluice.cfg'),
      configFiles: [join(folder, 'haproxy.cfg')],
      socket: join(folder, 'stats.sock'),
      reload: { pidFile: join(folder, 'haproxy.pid') },
      masterSocket: join(folder, 'master.sock'),
      binary,
      serverOptions: '',
    };
  }

  static async make(binary: string, base: RouteServer): Promise<HaproxyBench> {
    const folder = await mkdtemp(join(tmpdir(), 'sluice-haproxy-bench-'));
    const bench = new HaproxyBench(folder, await findFreePort(), binary);
    await writeFile(
      join(folder, 'haproxy.cfg'),
      `global
    stats socket ${bench.settings.socket} mode 600 level admin
defaults
    mode http
    option idle-close-on-response
    timeout connect 2s
    timeout client 30s
    timeout server 30s
frontend web
    bind 127.0.0.1:${bench.port}
    default_backend ${BENCH_BACKEND}
`,
    );
    await writeFile(
      bench.settings.file,
      `backend ${BENCH_BACKEND}\n    server ${base.name} ${base.address}:${base.port}\n`,
    );
    await bench.start();
    return bench;
  }

  makeDriver(): RouteDriver {
    return new HaproxyDriver(this.settings);
  }

  async start(): Promise<void> {
    const { configFiles, file } = this.settings;
    const files = [...configFiles, file].flatMap((one) => ['-f', one]);
    const folder = this.#folder;
    const sockets = ['-p', join(folder, 'haproxy.pid'), '-S', join(folder, 'master.sock')];
    this.#process = new BenchProcess(this.#binary, ['-W', ...files, ...sockets]);
    await this.#process.until('HAProxy', async () => (await askThrough(this.port)).status > 0);
  }

  async kill(): Promise<void> {
    await this.#process?.kill();
  }

  async editByHand(): Promise<void> {
    const text = await readFile(this.settings.file, 'utf8');
    await writeFile(this.settings.file, `${text}    timeout queue 5s\n`);
  }

  async undoEdit(): Promise<void> {
    const text = await readFile(this.settings.file, 'utf8');
    await writeFile(this.settings.file, text.replace('    timeout queue 5s\n', ''));
  }

  spoil(text: string): string {
    return `${text}    no-such-word ${BASE_SERVER}\n`;
  }

  async close(): Promise<void> {
    await this.kill();
    await rm(this.#folder, { recursive: true, force: true });
  }
}
