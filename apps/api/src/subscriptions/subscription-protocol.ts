import type { IncomingMessage } from 'node:http';
import {
  createErrorFormat,
  type GraphqlContext,
  type Principal,
  unauthenticated,
} from '@sluice/graphql';
import { type ExecutionArgs, GraphQLError, type GraphQLSchema } from 'graphql';
import { CloseCode, makeServer, type Server } from 'graphql-ws';
import type { WebSocket } from 'ws';
import type { ApiParts } from '../api-parts.ts';
import { createContext, hashOfAuthorization } from '../request-context.ts';
import type { RequestTrace } from '../trace/trace.middleware.ts';
import { ConnectionCounts } from './connection-counts.ts';
import { readOperation } from './read-operation.ts';
import { subscribeRenewing } from './renewing-subscribe.ts';
import { INIT_DEADLINE_MS } from './subscription-limits.ts';

/** Closes a connection whose principal has too many of them. */
export const TOO_MANY_CONNECTIONS = 4429;

/** Closes connections when this process stops: RFC 6455, going away. */
export const GOING_AWAY = 1001;

/** What is known of one connection. The token itself is not kept. */
export interface Connection {
  readonly socket: WebSocket;
  readonly request: IncomingMessage;
  readonly trace: RequestTrace;
  tokenHash: string | undefined;
  principal: Principal | undefined;
}

/** The rules of the protocol `graphql-transport-ws` as this API speaks it. */
export function createSubscriptionProtocol(
  schema: GraphQLSchema,
  parts: ApiParts,
): Server<Connection> {
  const { log, subscriptionLimits, queryLimits } = parts;
  const counts = new ConnectionCounts(subscriptionLimits, parts.metrics);
  const sockets = new WeakMap<GraphqlContext, WebSocket>();
  const format = createErrorFormat((id, error) =>
    log.error({ err: error, id }, 'subscription failed'),
  );
  const formatted = (errors: readonly GraphQLError[]) =>
    errors.map((error) => format(error.toJSON(), error));

  return makeServer<Record<string, unknown>, Connection>({
    connectionInitWaitTimeout: INIT_DEADLINE_MS,
    onConnect: async ({ connectionParams, extra }) => {
      const { authorization, Authorization } = connectionParams ?? {};
      const given = authorization ?? Authorization ?? extra.request.headers.authorization;
      extra.tokenHash = hashOfAuthorization(given);
      const { principal } = await createContext(parts, extra.tokenHash, extra.trace);
      if (principal === undefined || extra.socket.readyState !== extra.socket.OPEN) return false;
      if (!counts.admit(principal)) {
        extra.socket.close(TOO_MANY_CONNECTIONS, 'Too many connections');
        return false;
      }
      extra.principal = principal;
      return true;
    },
    onSubscribe: async ({ subscriptions, extra }, _id, payload) => {
      const limit = subscriptionLimits.operationsPerConnection;
      if (Object.keys(subscriptions).length > limit) return [tooManyOperations(limit)];
      const document = readOperation(schema, payload, queryLimits);
      if (!('definitions' in document)) return document;
      const contextValue = await createContext(parts, extra.tokenHash, extra.trace);
      if (contextValue.principal === undefined) {
        extra.socket.close(CloseCode.Forbidden, 'Forbidden');
        return [unauthenticated()];
      }
      sockets.set(contextValue, extra.socket);
      return {
        schema,
        document,
        contextValue,
        operationName: payload.operationName ?? null,
        variableValues: payload.variables ?? {},
      };
    },
    subscribe: (args: ExecutionArgs) => {
      const known = args as ExecutionArgs & { readonly contextValue: GraphqlContext };
      const socket = sockets.get(known.contextValue);
      return subscribeRenewing(known, (error) => closeFor(socket, error));
    },
    onNext: (_context, _id, _payload, _args, { errors, data = null }) => ({
      data,
      ...(errors === undefined ? {} : { errors: formatted(errors) }),
    }),
    onError: (_context, _id, _payload, errors) => formatted(errors),
    onClose: ({ extra }) => {
      if (extra.principal !== undefined) counts.leave(extra.principal);
    },
  });
}

/**
 * Closes the connection where an error means that none of its operations can go on: nobody is authenticated any more, or
 * this process stops. An operation that merely completed would look to its client as if there were no more events.
 */
function closeFor(socket: WebSocket | undefined, error: unknown): boolean {
  const { code, extensions } = error as {
    readonly code?: unknown;
    readonly extensions?: { readonly code?: unknown };
  };
  if (extensions?.code === 'UNAUTHENTICATED') socket?.close(CloseCode.Forbidden, 'Forbidden');
  else if (code === 'stopping') socket?.close(GOING_AWAY, 'Going away');
  else return false;
  return true;
}

function tooManyOperations(limit: number): GraphQLError {
  return new GraphQLError(
    `A connection serves at most ${limit} operations at once; end one, or open another connection.`,
    { extensions: { code: 'QUERY_TOO_LARGE', limit: 'operations' } },
  );
}
