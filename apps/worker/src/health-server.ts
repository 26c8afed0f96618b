import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Metrics } from '@sluice/observability';

/** What a process says of itself. */
export interface ProcessHealth {
  /** True while it can do its work. */
  readonly ready: boolean;
  /** Part → state. */
  readonly parts: Readonly<Record<string, string>>;
  /** Task queue → `served`, or why this process does not. */
  readonly queues?: Readonly<Record<string, string>>;
}

/** A listening health server. */
export interface HealthServer {
  readonly port: number;
  close(): Promise<void>;
}

/** Serves GET /healthz (the process lives), /readyz (it can work; else 503) and /metrics on 127.0.0.1. */
export async function serveHealth(
  port: number,
  health: () => ProcessHealth,
  metrics: Metrics,
): Promise<HealthServer> {
  const server: Server = createServer((request, response) => {
    const send = (status: number, contentType: string, body: string): void => {
      response.writeHead(status, { 'content-type': contentType, connection: 'close' }).end(body);
    };
    const sendJson = (status: number, body: unknown): void =>
      send(status, 'application/json', JSON.stringify(body));
    const path = request.method === 'GET' ? request.url : undefined;
    if (path === '/healthz') sendJson(200, { ok: true, ...health() });
    else if (path === '/readyz') sendJson(health().ready ? 200 : 503, health());
    else if (path === '/metrics') {
      metrics.render().then(
        ({ contentType, body }) => send(200, contentType, body),
        () => sendJson(500, { code: 'metrics-failed' }),
      );
    } else sendJson(404, { code: 'route-unknown' });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
