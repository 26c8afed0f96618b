import type { ResolvedPipeline } from '@sluice/domain';
import type { PromotionRecord } from '@sluice/persistence';
import { BUILT_IN_STEP_TYPES, renderPipeline } from '@sluice/pipeline';
import type { FrozenRules } from '@sluice/temporal-contract';
import type { Loaders } from '../common/loaders.ts';
import { templateOf } from '../pipeline/pipeline-template.ts';

/** What a promotion holds to; null before it began. */
export function frozenRulesOf({ rules }: PromotionRecord): FrozenRules | null {
  return rules as unknown as FrozenRules | null;
}

/** One of Sluice's own is resolved here, once for each record that is looked at. */
const BUILT_IN = new WeakMap<PromotionRecord, ResolvedPipeline>();

/** What a promotion runs; null before it began. */
export async function frozenPipelineOf(
  loaders: Loaders,
  promotionId: string,
): Promise<ResolvedPipeline | null> {
  const record = await loaders.getPromotion(promotionId);
  const rules = frozenRulesOf(record);
  if (rules === null) return null;
  if (rules.form === 3) return (await loaders.resolvedPipeline(rules.pipelineDigest)) ?? null;
  const known = BUILT_IN.get(record);
  if (known !== undefined) return known;
  const rendered = renderPipeline(templateOf(rules.pipeline, rules.deadlines), {
    pipelines: new Map(),
    stepTypes: BUILT_IN_STEP_TYPES,
  });
  // One that was frozen by an older version, with a type that is no longer there, can't be drawn.
  if (!rendered.ok) return null;
  BUILT_IN.set(record, rendered.pipeline);
  return rendered.pipeline;
}
