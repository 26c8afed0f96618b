import { IsPromotionId } from '../common/validators.ts';

/** Arguments of `promotion`. */
export class PromotionIdArgs {
  @IsPromotionId()
  readonly id!: string;
}
