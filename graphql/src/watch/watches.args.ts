import { WATCH_STATES } from '@sluice/domain';
import { IsIn, IsOptional } from 'class-validator';
import { enumName } from '../common/enum-name.ts';
import { IsDnsLabel } from '../common/validators.ts';

const STATES = WATCH_STATES.map(enumName);

/** Arguments of `watches`. */
export class WatchesArgs {
  @IsOptional()
  @IsDnsLabel()
  readonly environment?: string | null;

  @IsOptional()
  @IsIn(STATES, { message: `write ${STATES.join(', ')}` })
  readonly state?: string | null;
}
