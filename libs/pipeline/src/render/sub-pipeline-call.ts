import type { InputValue, StepTemplate } from '@sluice/domain';
import type { DraftStep } from './draft.ts';
import { pipelineOrigin } from './origin.ts';
import { note, type Rendering } from './rendering.ts';
import { constantOf, isWired } from './wired.ts';

/** What a `pipeline@1` step runs. */
export interface SubPipelineCall {
  /** `rollout@1`. */
  readonly name: string;
  /** By name; each may be wired. */
  readonly parameters: ReadonlyMap<string, InputValue>;
}

/** Reads the call out of a step; null, with the problems noted, when it cannot be expanded. */
export function subPipelineCall(
  rendering: Rendering,
  step: DraftStep,
  path: string,
): SubPipelineCall | null {
  refuseMembers(rendering, step, path);
  const inputs = step.members.inputs ?? {};
  const ref = constantOf(inputs.pipeline ?? null) as { name?: unknown; version?: unknown } | null;
  if (typeof ref?.name !== 'string' || !Number.isSafeInteger(ref.version)) {
    note(rendering, {
      code: 'sub-pipeline-not-named',
      path: `${path}.inputs.pipeline`,
      message: `Step ${step.id} has to name the pipeline that it runs, and may not wire it: which steps there are is known before the promotion begins.`,
      suggestion: 'pipeline: {name: rollout, version: 1}',
    });
    return null;
  }
  const parameters = inputs.parameters ?? {};
  const named = isWired(parameters) ? constantOf(parameters) : parameters;
  if (typeof named !== 'object' || named === null || Array.isArray(named)) {
    note(rendering, {
      code: 'sub-pipeline-parameters',
      path: `${path}.inputs.parameters`,
      message: `Step ${step.id} has to name the parameters one by one; each may be wired.`,
      suggestion: 'parameters: {image: {ref: steps.build.outputs.digest}}',
    });
    return null;
  }
  const name = pipelineOrigin({ name: ref.name, version: ref.version as number });
  return { name, parameters: new Map(Object.entries(named as Record<string, InputValue>)) };
}

/** What a sub-pipeline has not: it is its steps, not a step that runs. */
const REFUSED: readonly (readonly [keyof StepTemplate, string])[] = [
  ['matrix', 'give a matrix to its steps'],
  ['retry', 'its steps have retries of their own'],
  ['timeoutSeconds', 'its steps have timeouts of their own'],
  ['concurrencyGroup', 'give the group to its steps'],
  ['continueOnFailure', 'say it of the steps whose failure is bearable'],
];

function refuseMembers(rendering: Rendering, step: DraftStep, path: string): void {
  const members: Partial<StepTemplate> = step.members;
  for (const [member, instead] of REFUSED) {
    const value = members[member];
    if (value === undefined || value === false) continue;
    const message = `Step ${step.id} runs a sub-pipeline and cannot have ${member}: ${instead}.`;
    note(rendering, { code: 'sub-pipeline-member', path: `${path}.${member}`, message });
  }
  if (members.when === undefined || members.when === 'success') return;
  const message = `Step ${step.id} runs a sub-pipeline and begins on success only: give its steps a \`when\` of their own.`;
  note(rendering, { code: 'sub-pipeline-member', path: `${path}.when`, message });
}
