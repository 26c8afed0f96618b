import { type BudgetVerdict, type CommandKind, judgeBudgets, type Refusal } from '@sluice/domain';
import {
  insertBudgetClaims,
  listBudgetsOfTarget,
  type PromotionRecord,
  readBudgetUse,
  type Tx,
} from '@sluice/persistence';

/** Whose target becomes unavailable by what. */
export interface BudgetOrder {
  readonly promotion: Pick<PromotionRecord, 'promotionId' | 'kind'>;
  readonly target: string;
  readonly kind: CommandKind;
}

/** Thrown inside of the transaction of a dispatch: nothing of it is kept. */
export class BudgetBarred extends Error {
  readonly code = 'budget-barred';
  /** Whether there may be room later. */
  readonly mayWait: boolean;
  readonly budget: string;
  readonly reason: Refusal;

  constructor({ kind, budget, reason }: Exclude<BudgetVerdict, { readonly kind: 'grant' }>) {
    super(reason.message);
    this.name = 'BudgetBarred';
    this.mayWait = kind === 'wait';
    this.budget = budget;
    this.reason = reason;
  }
}

/**
 * Looks whether the budgets of a target have room, without keeping anybody else from them: whoever finds none here needs no signature.
 * @throws BudgetBarred
 */
export async function assertBudgetRoom(tx: Tx, order: BudgetOrder): Promise<void> {
  if (!mayBeBarred(order)) return;
  const budgets = await listBudgetsOfTarget(tx, order.target, { locked: false });
  await assertRoom(tx, order, budgets);
}

/**
 * Notes that a target becomes unavailable, in every budget that matches it, in the transaction that stores its command. What puts a
 * good version back never waits, and counts all the same. Routers belong to no budget.
 * @throws BudgetBarred
 */
export async function claimBudgets(tx: Tx, order: BudgetOrder): Promise<void> {
  if (order.kind === 'route') return;
  const { target, promotion } = order;
  const locked = mayBeBarred(order);
  const budgets = await listBudgetsOfTarget(tx, target, { locked });
  if (locked) await assertRoom(tx, order, budgets);
  await insertBudgetClaims(tx, budgets, { target, promotionId: promotion.promotionId });
}

function mayBeBarred({ kind, promotion }: BudgetOrder): boolean {
  return kind === 'deploy' && promotion.kind === 'promote';
}

async function assertRoom(
  tx: Tx,
  { target, promotion: { promotionId } }: BudgetOrder,
  budgets: readonly string[],
): Promise<void> {
  if (budgets.length === 0) return;
  const uses = await readBudgetUse(tx, budgets, { target, promotionId });
  const verdict = judgeBudgets(target, uses);
  if (verdict.kind !== 'grant') throw new BudgetBarred(verdict);
}
