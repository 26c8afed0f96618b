import type { Refusal } from '../domain-error.ts';
import { budgetLimit, budgetMaxText, type DisruptionBudget } from './disruption-budget.ts';

/** A target that is unavailable, and why. */
export interface BudgetHolder {
  readonly target: string;
  /** The promotion that has it at work; null where its agent is offline. */
  readonly promotionId: string | null;
}

/** A budget, and what it looks like to one target that wants to become unavailable. */
export interface BudgetUse {
  readonly budget: DisruptionBudget;
  /** Targets that match now. */
  readonly matching: number;
  /** Unavailable ones among them, without the target that asks. */
  readonly others: number;
  /** The first few of the others, by name. */
  readonly holders: readonly BudgetHolder[];
}

/** Codes of budgets that bar a target. */
export const BUDGET_ZERO = 'budget-zero';
/** As {@link BUDGET_ZERO}: there is room again when another target is done. */
export const BUDGET_EXHAUSTED = 'budget-exhausted';

/** Whether a target may become unavailable. Only `wait` can turn into `grant` by itself. */
export type BudgetVerdict =
  | { readonly kind: 'grant' }
  | { readonly kind: 'wait'; readonly reason: Refusal; readonly budget: string }
  | { readonly kind: 'refuse'; readonly reason: Refusal; readonly budget: string };

/** Holders that a message names. */
export const MAX_SHOWN_HOLDERS = 5;

/**
 * Whether a target may become unavailable, by all budgets that match it: each needs room for one more. A budget that never
 * has room is told before one that has none now. The order of the uses does not matter.
 */
export function judgeBudgets(target: string, uses: readonly BudgetUse[]): BudgetVerdict {
  const sorted = [...uses].sort((a, b) => (a.budget.name < b.budget.name ? -1 : 1));
  const zero = sorted.find(({ budget, matching }) => budgetLimit(budget, matching) === 0);
  if (zero !== undefined) {
    const message = zeroMessage(target, zero);
    return { kind: 'refuse', reason: { code: BUDGET_ZERO, message }, budget: zero.budget.name };
  }
  const full = sorted.find(
    ({ budget, matching, others }) => others >= budgetLimit(budget, matching),
  );
  if (full === undefined) return { kind: 'grant' };
  const message = fullMessage(target, full);
  return { kind: 'wait', reason: { code: BUDGET_EXHAUSTED, message }, budget: full.budget.name };
}

function zeroMessage(target: string, { budget, matching }: BudgetUse): string {
  const isShare = budget.maxUnavailablePercent !== null && budget.maxUnavailablePercent > 0;
  const what = isShare
    ? `lets ${budgetMaxText(budget)} of ${matching} targets be unavailable, which is none`
    : 'lets no target be unavailable';
  const how = isShare
    ? `Write at least ${Math.ceil(100 / Math.max(1, matching))} %, or a number,`
    : 'Raise it';
  return `Disruption budget ${budget.name} ${what}: nothing can be deployed to ${target}. ${how} in the configuration, then promote again.`;
}

function fullMessage(target: string, use: BudgetUse): string {
  const { budget, matching, others } = use;
  const limit = budgetLimit(budget, matching);
  return (
    `Target ${target} waits for disruption budget ${budget.name}: ${others} of ${matching} matching targets are unavailable, ` +
    `${limit} may be (${describeHolders(use)}). It goes on by itself when one of them is done.`
  );
}

/** `web-1 by prod/7, web-2 offline and 3 more`. */
export function describeHolders({
  others,
  holders,
}: Pick<BudgetUse, 'others' | 'holders'>): string {
  const shown = holders
    .slice(0, MAX_SHOWN_HOLDERS)
    .map(({ target, promotionId }) =>
      promotionId === null ? `${target} offline` : `${target} by ${promotionId}`,
    );
  const more = others - shown.length;
  if (shown.length === 0) return `${others} targets`;
  return shown.join(', ') + (more > 0 ? ` and ${more} more` : '');
}
