import {
  closeApprovalRequest,
  isPersistenceError,
  type PromotionRecord,
  setStepState,
  type Tx,
} from '@sluice/persistence';
import type { ApprovalRound, InterpreterActivities, Reason } from '@sluice/temporal-contract';
import { recordEventOf } from '../records/promotion-event.ts';
import { recordStepEvent } from '../step/settle-step.ts';

/** How a round of asking people ends. */
export type ApprovalClosing = Pick<
  Parameters<InterpreterActivities['closeApproval']>[0],
  'state' | 'reason'
>;

/** Ends a round's row and says so; false when it had ended before. */
export async function closeRound(
  tx: Tx,
  promotion: PromotionRecord,
  { stepId, round }: Pick<ApprovalRound, 'stepId' | 'round'>,
  { state, reason }: ApprovalClosing,
): Promise<boolean> {
  const { promotionId } = promotion;
  const closed = await closeApprovalRequest(tx, { promotionId, stepId, round, state, reason });
  if (closed) {
    await recordEventOf(tx, 'approval.closed', promotion, {
      step: stepId,
      round,
      state,
      ...(reason === null ? {} : { reason: reason.code }),
    });
  }
  return closed;
}

/** Changes a step's state with its event. The interpreter's word stands when it has ended the step meanwhile. */
export async function enterStepState(
  tx: Tx,
  promotion: PromotionRecord,
  stepId: string,
  state: 'waiting' | 'succeeded' | 'failed' | 'cancelled' | 'pending',
  reason: Reason | null,
  outputs: Readonly<Record<string, string>> = {},
): Promise<void> {
  const { promotionId } = promotion;
  try {
    if (!(await setStepState(tx, { promotionId, stepId, state, reason, outputs }))) return;
  } catch (error) {
    if (!isPersistenceError(error, 'illegal-transition')) throw error;
    return;
  }
  const data = reason === null ? {} : { reason: reason.code };
  await recordStepEvent(tx, promotion, stepId, state, data);
}
