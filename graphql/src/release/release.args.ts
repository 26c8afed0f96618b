import { IsUUID } from 'class-validator';
import { IsDnsLabel, IsSha256Digest, IsVersionText } from '../common/validators.ts';

/** Arguments of `release`. */
export class ReleaseIdArgs {
  @IsSha256Digest()
  readonly id!: string;
}

/** Arguments of `releaseByVersion`. */
export class ReleaseVersionArgs {
  @IsDnsLabel()
  readonly name!: string;

  @IsVersionText()
  readonly version!: string;
}

/** Arguments of `releaseRequest`. */
export class ReleaseRequestIdArgs {
  @IsUUID('all', { message: 'write the id that createRelease gave' })
  readonly id!: string;
}
