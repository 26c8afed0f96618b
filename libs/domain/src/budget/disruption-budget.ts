import { isName } from '../name.ts';

/** How many targets of a kind may be without a working version at a time, over all promotions of a tenant. */
export interface DisruptionBudget {
  /** A DNS label, unique in a tenant. */
  readonly name: string;
  /** Labels that a target must have, each with this very value; every target where there are none. */
  readonly selector: Readonly<Record<string, string>>;
  /** So many at most; exactly one of the two is not null. */
  readonly maxUnavailable: number | null;
  /** So many hundredths at most of the targets that match now, rounded down: 25 % of 3 is none. */
  readonly maxUnavailablePercent: number | null;
}

/** Budgets of one tenant. */
export const MAX_BUDGETS = 100;

/** Labels of one selector. */
export const MAX_SELECTOR_LABELS = 20;

/** The largest `maxUnavailable`. */
export const MAX_UNAVAILABLE = 1_000_000;

/** The longest label's name and value. */
const MAX_LABEL = 200;

/** What is wrong with a budget, and what to do about it. */
export interface BudgetProblem {
  /** Member of {@link DisruptionBudget}. */
  readonly path: 'name' | 'selector' | 'maxUnavailable' | 'maxUnavailablePercent';
  readonly what: string;
  readonly how: string;
}

/** The first thing that is wrong with a budget; undefined when nothing is. */
export function findBudgetProblem(budget: DisruptionBudget): BudgetProblem | undefined {
  const { name, selector, maxUnavailable, maxUnavailablePercent } = budget;
  if (!isName(name)) {
    return { path: 'name', what: `is "${name}"`, how: 'write a DNS label: a-z, 0-9 and -' };
  }
  const labels = Object.entries(selector);
  if (labels.length > MAX_SELECTOR_LABELS) {
    const what = `has ${labels.length} labels`;
    return { path: 'selector', what, how: `write at most ${MAX_SELECTOR_LABELS}` };
  }
  const isLabel = (text: unknown): boolean =>
    typeof text === 'string' && text.length > 0 && text.length <= MAX_LABEL;
  const odd = labels.find(([label, value]) => !isLabel(label) || !isLabel(value));
  if (odd !== undefined) {
    const how = `write label: value, both texts of 1 to ${MAX_LABEL} characters`;
    return { path: 'selector', what: `"${odd[0]}" cannot be asked for`, how };
  }
  if ((maxUnavailable === null) === (maxUnavailablePercent === null)) {
    const what = maxUnavailable === null ? 'is missing' : 'stands beside a share';
    return { path: 'maxUnavailable', what, how: 'write a number or a share in percent, not both' };
  }
  if (maxUnavailable !== null && !isWhole(maxUnavailable, MAX_UNAVAILABLE)) {
    const how = `write a whole number from 0 to ${MAX_UNAVAILABLE}`;
    return { path: 'maxUnavailable', what: `is ${maxUnavailable}`, how };
  }
  if (maxUnavailablePercent !== null && !isWhole(maxUnavailablePercent, 100)) {
    const how = 'write a whole number from 0 to 100';
    return { path: 'maxUnavailablePercent', what: `is ${maxUnavailablePercent}`, how };
  }
  return undefined;
}

/** True when a target with these labels counts for the budget. */
export function isBudgetOf(
  { selector }: Pick<DisruptionBudget, 'selector'>,
  labels: Readonly<Record<string, string>>,
): boolean {
  return Object.entries(selector).every(
    ([label, value]) => Object.hasOwn(labels, label) && labels[label] === value,
  );
}

/**
 * How many may be unavailable at once, of so many targets that match. A share is rounded down: 0 stays 0.
 * @param matching a whole number
 */
export function budgetLimit(
  {
    maxUnavailable,
    maxUnavailablePercent,
  }: Pick<DisruptionBudget, 'maxUnavailable' | 'maxUnavailablePercent'>,
  matching: number,
): number {
  if (maxUnavailable !== null) return maxUnavailable;
  const hundredths = matching * (maxUnavailablePercent ?? 0);
  return (hundredths - (hundredths % 100)) / 100;
}

/** `2`, or `25 %`: as people write it. */
export function budgetMaxText({
  maxUnavailable,
  maxUnavailablePercent,
}: Pick<DisruptionBudget, 'maxUnavailable' | 'maxUnavailablePercent'>): string {
  return maxUnavailable === null ? `${maxUnavailablePercent ?? 0} %` : String(maxUnavailable);
}

function isWhole(value: number, max: number): boolean {
  return Number.isSafeInteger(value) && value >= 0 && value <= max;
}
