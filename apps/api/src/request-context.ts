import {
  createLoaders,
  type GraphqlContext,
  type InTenant,
  type Principal,
  unauthenticated,
} from '@sluice/graphql';
import { findPrincipalByTokenHash, withTenant } from '@sluice/persistence';
import { digestOfBytes } from '@sluice/pure';
import type { ApiParts } from './api-parts.ts';
import type { RequestTrace } from './trace/trace.middleware.ts';

const BEARER = /^Bearer ([\x21-\x7e]{1,512})$/i;

/**
 * The hash under which the token of an `Authorization` header is known; undefined for a header that has none. Looked up by
 * its hash: how long that takes tells nothing about any token, and nobody keeps the token itself.
 */
export function hashOfAuthorization(authorization: unknown): string | undefined {
  if (typeof authorization !== 'string') return undefined;
  const token = BEARER.exec(authorization)?.[1];
  return token === undefined ? undefined : digestOfBytes(token);
}

/** What every resolver of one operation shares. The principal is looked up in the database each time, never remembered. */
export async function createContext(
  parts: ApiParts,
  tokenHash: string | undefined,
  { traceId, traceparent, log }: RequestTrace,
): Promise<GraphqlContext> {
  const principal: Principal | undefined =
    tokenHash === undefined ? undefined : await findPrincipalByTokenHash(parts.pool, tokenHash);
  const inTenant: InTenant = (work) => {
    if (principal === undefined) throw new Error('Nobody is authenticated.');
    return withTenant(parts.pool, principal.tenantId, work);
  };
  return {
    principal,
    traceId,
    traceparent,
    log,
    inTenant,
    loaders: createLoaders(inTenant),
    renew: async () => {
      const fresh = await createContext(parts, tokenHash, { traceId, traceparent, log });
      // A token that was given to somebody else meanwhile does not go on in their name.
      const isSame =
        fresh.principal?.tenantId === principal?.tenantId &&
        fresh.principal?.principalId === principal?.principalId;
      if (fresh.principal === undefined || !isSame) throw unauthenticated();
      return fresh;
    },
  };
}
