import { isPermitted, type Permission } from '@sluice/domain';
import { withSpan } from '@sluice/observability';
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
  decideApproval: 'promotion.decide',
  rollbackEnvironment: 'environment.rollback',
};

/** Writes the audit record of a refused mutation; must not throw. */
export type RecordRefusal = (
  context: GraphqlContext,
  principal: Principal,
  mutation: string,
  refusal: RefusalMember,
) => Promise<void>;

/**
 * Wraps every field of Query, Mutation and Subscription, so that no resolver can forget it: nobody unauthenticated
 * gets in, a query and a subscription need `read`, a mutation its permission; refusals of mutations become union
 * members and are recorded, refusals of the others become `BAD_USER_INPUT` errors.
 * @throws Error when a mutation has no permission in {@link MUTATION_PERMISSIONS}
 */
export function guardRootFields(
  schema: GraphQLSchema,
  recordRefusal: RecordRefusal,
): GraphQLSchema {
  for (const field of Object.values(schema.getQueryType()?.getFields() ?? {})) guardQuery(field);
  for (const field of Object.values(schema.getSubscriptionType()?.getFields() ?? {})) {
    guardSubscription(field);
  }
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
  field.resolve = (source, args, context, info) =>
    readGuarded(context, () => resolve(source, args, context, info));
}

function guardSubscription(field: RootField): void {
  const { subscribe } = field;
  // Without one, graphql-js would take the field's name from the root value.
  if (subscribe === undefined) throw new Error(`Subscription ${field.name} has no source.`);
  field.subscribe = (source, args, context, info) =>
    readGuarded(context, () => subscribe(source, args, context, info));
}

async function readGuarded(context: GraphqlContext, read: () => unknown): Promise<unknown> {
  const principal = requirePrincipal(context);
  if (!isPermitted(principal.role, 'read')) {
    throw new GraphQLError('This token may not read.', { extensions: { code: 'FORBIDDEN' } });
  }
  try {
    return await read();
  } catch (error) {
    const refusal = refusalOf(error);
    if (refusal === undefined) throw error;
    const argument = refusal.__typename === 'InvalidInput' ? refusal.field : null;
    throw new GraphQLError(refusal.message, { extensions: { code: 'BAD_USER_INPUT', argument } });
  }
}

function guardMutation(field: RootField, needed: Permission, recordRefusal: RecordRefusal): void {
  const resolve: Resolver = field.resolve ?? defaultFieldResolver;
  field.resolve = async (source, args, context, info): Promise<unknown> => {
    const principal = requirePrincipal(context);
    try {
      if (!isPermitted(principal.role, needed)) throw notPermitted(principal.principalId, needed);
      return await withSpan(
        'mutation',
        context.traceparent,
        { operation: field.name, tenantId: principal.tenantId },
        // What it asks the engine for is traced beneath it.
        ({ traceparent }) =>
          Promise.resolve(resolve(source, args, { ...context, traceparent }, info)),
      );
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
  throw unauthenticated();
}

/** One text for a missing, a malformed, an unknown and a disabled token: it must not tell them apart. */
export function unauthenticated(): GraphQLError {
  return new GraphQLError('Send a valid token as "Authorization: Bearer <token>".', {
    extensions: {
      code: 'UNAUTHENTICATED',
      http: { status: 401, headers: new Map([['www-authenticate', 'Bearer']]) },
    },
  });
}
