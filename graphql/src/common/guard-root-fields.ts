import { isPermitted, type Permission } from '@sluice/domain';
import {
  defaultFieldResolver,
  GraphQLError,
  type GraphQLField,
  type GraphQLFieldResolver,
  type GraphQLSchema,
} from 'graphql';
import type { GraphqlContext, Principal } from './graphql-context.ts';
import { notPermitted, type RefusalMember, refusalOf } from './refusal.ts';

/** What each mutation needs. A mutation that is not here keeps the API from starting. */
export const MUTATION_PERMISSIONS: Readonly<Record<string, Permission>> = {
  createRelease: 'release.create',
  requestPromotion: 'promotion.request',
  cancelPromotion: 'promotion.cancel',
};

/** Writes the audit record of a refused mutation; must not throw. */
export type RecordRefusal = (
  context: GraphqlContext,
  principal: Principal,
  mutation: string,
  refusal: RefusalMember,
) => Promise<void>;

/**
 * Wraps every field of Query and Mutation, so that no resolver can forget it: nobody unauthenticated gets
 * in, a query needs `read`, a mutation its permission; refusals of mutations become union members and are
 * recorded, refusals of queries become `BAD_USER_INPUT` errors.
 * @throws Error when a mutation has no permission in {@link MUTATION_PERMISSIONS}
 */
export function guardRootFields(
  schema: GraphQLSchema,
  recordRefusal: RecordRefusal,
): GraphQLSchema {
  for (const field of Object.values(schema.getQueryType()?.getFields() ?? {})) guardQuery(field);
  for (const field of Object.values(schema.getMutationType()?.getFields() ?? {})) {
    const permission = MUTATION_PERMISSIONS[field.name];
    if (permission === undefined) {
      throw new Error(`Mutation ${field.name} has no permission; add it to MUTATION_PERMISSIONS.`);
    }
    guardMutation(field, permission, recordRefusal);
  }
  return schema;
}

type Resolver = GraphQLFieldResolver<unknown, GraphqlContext, Record<string, unknown>>;
type RootField = GraphQLField<unknown, GraphqlContext>;

function guardQuery(field: RootField): void {
  const resolve: Resolver = field.resolve ?? defaultFieldResolver;
  field.resolve = async (source, args, context, info): Promise<unknown> => {
    const principal = requirePrincipal(context);
    if (!isPermitted(principal.role, 'read')) {
      throw new GraphQLError('This token may not read.', { extensions: { code: 'FORBIDDEN' } });
    }
    try {
      return await resolve(source, args, context, info);
    } catch (error) {
      const refusal = refusalOf(error);
      if (refusal === undefined) throw error;
      const argument = refusal.__typename === 'InvalidInput' ? refusal.field : null;
      throw new GraphQLError(refusal.message, { extensions: { code: 'BAD_USER_INPUT', argument } });
    }
  };
}

function guardMutation(field: RootField, needed: Permission, recordRefusal: RecordRefusal): void {
  const resolve: Resolver = field.resolve ?? defaultFieldResolver;
  field.resolve = async (source, args, context, info): Promise<unknown> => {
    const principal = requirePrincipal(context);
    try {
      if (!isPermitted(principal.role, needed)) throw notPermitted(principal.principalId, needed);
      return await resolve(source, args, context, info);
    } catch (error) {
      const refusal = refusalOf(error);
      if (refusal === undefined) throw error;
      await recordRefusal(context, principal, field.name, refusal);
      return refusal;
    }
  };
}

function requirePrincipal(context: GraphqlContext): Principal {
  if (context.principal !== undefined) return context.principal;
  // One text for a missing, a malformed, an unknown and a disabled token: it must not tell them apart.
  throw new GraphQLError('Send a valid token as "Authorization: Bearer <token>".', {
    extensions: {
      code: 'UNAUTHENTICATED',
      http: { status: 401, headers: new Map([['www-authenticate', 'Bearer']]) },
    },
  });
}
