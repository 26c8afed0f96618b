import { IsOptional } from 'class-validator';
import { IsDnsLabel, IsSha256Digest, IsValues } from '../common/validators.ts';

/** Arguments of `previewPromotion`. */
export class PreviewPromotionArgs {
  @IsDnsLabel()
  readonly environment!: string;

  @IsOptional()
  @IsSha256Digest()
  readonly release?: string | null;

  @IsOptional()
  @IsValues()
  readonly parameters?: Readonly<Record<string, unknown>> | null;
}
