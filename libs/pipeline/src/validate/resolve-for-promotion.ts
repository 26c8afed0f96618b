import type { JsonValue, PipelineTemplate, ResolvedPipeline } from '@sluice/domain';
import type { PipelineProblem } from '../problem.ts';
import { type RenderOptions, renderPipeline } from '../render/render-pipeline.ts';
import { validatePipeline } from './validate-pipeline.ts';

/** What a promotion gives to the pipeline that it runs. */
export interface PromotionOptions extends Required<Omit<RenderOptions, 'parameters'>> {
  /** Given with the promotion and by the environment's configuration, together. */
  readonly parameters: Readonly<Record<string, JsonValue>>;
  /** How long the promotion may take. Seconds. */
  readonly deadlineSeconds: number;
}

/** A pipeline that a promotion can run, or all that stands in the way, errors alone. */
export type PromotionPipeline =
  | { readonly ok: true; readonly pipeline: ResolvedPipeline }
  | { readonly ok: false; readonly problems: readonly PipelineProblem[] };

/**
 * Renders a pipeline for a promotion and judges what comes of it, with every value that is known now: what the preview shows, what a request
 * is refused for and what freezing the rules refuses are this one judgement.
 */
export function resolveForPromotion(
  template: PipelineTemplate,
  { deadlineSeconds, ...options }: PromotionOptions,
): PromotionPipeline {
  const rendered = renderPipeline(template, options);
  if (!rendered.ok) return { ok: false, problems: rendered.problems.filter(isError) };
  const { pipeline } = rendered;
  const { stepTypes } = options;
  // Its parameters have their values as defaults by now.
  const judged = validatePipeline(pipeline, { stepTypes, parameters: {}, deadlineSeconds });
  const problems = judged.filter(isError);
  return problems.length === 0 ? { ok: true, pipeline } : { ok: false, problems };
}

function isError({ severity }: PipelineProblem): boolean {
  return severity === 'error';
}
