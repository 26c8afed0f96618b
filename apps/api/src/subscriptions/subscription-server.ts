import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { setTimeout as wait } from 'node:timers/promises';
import type { GraphQLSchema } from 'graphql';
import { handleProtocols } from 'graphql-ws';
import { WebSocketServer } from 'ws';
import type { ApiParts } from '../api-parts.ts';
import { beginTrace } from '../trace/trace.middleware.ts';
import { attachSocket } from './attach-socket.ts';
import { MAX_MESSAGE_BYTES } from './subscription-limits.ts';
import { createSubscriptionProtocol, GOING_AWAY } from './subscription-protocol.ts';

/** How long clients get to say good-bye when the process stops. Milliseconds. */
const FAREWELL_MS = 1000;

/** What a running server of subscriptions can do. */
export interface SubscriptionServer {
  /** Tells every client to go on elsewhere, and takes no more. */
  close(): Promise<void>;
}

/**
 * Serves subscriptions at `/graphql` over WebSocket. The token comes in the payload of connection_init or in the
 * Authorization header of the upgrade; nothing is answered before.
 */
export function serveSubscriptions(
  httpServer: Server,
  schema: GraphQLSchema,
  parts: ApiParts,
): SubscriptionServer {
  const { log, subscriptionLimits } = parts;
  const protocol = createSubscriptionProtocol(schema, parts);
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_MESSAGE_BYTES,
    perMessageDeflate: false,
    handleProtocols,
  });
  let isClosing = false;

  httpServer.on('upgrade', (request: IncomingMessage, stream: Duplex, head: Buffer) => {
    stream.on('error', () => stream.destroy());
    if (request.url?.split('?')[0] !== '/graphql') return refuse(stream, '404 Not Found');
    if (isClosing || sockets.clients.size >= subscriptionLimits.connections) {
      return refuse(stream, '503 Service Unavailable');
    }
    sockets.handleUpgrade(request, stream, head, (socket) => {
      const trace = beginTrace(log, request.headers.traceparent);
      attachSocket(
        protocol,
        { socket, request, trace, tokenHash: undefined, principal: undefined },
        trace.log,
      );
    });
  });

  return {
    async close() {
      isClosing = true;
      for (const socket of sockets.clients) socket.close(GOING_AWAY, 'Going away');
      const deadline = performance.now() + FAREWELL_MS;
      while (sockets.clients.size > 0 && performance.now() < deadline) await wait(10);
      for (const socket of sockets.clients) socket.terminate();
      sockets.close();
    },
  };
}

function refuse(stream: Duplex, status: string): void {
  stream.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
}
