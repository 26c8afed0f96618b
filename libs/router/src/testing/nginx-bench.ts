import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RouteServer } from '@sluice/domain';
import { NginxDriver, type NginxSettings } from '../nginx/nginx-driver.ts';
import type { RouteDriver } from '../route-driver.ts';
import { BenchProcess } from './bench-process.ts';
import { askThrough } from './http-load.ts';
import { BENCH_BACKEND, type ProxyBench } from './proxy-bench.ts';
import { findFreePort } from './sample-servers.ts';

/** A real nginx in a folder of its own. */
export class NginxBench implements ProxyBench {
  readonly movesVisitors = true;
  readonly port: number;
  readonly settings: NginxSettings;
  readonly #folder: string;
  readonly #binary: string;
  #process: BenchProcess | undefined;

  private constructor(folder: string, port: number, status: number, binary: string) {
    this.#folder = folder;
    this.#binary = binary;
    this.port = port;
    this.settings = {
      backend: BENCH_BACKEND,
      file: join(folder, 'sluice.conf'),
      configFile: join(folder, 'nginx.conf'),
      pidFile: join(folder, 'nginx.pid'),
      status: `127.0.0.1:${status}`,
      binary,
      binaryArguments: ['-p', folder],
    };
  }

  static async make(binary: string, base: RouteServer): Promise<NginxBench> {
    const folder = await mkdtemp(join(tmpdir(), 'sluice-nginx-bench-'));
    const bench = new NginxBench(folder, await findFreePort(), await findFreePort(), binary);
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
      .map((name) => `    ${name}_temp_path ${folder}/${name};`)
      .join('\n');
    await writeFile(
      bench.settings.configFile,
      `worker_processes 2;
pid ${bench.settings.pidFile};
error_log ${folder}/error.log warn;
events { worker_connections 512; }
http {
    access_log off;
${temporary}
    include ${bench.settings.file};
    server {
        listen 127.0.0.1:${bench.port};
        location / {
            proxy_pass http://$sluice_${BENCH_BACKEND};
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            add_header Set-Cookie $sluice_${BENCH_BACKEND}_cookie;
        }
    }
}
`,
    );
    await writeFile(
      bench.settings.file,
      `upstream sluice_base { server ${base.address}:${base.port}; }
map $request_id $sluice_${BENCH_BACKEND} { default sluice_base; }
map $request_id $sluice_${BENCH_BACKEND}_cookie { default ""; }
`,
    );
    await bench.start();
    return bench;
  }

  makeDriver(): RouteDriver {
    return new NginxDriver(this.settings);
  }

  async start(): Promise<void> {
    const args = ['-p', this.#folder, '-c', this.settings.configFile, '-g', 'daemon off;'];
    this.#process = new BenchProcess(this.#binary, args);
    await this.#process.until('nginx', async () => (await askThrough(this.port)).status > 0);
  }

  async kill(): Promise<void> {
    await this.#process?.kill();
  }

  async editByHand(): Promise<void> {
    const text = await readFile(this.settings.file, 'utf8');
    await writeFile(this.settings.file, `${text}# by hand\n`);
  }

  async undoEdit(): Promise<void> {
    const text = await readFile(this.settings.file, 'utf8');
    await writeFile(this.settings.file, text.replace('# by hand\n', ''));
  }

  spoil(text: string): string {
    return `${text}no_such_word;\n`;
  }

  async close(): Promise<void> {
    await this.kill();
    await rm(this.#folder, { recursive: true, force: true });
  }
}
