import { IsOptional } from 'class-validator';
import { IsDnsLabel, IsIdempotencyKey, IsSha256Digest, IsValues } from '../common/validators.ts';

/** Input of `requestPromotion`. */
export class RequestPromotionInput {
  @IsOptional()
  @IsSha256Digest()
  readonly release?: string | null;

  @IsDnsLabel()
  readonly environment!: string;

  @IsOptional()
  @IsValues()
  readonly parameters?: Readonly<Record<string, unknown>> | null;

  @IsIdempotencyKey()
  readonly idempotencyKey!: string;
}
