import type { RouteServer } from '@sluice/domain';
import type { RouteDriver } from '../route-driver.ts';
import { TraefikDriver, type TraefikSettings } from '../traefik/traefik-driver.ts';
import { BENCH_BACKEND } from './proxy-bench.ts';
import { findFreePort } from './sample-servers.ts';
import { FakeTraefik } from './traefik-fake.ts';

/** Traefik as its published documentation has it; that a real one does the same is unproved. */
export class TraefikBench {
  readonly port: number;
  readonly settings: TraefikSettings;
  readonly #apiPort: number;
  readonly #fake: FakeTraefik;

  private constructor(port: number, apiPort: number, providerPort: number) {
    this.port = port;
    this.#apiPort = apiPort;
    this.settings = {
      backend: BENCH_BACKEND,
      provider: { host: '127.0.0.1', port: providerPort },
      api: `http://127.0.0.1:${apiPort}`,
      rule: 'PathPrefix(`/`)',
      entryPoints: ['web'],
    };
    this.#fake = new FakeTraefik(`http://127.0.0.1:${providerPort}/`);
  }

  static async make(_base?: RouteServer): Promise<TraefikBench> {
    const bench = new TraefikBench(
      await findFreePort(),
      await findFreePort(),
      await findFreePort(),
    );
    await bench.start();
    return bench;
  }

  makeDriver(): RouteDriver {
    return new TraefikDriver(this.settings);
  }

  start(): Promise<void> {
    return this.#fake.start(this.port, this.#apiPort);
  }

  stop(): Promise<void> {
    return this.#fake.stop();
  }
}
