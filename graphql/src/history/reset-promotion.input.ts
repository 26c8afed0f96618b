import { ValidateIf } from 'class-validator';
import {
  IsEventNumber,
  IsIdempotencyKey,
  IsPlainText,
  IsPromotionId,
} from '../common/validators.ts';

/** Input of `resetPromotion`. */
export class ResetPromotionInput {
  @IsPromotionId()
  readonly promotion!: string;

  @IsEventNumber()
  readonly event!: number;

  @IsPlainText(500)
  readonly reason!: string;

  @IsIdempotencyKey()
  readonly idempotencyKey!: string;
}

/** Arguments of `resetPreview`. */
export class ResetPreviewArgs {
  @IsPromotionId()
  readonly promotion!: string;

  /** Absent and null ask for the last workflow task that ended well. */
  @ValidateIf(({ event }: ResetPreviewArgs) => event !== undefined && event !== null)
  @IsEventNumber()
  readonly event?: number | null;
}
