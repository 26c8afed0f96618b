import { IsIn } from 'class-validator';
import { IsIdempotencyKey, IsPlainText, IsPromotionId } from '../common/validators.ts';

/** Input of `exportHistories`. */
export class ExportHistoriesInput {
  @IsPromotionId()
  readonly promotion!: string;

  @IsIn(['ENCRYPTED', 'REDACTED'], { message: 'write ENCRYPTED or REDACTED' })
  readonly form!: 'ENCRYPTED' | 'REDACTED';

  @IsPlainText(500)
  readonly reason!: string;

  @IsIdempotencyKey()
  readonly idempotencyKey!: string;
}
