import { IsIn, ValidateIf } from 'class-validator';
import {
  IsIdempotencyKey,
  IsPlainText,
  IsPromotionId,
  IsSha256Digest,
} from '../common/validators.ts';

/** Input of `decideApproval`. */
export class DecideApprovalInput {
  @IsPromotionId()
  readonly promotion!: string;

  @IsIn(['APPROVE', 'REJECT'], { message: 'write APPROVE or REJECT' })
  readonly decision!: 'APPROVE' | 'REJECT';

  @IsSha256Digest()
  readonly release!: string;

  @IsSha256Digest()
  readonly plan!: string;

  /** Absent, null and the empty text all say nothing. */
  @ValidateIf(({ comment }: DecideApprovalInput) => (comment ?? '') !== '')
  @IsPlainText(500)
  readonly comment?: string | null;

  @IsIdempotencyKey()
  readonly idempotencyKey!: string;
}
