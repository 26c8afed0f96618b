import {
  ANALYSIS_SCHEMA,
  type AnalysisDocument,
  type AnalysisPlan,
  composeAnalysis,
  judgeAnalysis,
  stepSecondsOf,
} from '@sluice/domain';
import { analysisRulesOf } from '@sluice/pipeline';
import { findProvider, type ProviderParts } from './analysis-providers.ts';
import { askProviders } from './ask-providers.ts';
import type { StageSubject, WatchStageInput } from './stage-subject.ts';

/** What looking needs. */
export type LookParts = ProviderParts;

/**
 * Asks the providers for everything since the stage began, and judges it. Throws the cancellation's reason only, and what a database
 * that is away throws.
 * @param look from 1
 * @param to milliseconds since the epoch
 */
export async function lookAtStage(
  parts: LookParts,
  input: WatchStageInput,
  subject: StageSubject & { readonly plan: AnalysisPlan },
  look: number,
  to: number,
  cancellation: AbortSignal,
): Promise<AnalysisDocument> {
  const { plan, stage, times, promotion } = subject;
  const { tenantId, promotionId } = input.promotion;
  const from = Math.floor(Date.parse(input.since) / 1000) * 1000;
  const until = Math.max(from + 1000, Math.floor(to / 1000) * 1000);
  const stepSeconds = stepSecondsOf(plan, stage.soakSeconds, (until - from) / 1000);
  const canary = subject.canary.map(({ name }) => name).sort();
  const { baseline } = subject;
  const metrics = await askProviders(
    { metrics: plan.metrics, canary, baseline, from, to: until, stepSeconds },
    (name) => findProvider(parts, tenantId, name),
    {
      tenantId,
      environment: promotion.environment,
      promotionId,
      releaseDigest: promotion.releaseDigest,
      cancellation,
    },
  );
  return composeAnalysis(
    {
      schema: ANALYSIS_SCHEMA,
      stepId: input.stepId,
      round: input.round,
      stage: input.stage,
      rules: analysisRulesOf(plan, times.looks),
      look,
      from: new Date(from).toISOString(),
      to: new Date(until).toISOString(),
      stepSeconds,
      targets: { canary, baseline },
      metrics,
    },
    judgeAnalysis,
  );
}
