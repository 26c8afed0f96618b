import { Allow } from 'class-validator';
import { IsPromotionId } from '../common/validators.ts';

/** Arguments of `promotionProgress`. */
export class PromotionProgressArgs {
  @IsPromotionId()
  readonly promotion!: string;

  /** Read as a position, apart. */
  @Allow()
  readonly after?: string | null;
}
