import { type ExecuteStepInput, FAILURES } from '@sluice/temporal-contract';
import { activityFailure } from '../failures.ts';
import type { FrozenPromotion } from './frozen-course.ts';

/**
 * Compares what an execution was given with what was frozen.
 * @throws ApplicationFailure `Integrity` for another release or other rules, `InvalidInput` for a target that is none of the promotion's
 */
export function assertInput(input: ExecuteStepInput, { promotion, rules }: FrozenPromotion): void {
  const { promotionId } = promotion;
  const { target } = input;
  // What ran beside the step that made the release was given the one before.
  assertDigest(input, 'release', [promotion.releaseDigest, rules.releaseDigest]);
  assertDigest(input, 'rules', [rules.rulesDigest]);
  if (target === undefined || rules.targets.includes(target)) return;
  throw activityFailure(
    FAILURES.invalidInput,
    `Target ${target} is none of promotion ${promotionId}: ${rules.targets.slice(0, 20).join(', ')}.`,
  );
}

function assertDigest(input: ExecuteStepInput, name: string, recorded: readonly string[]): void {
  const given = input.inputDigests[name];
  if (given === undefined || recorded.includes(given)) return;
  throw activityFailure(
    FAILURES.integrity,
    `Step ${input.stepId} of ${input.promotion.promotionId} was given ${name} ${given}, ` +
      `but ${recorded[0]} is recorded.`,
  );
}
