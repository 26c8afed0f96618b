import type { PromotionRef } from '@sluice/temporal-contract';
import type { PromotionActivities } from './fake-activities.ts';

/**
 * Activities that serve many promotions at once, each with fakes of its own: a call goes to those of its promotion's
 * environment, so that one set of workers is enough for a whole table of cases.
 */
export function routeByEnvironment(
  fakes: ReadonlyMap<string, PromotionActivities>,
): PromotionActivities {
  const of = ({ promotion }: { readonly promotion: PromotionRef }): PromotionActivities => {
    const environment = promotion.promotionId.split('/')[0] ?? '';
    const found = fakes.get(environment);
    if (found === undefined) throw new Error(`no fakes for environment ${environment}`);
    return found;
  };
  return {
    executeStep: async (input) => of(input).executeStep(input),
    compensateStep: async (input) => of(input).compensateStep(input),
    revertTarget: async (input) => of(input).revertTarget(input),
    freezeRules: async (input) => of(input).freezeRules(input),
    takeLease: async (input) => of(input).takeLease(input),
    yieldLease: async (input) => of(input).yieldLease(input),
    checkPlans: async (input) => of(input).checkPlans(input),
    reopenSteps: async (input) => of(input).reopenSteps(input),
    openApproval: async (input) => of(input).openApproval(input),
    recordApproval: async (input) => of(input).recordApproval(input),
    closeApproval: async (input) => of(input).closeApproval(input),
    releaseLease: async (input) => of(input).releaseLease(input),
    recordPromotion: async (input) => of(input).recordPromotion(input),
    recordStep: async (input) => of(input).recordStep(input),
    recordSteps: async (input) => of(input).recordSteps(input),
    expandMatrix: async (input) => of(input).expandMatrix(input),
    readMembers: async (input) => of(input).readMembers(input),
    recordMembers: async (input) => of(input).recordMembers(input),
    listBegunSteps: async (input) => of(input).listBegunSteps(input),
    listDeployments: async (input) => of(input).listDeployments(input),
    recordRollout: async (input) => of(input).recordRollout(input),
    routeTraffic: async (input) => of(input).routeTraffic(input),
    watchStage: async (input) => of(input).watchStage(input),
    gateStage: async (input) => of(input).gateStage(input),
    sealPromotion: async (input) => of(input).sealPromotion(input),
  };
}
