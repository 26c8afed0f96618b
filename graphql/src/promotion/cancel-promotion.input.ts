import { IsIdempotencyKey, IsPlainText, IsPromotionId } from '../common/validators.ts';

/** Input of `cancelPromotion`. */
export class CancelPromotionInput {
  @IsPromotionId()
  readonly promotion!: string;

  @IsPlainText(500)
  readonly reason!: string;

  @IsIdempotencyKey()
  readonly idempotencyKey!: string;
}
