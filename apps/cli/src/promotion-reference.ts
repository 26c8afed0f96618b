import { isName } from '@sluice/domain';
import type { ApiClient } from './api-client.ts';
import { CliError, EXIT_CODES } from './exit-codes.ts';
import { OPERATIONS, type PromotionView } from './operations.ts';

const END_STATES = ['SUCCEEDED', 'DENIED', 'FAILED', 'REVERTED', 'CANCELLED'];

/** True when a promotion has ended and its evidence is sealed. */
export function isEnded({ state, packet }: Pick<PromotionView, 'state' | 'packet'>): boolean {
  return END_STATES.includes(state) && packet !== null;
}

/**
 * Throws unless the text has a promotion's form, such as `dev/1`.
 * @throws CliError `promotion-reference-invalid`
 */
export function assertPromotionId(id: string): void {
  const [environment = '', number = '', rest] = id.split('/');
  if (isName(environment) && /^[1-9]\d{0,8}$/.test(number) && rest === undefined) return;
  const message = `"${id}" names no promotion.`;
  const next = 'Write environment/number, such as dev/1.';
  throw new CliError(EXIT_CODES.usage, 'promotion-reference-invalid', message, next);
}

/**
 * A promotion by its id.
 * @throws CliError `promotion-not-found`
 */
export async function getPromotion(api: ApiClient, id: string): Promise<PromotionView> {
  const { promotion } = await api.run<{ promotion: PromotionView | null }>(OPERATIONS.promotion, {
    id,
  });
  if (promotion !== null) return promotion;
  throw noPromotion(id);
}

/** Says that there is no such promotion. */
export function noPromotion(id: string): CliError {
  const next = 'Check its environment and its number.';
  const message = `There is no promotion ${id}.`;
  return new CliError(EXIT_CODES.failed, 'promotion-not-found', message, next);
}
