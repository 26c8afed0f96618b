import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RouteServer } from '@sluice/domain';

/** Servers on loopback that say their name in `x-server`; `/slow?ms=500` takes its time. */
export class SampleServers {
  readonly #servers = new Map<string, Server>();

  private constructor() {}

  static async start(names: readonly string[]): Promise<SampleServers> {
    const started = new SampleServers();
    for (const name of names) {
      const server = createServer(async (request, response) => {
        const url = new URL(request.url ?? '/', 'http://sample');
        if (url.pathname === '/slow') await sleep(Number(url.searchParams.get('ms')));
        response.statusCode = url.pathname === '/fails' ? 500 : 200;
        response.setHeader('x-server', name);
        response.end(name);
      });
      // Longer than any proxy keeps a connection.
      server.keepAliveTimeout = 120_000;
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      started.#servers.set(name, server);
    }
    return started;
  }

  of(...names: readonly string[]): readonly RouteServer[] {
    return names.map((name) => {
      const server = this.#servers.get(name);
      if (server === undefined) throw new Error(`There is no sample server "${name}".`);
      return { name, address: '127.0.0.1', port: (server.address() as AddressInfo).port };
    });
  }

  async close(): Promise<void> {
    for (const server of this.#servers.values()) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  }
}

/** A port of loopback that nobody has now. */
export async function findFreePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
