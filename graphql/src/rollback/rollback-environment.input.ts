import { IsIn, IsOptional } from 'class-validator';
import { IsDnsLabel, IsIdempotencyKey, IsPlainText, IsSha256Digest } from '../common/validators.ts';

/** What a rollback can put there, as the schema names it. */
export const ROLLBACK_TO = ['LAST_VERIFIED', 'RELEASE', 'NOTHING'] as const;

/** Input of `rollbackEnvironment`. */
export class RollbackEnvironmentInput {
  @IsDnsLabel()
  readonly environment!: string;

  @IsIn(ROLLBACK_TO, { message: `write ${ROLLBACK_TO.join(', ')}` })
  readonly to!: (typeof ROLLBACK_TO)[number];

  /** Absent and null say the same: none is named. */
  @IsOptional()
  @IsSha256Digest()
  readonly release?: string | null;

  @IsPlainText(500)
  readonly reason!: string;

  @IsIdempotencyKey()
  readonly idempotencyKey!: string;
}
