import { deepStrictEqual, match as matches, ok, strictEqual } from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { composeRouteTable, type RouteTable } from '@sluice/domain';
import { createRouterOf } from '../create-router.ts';
import type { RouteDriver } from '../route-driver.ts';
import type { RouteOutcome, Router } from '../router.ts';
import { BENCH_BACKEND, type ProxyBench } from './proxy-bench.ts';
import { SampleServers } from './sample-servers.ts';

/** Names of the servers that the checks send requests to. */
export const SAMPLE_NAMES = ['base', 'web-1', 'web-2', 'web-3', 'web-4'] as const;

/** What a conformance check is given: a proxy that serves `base`, and a router that was never told anything. */
export class ConformanceRoom {
  readonly bench: ProxyBench;
  readonly servers: SampleServers;
  readonly #folder: string;
  readonly #routers: Router[] = [];

  private constructor(bench: ProxyBench, servers: SampleServers, folder: string) {
    this.bench = bench;
    this.servers = servers;
    this.#folder = folder;
  }

  /** @param makeBench starts the proxy with the server `base` */
  static async open(
    makeBench: (servers: SampleServers) => Promise<ProxyBench>,
  ): Promise<ConformanceRoom> {
    const servers = await SampleServers.start(SAMPLE_NAMES);
    const folder = await mkdtemp(join(tmpdir(), 'sluice-router-state-'));
    return new ConformanceRoom(await makeBench(servers), servers, folder);
  }

  /** A router as an agent has it after it was started: the state of those before is there. */
  router(
    change: (driver: RouteDriver) => RouteDriver = (driver) => driver,
    serveTimeoutMs = 10_000,
  ): Router {
    const router = createRouterOf(change(this.bench.makeDriver()), BENCH_BACKEND, {
      stateFolder: this.#folder,
      serveTimeoutMs,
      drainTimeoutMs: 5000,
    });
    this.#routers.push(router);
    return router;
  }

  /** `web-1` and `web-2` stable, `web-3` and `web-4` canary. */
  table(canaryPermille: number, parts: Partial<RouteTable> = {}): RouteTable {
    return composeRouteTable({
      backend: BENCH_BACKEND,
      pools: {
        stable: this.servers.of('web-1', 'web-2'),
        canary: this.servers.of('web-3', 'web-4'),
      },
      canaryPermille,
      match: [],
      ...parts,
    });
  }

  /** A router that is stuck in a call: as if its process had been killed. */
  forget(router: Router): void {
    this.#routers.splice(this.#routers.indexOf(router), 1);
  }

  /** As if the disk of the agent had been lost, and the proxy's had not. */
  async loseState(): Promise<void> {
    await rm(this.#folder, { recursive: true });
  }

  async close(): Promise<void> {
    for (const router of this.#routers) await router.close();
    await this.bench.close();
    await this.servers.close();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** A driver whose methods are replaced in part. */
export function withDriver(driver: RouteDriver, parts: Partial<RouteDriver>): RouteDriver {
  return new Proxy(driver, {
    get(target, name) {
      const replaced = parts[name as keyof RouteDriver];
      if (replaced !== undefined) return replaced;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

/** Throws unless a change was confirmed. */
export function assertConfirmed(
  outcome: RouteOutcome,
): asserts outcome is Extract<RouteOutcome, { state: 'confirmed' }> {
  if (outcome.state !== 'confirmed') {
    throw new Error(`${outcome.state} ${outcome.code}: ${outcome.message}`);
  }
}

/** Throws unless a change was refused or reverted with that code, and says something. */
export function assertFailed(
  outcome: RouteOutcome,
  state: 'refused' | 'reverted',
  code: string,
): string {
  if (outcome.state !== state) {
    throw new Error(`It was not ${state}: ${JSON.stringify(outcome)}`);
  }
  strictEqual(outcome.code, code, outcome.message);
  matches(outcome.message, /\S.{20}/);
  return outcome.message;
}

export { deepStrictEqual, ok, strictEqual };
