import type { CommandKind } from '@sluice/domain';

/** Step id of the revert, which belongs to no step of the pipeline. */
export const REVERT_STEP = 'revert';

/** Idempotency key of a step's effect: `<promotionId>/<stepId>[/<target>]`. */
export function effectKey(promotionId: string, stepId: string, target?: string): string {
  return target === undefined ? `${promotionId}/${stepId}` : `${promotionId}/${stepId}/${target}`;
}

/** Idempotency key of a command to an agent: the effect's key and the command's kind. */
export function commandKey(
  promotionId: string,
  stepId: string,
  target: string,
  kind: CommandKind,
): string {
  return `${effectKey(promotionId, stepId, target)}/${kind}`;
}
