import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RouteServer } from '@sluice/domain';
import { askHttp } from '../ask-http.ts';
import { CaddyDriver, type CaddySettings } from '../caddy/caddy-driver.ts';
import type { RouteDriver } from '../route-driver.ts';
import { BenchProcess } from './bench-process.ts';
import { askThrough } from './http-load.ts';
import { BENCH_BACKEND, type ProxyBench } from './proxy-bench.ts';
import { findFreePort } from './sample-servers.ts';

const EDIT = { 'X-By-Hand': ['yes'] };

/** A real Caddy in a folder of its own; its configuration is a file, as it was before it was told anything. */
export class CaddyBench implements ProxyBench {
  readonly movesVisitors = true;
  /** Go's server drops a request that it reads after it began to shut down, and Caddy's is renewed by each change. */
  readonly dropsRequests = true;
  readonly port: number;
  readonly settings: CaddySettings;
  readonly #folder: string;
  readonly #binary: string;
  #process: BenchProcess | undefined;

  private constructor(folder: string, port: number, admin: number, binary: string) {
    this.#folder = folder;
    this.#binary = binary;
    this.port = port;
    this.settings = {
      backend: BENCH_BACKEND,
      admin: `http://127.0.0.1:${admin}`,
      id: 'shop',
    };
  }

  static async make(binary: string, base: RouteServer): Promise<CaddyBench> {
    const folder = await mkdtemp(join(tmpdir(), 'sluice-caddy-bench-'));
    const bench = new CaddyBench(folder, await findFreePort(), await findFreePort(), binary);
    const proxy = {
      handler: 'reverse_proxy',
      upstreams: [{ dial: `${base.address}:${base.port}` }],
    };
    const handler = { '@id': 'shop', handler: 'subroute', routes: [{ handle: [proxy] }] };
    const config = {
      admin: { listen: new URL(bench.settings.admin).host, config: { persist: false } },
      logging: { logs: { default: { level: 'ERROR' } } },
      apps: {
        http: {
          servers: {
            web: {
              listen: [`127.0.0.1:${bench.port}`],
              automatic_https: { disable: true },
              routes: [{ handle: [handler] }],
            },
          },
        },
      },
    };
    await writeFile(join(folder, 'caddy.json'), JSON.stringify(config));
    await bench.start();
    return bench;
  }

  makeDriver(): RouteDriver {
    return new CaddyDriver(this.settings);
  }

  async start(): Promise<void> {
    this.#process = new BenchProcess(
      this.#binary,
      ['run', '--config', join(this.#folder, 'caddy.json')],
      { PATH: process.env['PATH'], HOME: this.#folder },
    );
    await this.#process.until('Caddy', async () => (await askThrough(this.port)).status > 0);
  }

  async kill(): Promise<void> {
    await this.#process?.kill();
  }

  async editByHand(): Promise<void> {
    const edit = { handle: [{ handler: 'headers', response: { set: EDIT } }] };
    await this.#tell('POST', '/id/shop/routes', JSON.stringify(edit));
  }

  async undoEdit(): Promise<void> {
    const { body } = await this.#tell('GET', '/id/shop/routes');
    const last = (JSON.parse(body) as unknown[]).length - 1;
    await this.#tell('DELETE', `/id/shop/routes/${last}`);
  }

  spoil(text: string): string {
    return text.replaceAll('"reverse_proxy"', '"no_such_handler"');
  }

  async close(): Promise<void> {
    await this.kill();
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #tell(method: string, path: string, body?: string) {
    const answer = await askHttp(
      `${this.settings.admin}${path}`,
      {
        method,
        headers: { 'content-type': 'application/json' },
        ...(body === undefined ? {} : { body }),
      },
      AbortSignal.timeout(5000),
    );
    if (answer.status !== 200) throw new Error(`${method} ${path}: ${answer.body}`);
    return answer;
  }
}
