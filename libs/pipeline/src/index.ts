export * from './analysis/parse-analysis.ts';
export * from './diff/diff-pipelines.ts';
export * from './diff/difference-text.ts';
export * from './diff/pipeline-difference.ts';
export * from './explain/approval-loss.ts';
export * from './explain/explain-pipeline.ts';
export { type FinaleSteps, finaleSteps } from './explain/finale.ts';
export { type GraphNode, type Layers, layersOf } from './explain/layers.ts';
export * from './explain/mermaid.ts';
export {
  conditionText,
  durationText,
  matrixText,
  type StepKind,
  stepKind,
} from './explain/step-facts.ts';
export * from './parse/parse-pipeline.ts';
export type { PipelineDraft } from './parse/pipeline-draft.ts';
export { MAX_PIPELINE_BYTES } from './parse/pipeline-text.ts';
export type { ValuePath } from './parse/positioned-node.ts';
export { type PipelinePositions, positionsWithoutText } from './parse/positions.ts';
export { PIPELINE_JSON_SCHEMA } from './parse/structure.ts';
export * from './problem.ts';
export type { Origin, Origins } from './render/origin.ts';
export * from './render/render-pipeline.ts';
export * from './render/render-text.ts';
export { PIPELINE_UNKNOWN_ADVICE, type Pipelines } from './render/rendering.ts';
export {
  BUILT_IN_MANIFESTS,
  BUILT_IN_STEP_TYPES,
  registerStepTypes,
} from './step-types/built-in-step-types.ts';
export * from './step-types/step-type-conformance.ts';
export * from './step-types/step-type-manifest.ts';
export * from './step-types/step-type-tables.ts';
export { type CheckedPipeline, checkPipeline } from './validate/check-pipeline.ts';
export * from './validate/resolve-for-promotion.ts';
export { type ValidateOptions, validatePipeline } from './validate/validate-pipeline.ts';
