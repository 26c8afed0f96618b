import type { ApolloServerPlugin } from '@apollo/server';
import type { ApolloDriverConfig } from '@nestjs/apollo';
import { ApolloDriver } from '@nestjs/apollo';
import type { Role } from '@sluice/domain';
import {
  createErrorFormat,
  createLoaders,
  findExceededLimit,
  type GraphqlContext,
  guardRootFields,
  type InTenant,
  MAX_QUERY_TOKENS,
  type Principal,
  readTypeDefs,
  recordRefusal,
} from '@sluice/graphql';
import { findPrincipalByTokenHash, withTenant } from '@sluice/persistence';
import { digestOfBytes } from '@sluice/pure';
import type { Request } from 'express';
import type { ApiParts } from './api-parts.ts';
import { traceOf } from './trace/trace.middleware.ts';

/** Largest body of a GraphQL request. Bytes. */
export const MAX_GRAPHQL_BYTES = 1024 * 1024;

const BEARER = /^Bearer ([\x21-\x7e]{1,512})$/i;

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
    plugins: [createLimitPlugin()],
    transformSchema: (schema) => guardRootFields(schema, recordRefusal),
    formatError: createErrorFormat((id, error) =>
      parts.log.error({ err: error, id }, 'GraphQL request failed'),
    ),
    context: ({ req }: { readonly req: Request }) => createContext(parts, req),
  };
}

async function createContext(parts: ApiParts, request: Request): Promise<GraphqlContext> {
  const { traceId, traceparent, log } = traceOf(request);
  const principal = await findPrincipal(parts, request.headers.authorization);
  const inTenant: InTenant = (work) => {
    if (principal === undefined) throw new Error('Nobody is authenticated.');
    return withTenant(parts.pool, principal.tenantId, work);
  };
  return { principal, traceId, traceparent, log, inTenant, loaders: createLoaders(inTenant) };
}

async function findPrincipal(
  parts: ApiParts,
  authorization: string | undefined,
): Promise<Principal | undefined> {
  const token = BEARER.exec(authorization ?? '')?.[1];
  if (token === undefined) return undefined;
  // Looked up by its hash: how long that takes tells nothing about any token.
  const found = await findPrincipalByTokenHash(parts.pool, digestOfBytes(token));
  return found === undefined ? undefined : { ...found, role: found.role satisfies Role };
}

/** Refuses operations that ask for too much, once they are known to be valid. */
function createLimitPlugin(): ApolloServerPlugin<GraphqlContext> {
  return {
    requestDidStart: async () => ({
      didResolveOperation: async ({ schema, document, operation, request }) => {
        if (operation === undefined) return;
        const exceeded = findExceededLimit(schema, document, operation, request.variables ?? {});
        if (exceeded !== undefined) throw exceeded;
      },
    }),
  };
}
