import type { Role, Voter } from '@sluice/domain';
import type { Logger } from '@sluice/observability';
import type { InTenant } from './in-tenant.ts';
import type { Loaders } from './loaders.ts';

/** Whom a bearer token speaks for, and the person behind it. */
export interface Principal extends Voter {
  readonly tenantId: string;
  readonly role: Role;
}

/** What every resolver of one request shares. */
export interface GraphqlContext {
  /** Undefined when the request carried no token that is known. */
  readonly principal: Principal | undefined;
  /** W3C trace context of this request; a promotion that it makes carries it on. */
  readonly traceparent: string;
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  readonly log: Logger;
  /** Throws when nobody is authenticated. */
  readonly inTenant: InTenant;
  /** Batched reads; caches live as long as the request. */
  readonly loaders: Loaders;
  /**
   * The same request as it would be now: who asks is looked up again, and nothing that was read before is remembered.
   * A subscription asks for it at each event. Throws the `UNAUTHENTICATED` error when the token speaks for nobody any more.
   */
  readonly renew: () => Promise<GraphqlContext>;
}

/** The request's principal; the root fields' guard let nobody else through. */
export function principalOf({ principal }: GraphqlContext): Principal {
  if (principal === undefined) throw new Error('A resolver ran without a principal.');
  return principal;
}
