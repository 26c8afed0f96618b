import type { ApiClient } from './api-client.ts';
import { CliError, EXIT_CODES } from './exit-codes.ts';
import { OPERATIONS } from './operations.ts';
import { noPromotion } from './promotion-reference.ts';
import type { PromotionRolloutsView } from './rollout-operations.ts';

/**
 * A promotion with its rollouts, or with that of one step.
 * @throws CliError `promotion-not-found`, and `rollout-not-found` for a step without one
 */
export async function getRollouts(
  api: ApiClient,
  id: string,
  step: string | undefined,
): Promise<PromotionRolloutsView> {
  const { promotion } = await api.run<{ promotion: PromotionRolloutsView | null }>(
    OPERATIONS.rollouts,
    { id },
  );
  if (promotion === null) throw noPromotion(id);
  if (step === undefined) return promotion;
  const rollouts = promotion.rollouts.filter((rollout) => rollout.step === step);
  if (rollouts.length > 0) return { ...promotion, rollouts };
  const names = promotion.rollouts.map((rollout) => rollout.step).join(', ');
  const message = `Step ${step} of ${id} has no rollout that has begun.`;
  const next = names === '' ? `See sluice promotion show ${id}.` : `These have one: ${names}.`;
  throw new CliError(EXIT_CODES.failed, 'rollout-not-found', message, next);
}
