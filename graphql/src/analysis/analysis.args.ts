import { IsSha256Digest } from '../common/validators.ts';

/** Arguments of `analysisDocument`. */
export class AnalysisDocumentArgs {
  @IsSha256Digest()
  readonly digest!: string;
}
