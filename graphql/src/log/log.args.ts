import { Allow, IsIn, IsOptional } from 'class-validator';
import {
  IsCount,
  IsDnsLabel,
  IsMemberKey,
  IsPlainText,
  IsPromotionId,
} from '../common/validators.ts';

/** Arguments of `stepLogs`; paging is read apart. */
export class StepLogsArgs {
  @IsPromotionId()
  readonly promotion!: string;

  @IsOptional()
  @IsDnsLabel()
  readonly step?: string | null;

  @Allow()
  readonly first?: number | null;

  @Allow()
  readonly after?: string | null;
}

/** Arguments of `stepLog`. */
export class StepLogArgs {
  @IsPromotionId()
  readonly promotion!: string;

  @IsDnsLabel()
  readonly step!: string;

  @IsOptional()
  @IsMemberKey()
  readonly member?: string | null;

  @IsOptional()
  @IsIn(['RUN', 'COMPENSATE'])
  readonly purpose?: 'RUN' | 'COMPENSATE' | null;

  @IsOptional()
  @IsCount()
  readonly round?: number | null;

  @IsOptional()
  @IsCount()
  readonly attempt?: number | null;

  @IsOptional()
  @IsCount(0)
  readonly offset?: number | null;
}

/** Arguments of `searchStepLogs`. */
export class SearchStepLogsArgs {
  @IsPromotionId()
  readonly promotion!: string;

  @IsPlainText(200)
  readonly text!: string;

  @IsOptional()
  @IsDnsLabel()
  readonly step?: string | null;
}

/** Arguments of `stepLogAppended`. */
export class StepLogAppendedArgs {
  @IsPromotionId()
  readonly promotion!: string;

  @IsDnsLabel()
  readonly step!: string;

  @IsOptional()
  @IsMemberKey()
  readonly member?: string | null;

  /** Read as a position, apart. */
  @Allow()
  readonly after?: string | null;
}
