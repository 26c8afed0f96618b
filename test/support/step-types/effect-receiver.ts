import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A request as it came. */
export interface ReceivedRequest {
  /** First part of its path: `http`. */
  readonly path: string;
  /** Its `Idempotency-Key`; empty without one. */
  readonly key: string;
}

/** Where the requests of steps arrive: counted by their keys, and answered only when that is wanted. */
export interface EffectReceiver {
  readonly url: string;
  readonly port: number;
  /** From now on requests for a path wait for their answer. */
  hold(path: string): void;
  /** Answers those that wait, and all that come. */
  release(path: string): void;
  /** Requests for a path whose key begins so, in the order in which they came. */
  list(path: string, keyStart?: string): readonly ReceivedRequest[];
  close(): Promise<void>;
}

/** Listens on 127.0.0.1. */
export async function startEffectReceiver(): Promise<EffectReceiver> {
  const received: ReceivedRequest[] = [];
  const held = new Map<string, ServerResponse[]>();
  const server = createServer((request, response) => {
    const path = (request.url ?? '/').slice(1).split('/')[0] ?? '';
    received.push({ path, key: String(request.headers['idempotency-key'] ?? '') });
    request.resume();
    response.on('error', () => undefined);
    const waiting = held.get(path);
    if (waiting === undefined) response.end('ok');
    else waiting.push(response);
  });
  server.keepAliveTimeout = 1000;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    hold: (path) => {
      if (!held.has(path)) held.set(path, []);
    },
    release: (path) => {
      for (const response of held.get(path) ?? []) response.end('ok');
      held.delete(path);
    },
    list: (path, keyStart = '') =>
      received.filter((one) => one.path === path && one.key.startsWith(keyStart)),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** What contradicts "at least once, always with the same key" in the requests of one step; `most` of them may have come. */
export function findRepeatedRequests(
  requests: readonly ReceivedRequest[],
  most: number,
): readonly string[] {
  const keys = new Set(requests.map(({ key }) => key));
  return [
    ...(requests.length === 0 ? ['it asked nobody'] : []),
    ...(requests.length > most
      ? [`it asked ${requests.length} times, at most ${most} are due`]
      : []),
    ...(keys.size > 1 ? [`it asked with several keys: ${[...keys].join(', ')}`] : []),
  ];
}
