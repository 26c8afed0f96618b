import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** Messages of the frontend with which Postgres runs something: a simple query, and a prepared one's execution. */
const RUNS = new Set(['Q', 'E'].map((letter) => letter.charCodeAt(0)));

/** A port that hands everything on to Postgres, and counts on the wire what is run there. */
export interface CountingProxy {
  /** The same URL, by way of the proxy. */
  urlOf(url: string): string;
  /** Statements that were run since the last call; several in one simple query count once. */
  takeCount(): number;
  close(): Promise<void>;
}

/**
 * Starts one in front of the server that the URL names. It reads the protocol's frames (a type byte, four bytes of length),
 * so nothing that asks the database can be missed, however it came by its connection.
 */
export async function startCountingProxy(target: string): Promise<CountingProxy> {
  const { hostname, port } = new URL(target);
  let count = 0;
  const open = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(Number(port), hostname);
    const frames = countFrames(() => {
      count += 1;
    });
    client.on('data', frames);
    client.pipe(upstream);
    upstream.pipe(client);
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      open.add(socket);
      socket.setNoDelay(true);
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        open.delete(socket);
        other.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const own = server.address() as AddressInfo;
  return {
    urlOf: (url) => {
      const proxied = new URL(url);
      proxied.host = `127.0.0.1:${own.port}`;
      return proxied.href;
    },
    takeCount: () => {
      const taken = count;
      count = 0;
      return taken;
    },
    close: async () => {
      for (const socket of open) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

function countFrames(onRun: () => void): (chunk: Buffer) => void {
  let pending: Buffer = Buffer.alloc(0);
  let isStarted = false;
  return (chunk) => {
    pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
    for (;;) {
      // The first message has no type byte.
      const header = isStarted ? 5 : 4;
      if (pending.length < header) return;
      const size = pending.readUInt32BE(header - 4) + (isStarted ? 1 : 0);
      if (pending.length < size) return;
      if (isStarted && RUNS.has(pending[0] ?? 0)) onRun();
      isStarted = true;
      pending = pending.subarray(size);
    }
  };
}
