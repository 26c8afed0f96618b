import { isPermitted, type Permission } from '@sluice/domain';
import { withSpan } from '@sluice/observability';
import {
  defaultFieldResolver,
  GraphQLError,
  type GraphQLField,
  type GraphQLFieldResolver,
  type GraphQLSchema,
  getNamedType,
  isUnionType,
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
  steerRollout: 'rollout.steer',
  exportHistories: 'history.read',
  resetPromotion: 'promotion.reset',
  resumePromotion: 'promotion.reset',
  reconcile: 'estate.reconcile',
  publishPipeline: 'pipeline.publish',
};

/** What these queries need; all others need `read`. */
export const QUERY_PERMISSIONS: Readonly<Record<string, Permission>> = {
  workflowBundles: 'history.read',
  workflowCode: 'history.read',
  resetPreview: 'promotion.reset',
  reconciliation: 'estate.reconcile',
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
 * gets in, a query and a subscription need `read` (or what {@link QUERY_PERMISSIONS} says), a mutation its permission;
 * refusals of mutations become union members and are recorded, refusals of the others become union members where the
 * field answers with such a union, else `BAD_USER_INPUT` (or `FORBIDDEN`) errors.
 * @throws Error when a mutation has no permission in {@link MUTATION_PERMISSIONS}, or a query that has one is not there
 */
export function guardRootFields(
  schema: GraphQLSchema,
  recordRefusal: RecordRefusal,
): GraphQLSchema {
  const queries = schema.getQueryType()?.getFields() ?? {};
  for (const name of Object.keys(QUERY_PERMISSIONS)) {
    if (!Object.hasOwn(queries, name)) throw new Error(`There is no query ${name} to guard.`);
  }
  for (const field of Object.values(queries)) guardQuery(field);
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
  const needed = QUERY_PERMISSIONS[field.name] ?? 'read';
  const type = getNamedType(field.type);
  const members = isUnionType(type) ? type.getTypes().map(({ name }) => name) : [];
  field.resolve = async (source, args, context, info): Promise<unknown> => {
    const principal = requirePrincipal(context);
    try {
      if (!isPermitted(principal.role, needed)) throw notPermitted(principal.principalId, needed);
      return await resolve(source, args, context, info);
    } catch (error) {
      const refusal = refusalOf(error);
      if (refusal === undefined) throw error;
      if (members.includes(refusal.__typename)) return refusal;
      throw errorOf(refusal);
    }
  };
}

function guardSubscription(field: RootField): void {
  const { subscribe } = field;
  // Without one, graphql-js would take the field's name from the root value.
  if (subscribe === undefined) throw new Error(`Subscription ${field.name} has no source.`);
  field.subscribe = async (source, args, context, info): Promise<unknown> => {
    const principal = requirePrincipal(context);
    try {
      if (!isPermitted(principal.role, 'read')) throw notPermitted(principal.principalId, 'read');
      return await subscribe(source, args, context, info);
    } catch (error) {
      const refusal = refusalOf(error);
      throw refusal === undefined ? error : errorOf(refusal);
    }
  };
}

/** A refusal where there is no union that could hold it. */
function errorOf(refusal: RefusalMember): GraphQLError {
  if (refusal.__typename === 'NotPermitted') {
    return new GraphQLError(refusal.message, { extensions: { code: 'FORBIDDEN' } });
  }
  const argument = refusal.__typename === 'InvalidInput' ? refusal.field : null;
  return new GraphQLError(refusal.message, { extensions: { code: 'BAD_USER_INPUT', argument } });
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
