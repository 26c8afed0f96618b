import type { IncomingMessage } from 'node:http';
import type { Logger } from '@sluice/observability';
import { CloseCode, type Server } from 'graphql-ws';
import type { WebSocket } from 'ws';
import { PING_EVERY_MS } from './subscription-limits.ts';

/** One connection as the protocol's hooks see it. */
export interface Attached {
  readonly socket: WebSocket;
  readonly request: IncomingMessage;
}

/**
 * Lets the protocol's server speak over a socket. What is sent waits until the socket took it, so that a slow client holds
 * up its own events and nothing else; one that does not answer a ping is ended.
 */
export function attachSocket<E extends Attached>(
  server: Server<E>,
  connection: E,
  log: Logger,
): void {
  const { socket } = connection;
  const fail = (error: unknown): void => {
    log.warn({ err: error }, 'subscription connection failed');
    socket.close(CloseCode.InternalServerError, 'Internal server error');
  };
  socket.on('error', fail);
  const closed = server.opened(
    {
      protocol: socket.protocol,
      send: (data) =>
        new Promise((resolve, reject) => {
          if (socket.readyState !== socket.OPEN) return resolve();
          // Gone while it was sent: the close tells the rest.
          socket.send(data, (error) =>
            error && socket.readyState === socket.OPEN ? reject(error) : resolve(),
          );
        }),
      close: (code, reason) => socket.close(code, reason),
      onMessage: (take) => {
        socket.on('message', (data) => void take(String(data)).catch(fail));
      },
    },
    connection,
  );
  let isAlive = true;
  socket.on('pong', () => {
    isAlive = true;
  });
  const pinging = setInterval(() => {
    if (!isAlive) return socket.terminate();
    isAlive = false;
    socket.ping();
  }, PING_EVERY_MS);
  pinging.unref();
  socket.once('close', (code, reason) => {
    clearInterval(pinging);
    closed(code, String(reason)).catch((error: unknown) =>
      log.warn({ err: error }, 'subscription not ended cleanly'),
    );
  });
}
