import type { CommandKind } from '@sluice/domain';

/** Step id of the revert, which belongs to no step of the pipeline. */
export const REVERT_STEP = 'revert';

/**
 * Idempotency key of a step's effect: `<promotionId>/<stepId>[~<round>][/<member>]`.
 * @param member of an expanded step: a target's name, or a member's index as text
 * @param round of planning; the first one is not named, so that keys of those who know no rounds stay
 */
export function effectKey(
  promotionId: string,
  stepId: string,
  member?: string,
  round: number = 1,
): string {
  const step = round > 1 ? `${stepId}~${round}` : stepId;
  return member === undefined ? `${promotionId}/${step}` : `${promotionId}/${step}/${member}`;
}

/** Idempotency key of what puts an effect back. */
export function compensationKey(effect: string): string {
  return `${effect}/compensation`;
}

/** Idempotency key of a command to an agent: the effect's key and the command's kind. */
export function commandKey(
  promotionId: string,
  stepId: string,
  target: string,
  kind: CommandKind,
  round: number = 1,
): string {
  return `${effectKey(promotionId, stepId, target, round)}/${kind}`;
}

/** The step and round that a command's key names. */
export function stepOfCommand(command: {
  readonly promotionId: string;
  readonly idempotencyKey: string;
}): { readonly stepId: string; readonly round: number } {
  const place = command.idempotencyKey.slice(command.promotionId.length + 1).split('/')[0] ?? '';
  const [stepId = '', round = '1'] = place.split('~');
  return { stepId, round: Number(round) };
}
