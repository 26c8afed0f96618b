import { IsOptional } from 'class-validator';
import { IsCount, IsDnsLabel, IsPipelineRef, IsValues } from '../common/validators.ts';

/** Arguments of `pipeline`. */
export class PipelineArgs {
  @IsDnsLabel()
  readonly name!: string;

  @IsOptional()
  @IsCount()
  readonly version?: number | null;
}

/** Arguments of `comparePipelines`. */
export class ComparePipelinesArgs {
  @IsPipelineRef()
  readonly from!: string;

  @IsPipelineRef()
  readonly to!: string;

  @IsOptional()
  @IsDnsLabel()
  readonly environment?: string | null;

  @IsOptional()
  @IsValues()
  readonly parameters?: Readonly<Record<string, unknown>> | null;
}

/** Arguments of `resolvePipeline`. */
export class ResolvePipelineArgs {
  @IsPipelineRef()
  readonly pipeline!: string;

  @IsOptional()
  @IsDnsLabel()
  readonly environment?: string | null;

  @IsOptional()
  @IsValues()
  readonly parameters?: Readonly<Record<string, unknown>> | null;
}
