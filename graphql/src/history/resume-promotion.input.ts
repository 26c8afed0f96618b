import { IsIdempotencyKey, IsPlainText, IsPromotionId } from '../common/validators.ts';

/** Input of `resumePromotion`. */
export class ResumePromotionInput {
  @IsPromotionId()
  readonly promotion!: string;

  @IsPlainText(500)
  readonly reason!: string;

  @IsIdempotencyKey()
  readonly idempotencyKey!: string;
}
