import type { Pipeline } from '@sluice/domain';
import {
  getEnvironment,
  getPipeline,
  getPolicy,
  getPromotion,
  listTargetsOf,
  storeRules,
  withTenant,
} from '@sluice/persistence';
import { digestOf } from '@sluice/pure';
import { FAILURES, type FrozenRules, type InterpreterActivities } from '@sluice/temporal-contract';
import type { ActivityDependencies } from '../dependencies.ts';
import { activityFailure } from '../failures.ts';
import { runActivity } from '../run-activity.ts';

/** `freezeRules`: what a promotion holds to, read once. */
export function createRulesActivities(
  parts: Pick<ActivityDependencies, 'pool' | 'logger' | 'scope' | 'observe'>,
): Pick<InterpreterActivities, 'freezeRules'> {
  return {
    freezeRules: ({ promotion: { tenantId, promotionId } }) =>
      runActivity(parts, 'freezeRules', { tenantId, promotionId }, () =>
        withTenant(parts.pool, tenantId, async (tx) => {
          const promotion = await getPromotion(tx, promotionId);
          if (promotion.rules !== null) return promotion.rules as unknown as FrozenRules;
          const environment = await getEnvironment(tx, promotion.environment);
          const pipeline = await getPipeline(tx, environment.pipeline);
          const policy = await getPolicy(tx, environment.policy);
          const targets = (await listTargetsOf(tx, [environment.name])).map(({ name }) => name);
          if (targets.length === 0) {
            throw activityFailure(
              FAILURES.invalidInput,
              `Environment ${environment.name} has no targets: add one to the configuration.`,
            );
          }
          const rules: Omit<FrozenRules, 'rulesDigest'> = {
            releaseDigest: promotion.releaseDigest,
            pipeline: pipeline.body as Pipeline,
            pipelineDigest: pipeline.pipelineDigest,
            policyDigest: policy.policyDigest,
            targets: [...targets].sort(),
            deadlines: environment.deadlines,
          };
          return storeRules(tx, promotionId, { ...rules, rulesDigest: digestOf(rules) });
        }),
      ),
  };
}
