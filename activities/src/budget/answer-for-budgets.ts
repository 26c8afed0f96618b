import { traceIdOf } from '@sluice/domain';
import { insertEvent, type PromotionRecord, type Tx, withTenant } from '@sluice/persistence';
import { FAILURES } from '@sluice/temporal-contract';
import { ApplicationFailure } from '@temporalio/common';
import type { ActivityScope } from '../activity-scope.ts';
import type { ActivityDependencies } from '../dependencies.ts';
import { errorCodeOf } from '../failures.ts';
import { workflowActor } from '../records/promotion-event.ts';
import type { BudgetBarred, BudgetOrder } from './claim-budgets.ts';

/** Pause before a budget is asked again, at first and at most. Seconds. */
const FIRST_PAUSE = 2;
const LONGEST_PAUSE = 10;

/** Attempts that one schedule has at least: a step whose own time is short is not scheduled again and again without a pause. */
const LEAST_ATTEMPTS = 8;

/** Attempts that one schedule has at most, some two minutes: whether it is to be waited for at all is the interpreter's to decide again. */
const MOST_ATTEMPTS = 30;

/** Attempts that look whether it was told that a target waits: one of them is the first that waits. */
const TELLING_ATTEMPTS = 5;

/** An order with what telling of it takes. */
export interface DispatchedOrder extends BudgetOrder {
  readonly tenantId: string;
  readonly promotion: PromotionRecord;
  readonly stepId: string;
  /** How long the command is valid. */
  readonly validSeconds: number;
}

/**
 * Runs a dispatch that claims budgets, and turns a budget without room into a failure that is tried again after a pause, without a slot
 * being held meanwhile. That a target waits is told once. When less than half of the time is left that the agent shall have, or the target has
 * waited for long, the attempt ends for good: the interpreter schedules another one with time of its own, if it still wants it. So it does where a
 * rollout does not go on any more. A budget that never has room fails at once.
 * @throws ApplicationFailure `BudgetExhausted`, `BudgetZero`
 */
export async function answerForBudgets<T>(
  parts: Pick<ActivityDependencies, 'pool' | 'now'>,
  order: DispatchedOrder,
  scope: ActivityScope,
  dispatch: () => Promise<T>,
): Promise<T> {
  try {
    return await dispatch();
  } catch (error) {
    if (errorCodeOf(error) === 'rollout-held') {
      throw ApplicationFailure.create({
        type: FAILURES.budgetExhausted,
        message: (error as Error).message,
        nonRetryable: true,
      });
    }
    if (errorCodeOf(error) !== 'budget-barred') throw error;
    const { mayWait, budget, reason } = error as BudgetBarred;
    if (!mayWait) {
      throw ApplicationFailure.create({
        type: FAILURES.budgetZero,
        message: reason.message,
        nonRetryable: true,
      });
    }
    if (scope.attempt <= TELLING_ATTEMPTS) {
      const told = { budget, reason: reason.code, message: reason.message };
      await withTenant(parts.pool, order.tenantId, (tx) => tellOnce(tx, order, told));
    }
    const now = (parts.now ?? Date.now)();
    const left = scope.deadline === undefined ? Number.POSITIVE_INFINITY : scope.deadline - now;
    const isLate =
      scope.attempt >= MOST_ATTEMPTS ||
      (scope.attempt >= LEAST_ATTEMPTS && left < order.validSeconds * 500);
    throw ApplicationFailure.create({
      type: FAILURES.budgetExhausted,
      message: reason.message,
      nonRetryable: isLate,
      ...(isLate ? {} : { nextRetryDelay: pauseBefore(scope.attempt) }),
    });
  }
}

/** Grows with the attempts, and differs a little, so that many who wait do not ask at the same moment. */
function pauseBefore(attempt: number): number {
  const seconds = Math.min(LONGEST_PAUSE, FIRST_PAUSE + Math.floor(attempt / 5));
  return Math.round(seconds * 1000 * (0.9 + Math.random() / 5));
}

async function tellOnce(
  tx: Tx,
  { promotion, stepId, target }: DispatchedOrder,
  data: Readonly<Record<string, unknown>>,
): Promise<void> {
  const { promotionId, traceparent } = promotion;
  const subject = `target:${target}`;
  const { rows } = await tx.query<{ found: boolean }>(
    `select exists (select from sluice.events
       where tenant_id = $1 and promotion_id = $2 and type = 'budget.awaited' and subject = $3) as found`,
    [tx.tenantId, promotionId, subject],
  );
  if (rows[0]?.found === true) return;
  await insertEvent(tx, {
    type: 'budget.awaited',
    actor: workflowActor(tx.tenantId, promotionId),
    subject,
    promotionId,
    data: { step: stepId, ...data },
    traceId: traceIdOf(traceparent) ?? null,
  });
}
