import { IsIn, IsOptional, ValidateIf } from 'class-validator';
import { IsDnsLabel, IsIdempotencyKey, IsPlainText, IsPromotionId } from '../common/validators.ts';

const ACTIONS = ['PAUSE', 'RESUME', 'SKIP', 'ABORT', 'PROMOTE'] as const;

/** Input of `steerRollout`. */
export class SteerRolloutInput {
  @IsPromotionId()
  readonly promotion!: string;

  @IsOptional()
  @IsDnsLabel()
  readonly step?: string | null;

  @IsIn(ACTIONS, { message: `write one of ${ACTIONS.join(', ')}` })
  readonly action!: (typeof ACTIONS)[number];

  /** Absent, null and the empty text all say nothing. */
  @ValidateIf(({ comment }: SteerRolloutInput) => (comment ?? '') !== '')
  @IsPlainText(500)
  readonly comment?: string | null;

  @IsIdempotencyKey()
  readonly idempotencyKey!: string;
}
