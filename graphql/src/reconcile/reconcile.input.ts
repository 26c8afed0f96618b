import { ArrayMaxSize, ArrayMinSize, ArrayUnique, IsArray } from 'class-validator';
import { IsIdempotencyKey, IsPlainText } from '../common/validators.ts';

/** Input of `reconcile`. */
export class ReconcileInput {
  @IsArray()
  @ArrayMinSize(1, { message: 'name at least one discrepancy' })
  @ArrayMaxSize(1000, { message: 'name at most 1,000 discrepancies' })
  @ArrayUnique({ message: 'name each discrepancy once' })
  @IsPlainText(1000, { each: true })
  readonly discrepancies!: readonly string[];

  @IsIdempotencyKey()
  readonly idempotencyKey!: string;
}
