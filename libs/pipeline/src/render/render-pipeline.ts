import {
  type JsonValue,
  PIPELINE_TEMPLATE_SCHEMA,
  type PipelineTemplate,
  type ResolvedParameter,
  type ResolvedPipeline,
  type ResolvedStep,
  type StepTypes,
} from '@sluice/domain';
import { digestOf } from '@sluice/pure';
import type { PipelineProblem } from '../problem.ts';
import { type Assembled, assemble } from './assemble.ts';
import { completeStep } from './complete.ts';
import { type Origin, type Origins, pipelineOrigin } from './origin.ts';
import { passedWithPromotion } from './parameters.ts';
import { beginRendering, note, type Pipelines, type Rendering } from './rendering.ts';
import { shortenIds } from './shorten-ids.ts';
import { refuseUnsoundSteps } from './sound.ts';

/** What a rendering looks things up in, and what it is for. */
export interface RenderOptions {
  /** Whose overrides hold. None when absent; a name that the pipeline does not know changes nothing. */
  readonly environment?: string;
  /** Given with the promotion, by name. JSON values; nothing in them is wired. */
  readonly parameters?: Readonly<Record<string, JsonValue>>;
  /** Those that are extended or contained, by `name@version`. */
  readonly pipelines: Pipelines;
  readonly stepTypes: StepTypes;
}

/** A resolved pipeline with the origin of each member, or all that stands in the way. */
export type RenderedPipeline =
  | {
      readonly ok: true;
      readonly pipeline: ResolvedPipeline;
      readonly origins: Origins;
      /** Warnings only. */
      readonly problems: readonly PipelineProblem[];
    }
  | { readonly ok: false; readonly problems: readonly PipelineProblem[] };

/**
 * The pipeline that a promotion runs: bases applied, then the environment's override, parameters bound (given before environment before
 * default), sub-pipelines in the place of the steps that call them, every default filled in. The same inputs give the same bytes, whatever
 * the order of the members of their objects. It takes what was parsed, and checks what inheritance can break; whether inputs fit their
 * types is for `validate`.
 *
 * Ids: step `inner` of the pipeline that `outer` calls is `outer--inner`, and others refer to it by that id. One longer than 63 characters
 * is cut and ends in ten hex digits of its SHA-256. Parameters of sub-pipelines become `outer__name`.
 */
export function renderPipeline(
  template: PipelineTemplate,
  options: RenderOptions,
): RenderedPipeline {
  const rendering = beginRendering(options.pipelines, options.environment);
  const passed = passedWithPromotion(options.parameters ?? {});
  const assembled = assemble(rendering, template, passed, '');
  if (assembled === null) return { ok: false, problems: rendering.problems };
  shortenIds(assembled.steps);
  const origins = new Map<string, Origin>();
  const setOrigin = (path: string, origin: Origin) => void origins.set(path, origin);
  const { description, failFast } = assembled.inherited;
  if (description !== null) setOrigin('description', description.origin);
  setOrigin('failFast', failFast.origin);
  const parameters = resolvedParameters(assembled, setOrigin);
  const steps = resolvedSteps(rendering, assembled, options.stepTypes, setOrigin);
  refuseUnsoundSteps(rendering, steps, pipelineOrigin(template));
  const { problems } = rendering;
  if (problems.some(({ severity }) => severity === 'error')) return { ok: false, problems };
  const pipeline: ResolvedPipeline = {
    schema: PIPELINE_TEMPLATE_SCHEMA,
    name: template.name,
    version: template.version,
    ...(description === null ? {} : { description: description.text }),
    parameters,
    steps,
    failFast: failFast.value,
  };
  return { ok: true, pipeline, origins: Object.fromEntries(origins), problems };
}

/** Digest of what a promotion runs: SHA-256 of the canonical JSON. Origins are no part of it. */
export function resolvedPipelineDigest(pipeline: ResolvedPipeline): string {
  return digestOf(pipeline);
}

function resolvedParameters(
  assembled: Assembled,
  setOrigin: (path: string, origin: Origin) => void,
): Readonly<Record<string, ResolvedParameter>> {
  const sorted = [...assembled.parameters].sort(([a], [b]) => (a < b ? -1 : 1));
  for (const [name, { origin }] of sorted) setOrigin(`parameters.${name}`, origin);
  return Object.fromEntries(
    sorted.map(([name, { schema, value }]) => [name, { schema, default: value }]),
  );
}

function resolvedSteps(
  rendering: Rendering,
  { steps, parameters }: Assembled,
  stepTypes: StepTypes,
  setOrigin: (path: string, origin: Origin) => void,
): readonly ResolvedStep[] {
  return steps.flatMap((draft) => {
    const type = stepTypes.get(draft.members.type);
    if (type !== undefined) return [completeStep(draft, type, parameters, setOrigin)];
    note(rendering, {
      code: 'step-type-unknown',
      path: `steps.${draft.id}.type`,
      message: `Step ${draft.id} is of type ${draft.members.type}, and there is no such type.`,
      suggestion: rendering.nearest(draft.members.type, stepTypes.keys()) ?? null,
    });
    return [];
  });
}
