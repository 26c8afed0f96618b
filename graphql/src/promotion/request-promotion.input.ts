import { IsDnsLabel, IsIdempotencyKey, IsSha256Digest } from '../common/validators.ts';

/** Input of `requestPromotion`. */
export class RequestPromotionInput {
  @IsSha256Digest()
  readonly release!: string;

  @IsDnsLabel()
  readonly environment!: string;

  @IsIdempotencyKey()
  readonly idempotencyKey!: string;
}
