import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, readdir, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CommandPayload } from '@sluice/domain';
import {
  build,
  composeNixComponent,
  exportClosure,
  NIX_COMPONENT_MEDIA_TYPE,
  type NixComponent,
} from '@sluice/nix';
import { type NixBench, openNixBench, packageOf } from '@sluice/nix/testing';
import { canonicalJson, digestOfBytes } from '@sluice/pure';
import { HostBench } from '../host-bench.ts';
import type { Activation, BlobSource } from '../target-driver.ts';

const SERVER = `
import { createServer } from 'node:http';
import { readFileSync } from 'node:fs';
const { PORT, MODE = 'good' } = process.env;
console.error('starting', process.env.VERSION);
if (MODE === 'crash') throw new Error('no luck today');
createServer((request, response) => {
  response.statusCode = MODE === 'sick' ? 500 : 200;
  const self = new URL(import.meta.url).pathname;
  response.end(JSON.stringify({ ...process.env, self, cwd: process.cwd(), bytes: readFileSync(self, 'utf8').length }));
}).listen(Number(PORT), '127.0.0.1');
`;

/** Packages that run; `library` and `broken` do not. */
const VERSIONS = ['1', '2', '3', '4'];

type PayloadComponent = NonNullable<CommandPayload['desired']>['components'][number];

/** What was built, and where its blobs lie. */
interface Built {
  readonly component: NixComponent;
  readonly payload: PayloadComponent;
}

/** For tests: a target, and closures that a real Nix built. */
export class NixHostBench {
  readonly host: HostBench;
  readonly nix: NixBench;
  /** Digests that were asked for. */
  readonly asked: string[] = [];
  readonly source: BlobSource;
  readonly #blobs: string;
  readonly #built = new Map<string, Built>();
  #counter = 0;

  private constructor(host: HostBench, nix: NixBench) {
    this.host = host;
    this.nix = nix;
    this.#blobs = join(host.folder, 'blobs');
    this.source = {
      openBlob: async ({ digest }) => {
        this.asked.push(digest);
        return createReadStream(join(this.#blobs, digest.slice(7)));
      },
    };
  }

  /** @param executable a real `nix` */
  static async make(executable: string): Promise<NixHostBench> {
    const nix = await openNixBench(executable);
    const bench = new NixHostBench(await HostBench.make(), nix);
    await mkdir(bench.#blobs);
    const app = (version: string) =>
      `sh "app-${version}" ''
        mkdir -p $out/bin
        printf '#!/bin/sh\\nexport VERSION=${version}\\nexec node %s/server.mjs\\n' $server > $out/bin/start
        chmod +x $out/bin/start
      '' { inherit (packages) server; }`;
    await nix.writeFlake({
      server: `sh "server" ''mkdir $out; printf '%s' "$code" > $out/server.mjs'' { code = ${JSON.stringify(SERVER)}; }`,
      library: 'sh "library" "mkdir $out; echo lib > $out/lib" {}',
      broken: 'sh "broken" "mkdir -p $out/bin; echo no > $out/bin/start" {}',
      linked: `sh "linked" "mkdir -p $out/bin; ln -s $app/bin/start $out/bin/start" { app = packages.app-1; }`,
      ...Object.fromEntries(VERSIONS.map((version) => [`app-${version}`, app(version)])),
    });
    for (const name of ['library', 'broken', 'linked', ...VERSIONS.map((one) => `app-${one}`)]) {
      bench.#built.set(name, await bench.#buildOne(name));
    }
    return bench;
  }

  async remove(): Promise<void> {
    await this.host.remove();
    await this.nix.close();
  }

  /** What a package is. */
  built(name: string): Built {
    const found = this.#built.get(name);
    if (found === undefined) throw new Error(`Nobody built ${name}.`);
    return found;
  }

  /** Folder that is part of the store paths. */
  get storeDir(): string {
    return join(this.nix.folder, 'nix', 'store');
  }

  /** Store paths that lie on the target. */
  async storePaths(): Promise<readonly string[]> {
    const names = await readdir(join(this.host.stateDir, 'nix-store'));
    return names
      .filter((name) => !name.startsWith('.'))
      .map((name) => name.slice(33))
      .sort();
  }

  activationOf(
    packages: readonly string[],
    settings: Record<string, string> = {},
    more: Partial<Activation> = {},
  ): Activation {
    this.#counter += 1;
    const digest = digestOfBytes(packages.join());
    const { port } = this.host;
    return {
      id: digestOfBytes(`activation ${this.#counter}`),
      kind: 'deploy',
      target: 'host-1',
      environment: 'dev',
      promotionId: `dev/${this.#counter}`,
      planDigest: `sha256:${'b'.repeat(64)}`,
      health: { path: '/', port, intervalMs: 100, timeoutMs: 1000, successes: 2, failures: 100 },
      desired: {
        release: { digest, name: 'app', version: '1' },
        components: packages.map((name) => this.built(name).payload),
        settings: { PORT: String(port), ...settings },
      },
      ...more,
    };
  }

  /** Keeps a document as a blob, and gives the component that it is. */
  async keepComponent(name: string, component: NixComponent): Promise<PayloadComponent> {
    const text = canonicalJson(component);
    const digest = digestOfBytes(text);
    await writeFile(join(this.#blobs, digest.slice(7)), text);
    const manifest = { mediaType: NIX_COMPONENT_MEDIA_TYPE, digest, size: text.length };
    return { name, kind: 'nix', digest, version: '1', manifest };
  }

  async #buildOne(name: string): Promise<Built> {
    const { nix } = this.nix;
    const result = await build(nix, { flake: this.nix.flake, attribute: packageOf(name) });
    const [output] = result.outputs;
    if (output === undefined) throw new Error(`${name} has no output.`);
    const aside = join(this.#blobs, 'aside');
    const { digest } = await exportClosure(nix, [output.storePath], createWriteStream(aside));
    await rename(aside, join(this.#blobs, digest.slice(7)));
    const { size } = await stat(join(this.#blobs, digest.slice(7)));
    const component = composeNixComponent(output, { digest, size });
    return { component, payload: await this.keepComponent(name, component) };
  }
}
