import { IsOptional } from 'class-validator';
import {
  IsCount,
  IsDnsLabel,
  IsMemberKey,
  IsPlainText,
  IsPromotionId,
} from '../common/validators.ts';

/** Arguments of `stepOutputs`. */
export class StepOutputsArgs {
  @IsPromotionId()
  readonly promotion!: string;

  @IsDnsLabel()
  readonly step!: string;

  @IsOptional()
  @IsMemberKey()
  readonly member?: string | null;
}

/** Arguments of `stepOutput`. */
export class StepOutputArgs extends StepOutputsArgs {
  @IsPlainText(63)
  readonly name!: string;

  @IsOptional()
  @IsCount(0)
  readonly offset?: number | null;
}
