import { IsSha256Digest } from '../common/validators.ts';

/** Arguments of `workflowCode`. */
export class WorkflowCodeArgs {
  @IsSha256Digest()
  readonly digest!: string;
}
