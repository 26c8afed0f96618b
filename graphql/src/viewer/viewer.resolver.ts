import { Inject } from '@nestjs/common';
import { Context, Query, Resolver } from '@nestjs/graphql';
import type { GraphqlContext } from '../common/graphql-context.ts';
import { GRAPHQL_PARTS, type GraphqlParts } from '../common/tokens.ts';

/** Who asks, and what verifies what they get. */
@Resolver()
export class ViewerResolver {
  readonly #parts: GraphqlParts;

  constructor(@Inject(GRAPHQL_PARTS) parts: GraphqlParts) {
    this.#parts = parts;
  }

  @Query('viewer')
  viewer(@Context() { principal }: GraphqlContext) {
    return { name: principal?.principalId, tenant: principal?.tenantId, role: principal?.role };
  }

  @Query('trustRoot')
  async trustRoot() {
    return { document: await this.#parts.readTrustRoot() };
  }
}
