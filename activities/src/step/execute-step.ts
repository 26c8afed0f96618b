import {
  findEffect,
  getPromotion,
  type PromotionRecord,
  setStepState,
  withTenant,
} from '@sluice/persistence';
import {
  type ExecuteStepInput,
  FAILURES,
  type FrozenRules,
  type StepActivities,
  type StepResult,
} from '@sluice/temporal-contract';
import type { ActivityDependencies } from '../dependencies.ts';
import { activityFailure } from '../failures.ts';
import { runActivity } from '../run-activity.ts';
import { effectKey } from './effect-key.ts';
import { isPerTarget, recordStepEvent, settleStep } from './settle-step.ts';
import type { StepRegistry } from './step-registry.ts';

/** The one activity of every step that is no control step: finds the type, runs it, settles it. */
export function createStepActivities(
  dependencies: Pick<ActivityDependencies, 'pool' | 'logger' | 'scope' | 'observe'>,
  registry: StepRegistry,
): StepActivities {
  return {
    executeStep: (input) =>
      runActivity(
        dependencies,
        'executeStep',
        {
          ...input.promotion,
          stepId: input.stepId,
          ...(input.target === undefined ? {} : { target: input.target }),
          traceparent: input.traceparent,
        },
        async (log, scope) => {
          const type = registry.get(input.type, input.version);
          const begun = await beginStep(dependencies, input);
          if (begun.stored !== undefined) return begun.stored;
          const { promotion, rules } = begun;
          const outcome = await type.run({ input, promotion, rules, scope, log });
          const { stepId, target, round } = input;
          const settled = await withTenant(dependencies.pool, input.promotion.tenantId, (tx) =>
            settleStep(tx, { promotion, rules, stepId, target, round, ...outcome }),
          );
          if (!settled.live) {
            log.warn(
              { outcome: outcome.result.outcome },
              'the step was ended before its result came',
            );
          }
          return settled.result;
        },
      ),
  };
}

interface BegunStep {
  readonly promotion: PromotionRecord;
  readonly rules: FrozenRules;
  readonly stored: StepResult | undefined;
}

/** Checks the input against the records and marks the step as running, unless its effect is recorded. */
async function beginStep(
  { pool }: Pick<ActivityDependencies, 'pool'>,
  input: ExecuteStepInput,
): Promise<BegunStep> {
  const { promotionId, tenantId } = input.promotion;
  const { stepId, target, round } = input;
  if (isPerTarget(input.type) !== (target !== undefined)) {
    throw activityFailure(
      FAILURES.invalidInput,
      `Step ${stepId} of type ${input.type} came ${target === undefined ? 'without' : 'with'} a target.`,
    );
  }
  return withTenant(pool, tenantId, async (tx) => {
    const promotion = await getPromotion(tx, promotionId);
    const rules = requireRules(promotion);
    assertDigest(input, 'release', promotion.releaseDigest);
    assertDigest(input, 'rules', rules.rulesDigest);
    if (target !== undefined && !rules.targets.includes(target)) {
      throw activityFailure(
        FAILURES.invalidInput,
        `Target ${target} is none of promotion ${promotionId}: ${rules.targets.join(', ')}.`,
      );
    }
    const effect = await findEffect<StepResult>(tx, effectKey(promotionId, stepId, target, round));
    if (effect !== undefined) return { promotion, rules, stored: effect.result };
    const started = await setStepState(tx, { promotionId, stepId, state: 'running' });
    if (started) await recordStepEvent(tx, promotion, stepId, 'running');
    return { promotion, rules, stored: undefined };
  });
}

/** The rules of a promotion that were frozen before its first step; throws when there are none. */
export function requireRules(promotion: PromotionRecord): FrozenRules {
  if (promotion.rules !== null) return promotion.rules as unknown as FrozenRules;
  throw activityFailure(
    FAILURES.integrity,
    `Promotion ${promotion.promotionId} has no frozen rules: freezeRules runs before everything else.`,
  );
}

function assertDigest(input: ExecuteStepInput, name: string, recorded: string): void {
  const given = input.inputDigests[name];
  if (given === undefined || given === recorded) return;
  throw activityFailure(
    FAILURES.integrity,
    `Step ${input.stepId} of ${input.promotion.promotionId} was given ${name} ${given}, ` +
      `but ${recorded} is recorded.`,
  );
}
