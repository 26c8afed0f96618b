import { ArrayMaxSize, ArrayMinSize, ArrayUnique, IsArray } from 'class-validator';
import { IsDiscrepancyId, IsIdempotencyKey } from '../common/validators.ts';

/** Input of `reconcile`. */
export class ReconcileInput {
  @IsArray()
  @ArrayMinSize(1, { message: 'name at least one discrepancy' })
  @ArrayMaxSize(1000, { message: 'name at most 1,000 discrepancies' })
  @ArrayUnique({ message: 'name each discrepancy once' })
  @IsDiscrepancyId({ each: true })
  readonly discrepancies!: readonly string[];

  @IsIdempotencyKey()
  readonly idempotencyKey!: string;
}
