import { Inject } from '@nestjs/common';
import { Args, Context, Query, Resolver } from '@nestjs/graphql';
import { ANALYSIS_MEDIA_TYPE } from '@sluice/domain';
import { findEvidence } from '@sluice/persistence';
import type { GraphqlContext } from '../common/graphql-context.ts';
import { InputPipe } from '../common/input.pipe.ts';
import { GRAPHQL_PARTS, type GraphqlParts } from '../common/tokens.ts';
import { AnalysisDocumentArgs } from './analysis.args.ts';
import { readAnalysis } from './read-analysis.ts';

/** What stages were judged by. */
@Resolver()
export class AnalysisResolver {
  readonly #parts: GraphqlParts;

  constructor(@Inject(GRAPHQL_PARTS) parts: GraphqlParts) {
    this.#parts = parts;
  }

  @Query('analysisDocument')
  async analysisDocument(
    @Args(new InputPipe(AnalysisDocumentArgs)) { digest }: AnalysisDocumentArgs,
    @Context() { inTenant }: GraphqlContext,
  ) {
    const known = await inTenant((tx) => findEvidence(tx, digest));
    // Other evidence of the tenant is read elsewhere, by its own rules.
    if (known?.mediaType !== ANALYSIS_MEDIA_TYPE) return null;
    return { digest, ...(await readAnalysis(this.#parts.evidence, digest)) };
  }
}
