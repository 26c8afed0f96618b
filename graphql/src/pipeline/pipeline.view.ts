import {
  isPipelineTemplate,
  type JsonValue,
  type ResolvedPipeline,
  type ResolvedStep,
} from '@sluice/domain';
import type { PipelineRecord, PipelineVersionRecord } from '@sluice/persistence';
import {
  type PipelineDifference,
  resolvedPipelineDigest,
  stepChangeScope,
  toMermaid,
} from '@sluice/pipeline';
import { enumName } from '../common/enum-name.ts';
import { isBuiltInPipeline } from './pipeline-template.ts';

/** Shows a version of a pipeline; what it says, and what hangs on it, is resolved apart. */
export function pipelineVersionView(
  record: Pick<PipelineRecord, 'name' | 'version' | 'publishedBy' | 'publishedAt'>,
) {
  const { name, version, publishedBy, publishedAt } = record;
  const builtIn = isBuiltInPipeline(name);
  return { id: `${name}@${version}`, name, version, builtIn, publishedBy, publishedAt };
}

/** A version of a pipeline as the schema has it. */
export type PipelineVersionView = ReturnType<typeof pipelineVersionView>;

/** Shows the parameters of a pipeline, in their order. */
export function parameterViews(body: PipelineRecord['body']) {
  const parameters = isPipelineTemplate(body) ? (body.parameters ?? {}) : {};
  return Object.entries(parameters).map(([name, { schema, default: value }]) => {
    return { name, schema, required: value === undefined, default: value ?? null };
  });
}

/** Shows a version without what it says. */
export function pipelineVersionEntryView(record: PipelineVersionRecord) {
  const { version, pipelineDigest, publishedBy, publishedAt } = record;
  return { version, digest: pipelineDigest, publishedBy, publishedAt };
}

/** Shows what a promotion runs. */
export function resolvedPipelineView(
  pipeline: ResolvedPipeline,
  digest = resolvedPipelineDigest(pipeline),
) {
  const { name, version, description, failFast, parameters, steps } = pipeline;
  return {
    name,
    version,
    digest,
    description: description ?? null,
    failFast,
    parameters: Object.fromEntries(
      Object.entries(parameters).map(([parameter, { default: value }]) => [parameter, value]),
    ),
    document: pipeline,
    // Drawn when it is asked for: a graph can have thousands of steps.
    mermaid: () => toMermaid(pipeline),
    steps: steps.map(resolvedStepView),
  };
}

/** Shows a step of what a promotion runs. */
export function resolvedStepView(step: ResolvedStep) {
  const { id, type, description, needs, when, inputs, matrix, timeoutSeconds } = step;
  return {
    id,
    type,
    description: description ?? null,
    needs,
    when: conditionName(when),
    if: step.if ?? null,
    inputs,
    matrix: matrix ?? null,
    timeoutSeconds,
    attempts: step.retry.attempts,
    concurrencyGroup: step.concurrencyGroup ?? null,
    continueOnFailure: step.continueOnFailure,
    compensate: step.compensate,
  };
}

/** Shows how two pipelines differ. */
export function pipelineDifferenceView(
  before: ResolvedPipeline,
  after: ResolvedPipeline,
  difference: PipelineDifference,
) {
  const { scope, members, added, removed, changed, reordered } = difference;
  return {
    __typename: 'PipelineDifference' as const,
    before: resolvedPipelineView(before, difference.before.digest),
    after: resolvedPipelineView(after, difference.after.digest),
    scope: scope === null ? null : enumName(scope),
    members: members.map(memberView),
    added: added.map(resolvedStepView),
    removed: removed.map(resolvedStepView),
    changed: changed.map((change) => ({
      id: change.id,
      scope: enumName(stepChangeScope(change)),
      needsAdded: change.needsAdded,
      needsRemoved: change.needsRemoved,
      members: change.members.map(memberView),
    })),
    reordered,
  };
}

function memberView(change: PipelineDifference['members'][number]): {
  readonly path: string;
  readonly before: JsonValue;
  readonly after: JsonValue;
  readonly scope: string;
} {
  const { path, before = null, after = null, scope } = change;
  return { path, before, after, scope: enumName(scope) };
}

/** `onFailure` becomes `ON_FAILURE`. */
function conditionName(when: ResolvedStep['when']): string {
  return when.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase();
}
