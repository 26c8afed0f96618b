import type { ApolloServerPlugin } from '@apollo/server';
import type { ApolloDriverConfig } from '@nestjs/apollo';
import { ApolloDriver } from '@nestjs/apollo';
import {
  createErrorFormat,
  findExceededLimit,
  type GraphqlContext,
  guardRootFields,
  MAX_QUERY_TOKENS,
  readTypeDefs,
  recordRefusal,
} from '@sluice/graphql';
import type { Request } from 'express';
import { GraphQLError, OperationTypeNode } from 'graphql';
import type { ApiParts } from './api-parts.ts';
import { createContext, hashOfAuthorization } from './request-context.ts';
import { traceOf } from './trace/trace.middleware.ts';

/** Largest body of a GraphQL request: room for the largest pipeline, each of whose characters may be escaped. Bytes. */
export const MAX_GRAPHQL_BYTES = 3 * 1024 * 1024;

/** How Nest and Apollo serve the schema: guarded, limited, without batching and persisted queries. */
export function createGraphqlOptions(parts: ApiParts): ApolloDriverConfig {
  return {
    driver: ApolloDriver,
    path: '/graphql',
    typeDefs: readTypeDefs(),
    graphiql: false,
    introspection: true,
    allowBatchedHttpRequests: false,
    persistedQueries: false,
    csrfPrevention: true,
    includeStacktraceInErrorResponses: false,
    // An unauthenticated request is a 401 for HTTP clients too.
    preserveHttpStatusForExecutionErrors: false,
    autoTransformHttpErrors: false,
    stopOnTerminationSignals: false,
    parseOptions: { maxTokens: MAX_QUERY_TOKENS },
    plugins: [createLimitPlugin(parts)],
    transformSchema: (schema) => guardRootFields(schema, recordRefusal),
    formatError: createErrorFormat((id, error) =>
      parts.log.error({ err: error, id }, 'GraphQL request failed'),
    ),
    context: ({ req }: { readonly req: Request }) =>
      createContext(parts, hashOfAuthorization(req.headers.authorization), traceOf(req)),
  };
}

/** Refuses operations that ask for too much, or for what is not served here, once they are known to be valid. */
function createLimitPlugin({ queryLimits }: ApiParts): ApolloServerPlugin<GraphqlContext> {
  return {
    requestDidStart: async () => ({
      didResolveOperation: async ({ schema, document, operation, request }) => {
        if (operation === undefined) return;
        if (operation.operation === OperationTypeNode.SUBSCRIPTION) throw notByPost();
        const variables = request.variables ?? {};
        const exceeded = findExceededLimit(schema, document, operation, variables, queryLimits);
        if (exceeded !== undefined) throw exceeded;
      },
    }),
  };
}

function notByPost(): GraphQLError {
  return new GraphQLError('Subscribe over WebSocket, by the protocol graphql-transport-ws.', {
    extensions: { code: 'BAD_REQUEST', http: { status: 400 } },
  });
}
