import { MAX_PIPELINE_BYTES } from '@sluice/pipeline';
import { IsIdempotencyKey, IsTextOfBytes } from '../common/validators.ts';

/** Input of `publishPipeline`. What its text says is judged apart. */
export class PublishPipelineInput {
  @IsTextOfBytes(MAX_PIPELINE_BYTES)
  readonly text!: string;

  @IsIdempotencyKey()
  readonly idempotencyKey!: string;
}
