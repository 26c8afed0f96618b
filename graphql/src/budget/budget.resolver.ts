import { Context, Query, Resolver } from '@nestjs/graphql';
import { budgetLimit } from '@sluice/domain';
import { type BudgetUsage, listBudgetUsage } from '@sluice/persistence';
import type { GraphqlContext } from '../common/graphql-context.ts';

/** Disruption budgets, and how far they are used. */
@Resolver()
export class BudgetResolver {
  @Query('budgets')
  async budgets(@Context() { inTenant }: GraphqlContext) {
    return (await inTenant(listBudgetUsage)).map(budgetView);
  }
}

function budgetView({ budget, matching, unavailable, holders }: BudgetUsage) {
  const { name, selector, maxUnavailable, maxUnavailablePercent } = budget;
  return {
    name,
    selector,
    maxUnavailable,
    maxUnavailablePercent,
    limit: budgetLimit(budget, matching),
    matching,
    unavailable,
    holders: holders.map(({ target, promotionId }) => ({ target, promotion: promotionId })),
  };
}
