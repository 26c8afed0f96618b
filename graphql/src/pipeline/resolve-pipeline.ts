import {
  type Deadlines,
  isPipelineTemplate,
  type JsonValue,
  type ResolvedPipeline,
} from '@sluice/domain';
import { type PipelineRecord, readPipelineLibrary, type Tx } from '@sluice/persistence';
import {
  BUILT_IN_STEP_TYPES,
  type PipelineProblem,
  renderPipeline,
  resolveForPromotion,
} from '@sluice/pipeline';
import { declaredParameters, templateOf } from './pipeline-template.ts';

/** What a pipeline is resolved for. */
export interface ResolutionRequest {
  readonly environment?: string | undefined;
  readonly parameters?: Readonly<Record<string, JsonValue>> | undefined;
  /** True: parameters that the pipeline does not have are left out, not a problem. */
  readonly onlyDeclared?: boolean;
  /**
   * Of the environment: for a promotion there it is judged, too. From here come the times of Sluice's own pipelines. Absent: it is
   * rendered to be looked at.
   */
  readonly deadlines?: Deadlines | undefined;
}

/** A pipeline as a promotion would run it, or all that stands in the way. */
export type PipelineResolution =
  | { readonly ok: true; readonly pipeline: ResolvedPipeline }
  | { readonly ok: false; readonly problems: readonly PipelineProblem[] };

/** Resolves a stored pipeline against those that are published; for a promotion by the same judgement as when its rules are frozen. */
export async function resolvePipeline(
  tx: Tx,
  { body }: Pick<PipelineRecord, 'body'>,
  { environment, parameters = {}, onlyDeclared = false, deadlines }: ResolutionRequest,
): Promise<PipelineResolution> {
  const template = templateOf(body, deadlines);
  const pipelines = await readPipelineLibrary(tx, template);
  const declared = onlyDeclared ? declaredParameters(template, pipelines) : undefined;
  const given = Object.entries(parameters).filter(([name]) => declared?.has(name) ?? true);
  const options = {
    pipelines,
    stepTypes: BUILT_IN_STEP_TYPES,
    parameters: Object.fromEntries(given),
    ...(environment === undefined ? {} : { environment }),
  };
  const rendered =
    isPipelineTemplate(body) && environment !== undefined && deadlines !== undefined
      ? resolveForPromotion(template, {
          ...options,
          environment,
          deadlineSeconds: deadlines.promotionSeconds,
        })
      : renderPipeline(template, options);
  return rendered.ok
    ? { ok: true, pipeline: rendered.pipeline }
    : { ok: false, problems: rendered.problems };
}
