import { MAX_COMPONENTS } from '@sluice/domain';
import { Type } from 'class-transformer';
import { ArrayMaxSize, ArrayMinSize, IsArray, ValidateNested } from 'class-validator';
import { IsDnsLabel, IsIdempotencyKey, IsPlainText, IsVersionText } from '../common/validators.ts';

/** One component of a release that is asked for. */
export class ComponentInput {
  @IsDnsLabel()
  readonly name!: string;

  @IsDnsLabel()
  readonly source!: string;

  /** A tag, or a digest; what the source makes of it is the source's matter. */
  @IsPlainText(255)
  readonly reference!: string;
}

/** Input of `createRelease`. */
export class CreateReleaseInput {
  @IsDnsLabel()
  readonly name!: string;

  @IsVersionText()
  readonly version!: string;

  @IsArray({ message: 'write a list of components' })
  @ArrayMinSize(1, { message: 'name at least one component' })
  @ArrayMaxSize(MAX_COMPONENTS, { message: `name at most ${MAX_COMPONENTS} components` })
  @ValidateNested({ each: true })
  @Type(() => ComponentInput)
  readonly components!: ComponentInput[];

  @IsIdempotencyKey()
  readonly idempotencyKey!: string;
}
