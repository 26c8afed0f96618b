import type { PromotionRecord, Tx } from '@sluice/persistence';

/** Whose turn it is in a rollout, if there is one. */
export interface RolloutTurn {
  readonly promotion: Pick<PromotionRecord, 'promotionId'>;
  readonly stepId: string;
  readonly round?: number | undefined;
}

/** Nothing of a rollout may begin: it is paused or over, or a target failed. */
export class RolloutHeld extends Error {
  readonly code = 'rollout-held';

  constructor({ promotion: { promotionId }, stepId }: RolloutTurn) {
    super(
      `The rollout of step ${stepId} of ${promotionId} does not go on now: nothing is sent to a target that has not begun.`,
    );
    this.name = 'RolloutHeld';
  }
}

/**
 * Looks whether a rollout still goes on by its records, for a target that has waited; of a step without a rollout it says nothing.
 * @throws RolloutHeld
 */
export async function assertRolloutGoesOn(tx: Tx, turn: RolloutTurn): Promise<void> {
  const { promotion, stepId, round = 1 } = turn;
  const { rows } = await tx.query(
    `select from sluice.rollouts r
      where r.tenant_id = $1 and r.promotion_id = $2 and r.step_id = $3 and r.round = $4
        and (r.state <> 'running' or exists (
          select from sluice.step_members m
           where m.tenant_id = r.tenant_id and m.promotion_id = r.promotion_id and m.step_id = r.step_id and m.round = r.round
             and m.state in ('failed', 'denied')))`,
    [tx.tenantId, promotion.promotionId, stepId, round],
  );
  if (rows.length > 0) throw new RolloutHeld(turn);
}
