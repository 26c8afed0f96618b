import { isName, listMadeReleaseProblems, type ResolvedStep } from '@sluice/domain';
import { MAX_CEL_LENGTH } from '@sluice/pure';
import { layersOf } from '../explain/layers.ts';
import { note, type Rendering } from './rendering.ts';

/** What inheritance and sub-pipelines can break: no steps, ids that meet, needs that lead nowhere or in a circle. */
export function refuseUnsoundSteps(
  rendering: Rendering,
  steps: readonly ResolvedStep[],
  pipeline: string,
): void {
  if (rendering.problems.some(({ severity }) => severity === 'error')) return;
  if (steps.length === 0) {
    const message = `Pipeline ${pipeline} has no steps and would do nothing. Give it one.`;
    note(rendering, { code: 'pipeline-without-steps', path: 'steps', message });
    return;
  }
  const ids = new Set<string>();
  for (const { id } of steps) {
    const path = `steps.${id}`;
    if (!isName(id)) {
      const message = `"${id}" is no step id: write up to 63 of a-z, 0-9 and -, with neither end a -.`;
      note(rendering, { code: 'step-id-invalid', path, message });
    }
    if (ids.has(id)) {
      const message = `There are two steps ${id}: one of them comes from a sub-pipeline. Rename the other.`;
      note(rendering, { code: 'step-id-twice', path, message });
    }
    ids.add(id);
  }
  refuseLongConditions(rendering, steps);
  for (const step of steps) {
    for (const need of step.needs) {
      if (ids.has(need)) continue;
      const message = `Step ${step.id} needs ${need}, and there is no such step.`;
      const suggestion = rendering.nearest(need, ids) ?? null;
      const path = `steps.${step.id}.needs`;
      note(rendering, { code: 'step-need-unknown', path, message, suggestion });
    }
  }
  for (const { code, stepId, message } of listMadeReleaseProblems(steps)) {
    note(rendering, { code, path: `steps.${stepId}`, message });
  }
  const { stuck } = layersOf(steps);
  if (stuck.length === 0) return;
  const shown = stuck.slice(0, 10).map(({ id }) => id);
  const more = stuck.length > shown.length ? ` and ${stuck.length - shown.length} more` : '';
  const message = `These steps need each other, or come after such: ${shown.join(', ')}${more}. Take one of the needs out.`;
  note(rendering, { code: 'pipeline-cycle', path: 'steps', message });
}

/** Conditions of sub-pipelines are joined to those of their steps. */
function refuseLongConditions(rendering: Rendering, steps: readonly ResolvedStep[]): void {
  for (const { id, if: condition } of steps) {
    if (condition === undefined || condition.length <= MAX_CEL_LENGTH) continue;
    const message = `The condition of step ${id} has ${condition.length} characters, with those of the sub-pipelines that it is in; at most ${MAX_CEL_LENGTH}. Make one of them shorter.`;
    note(rendering, { code: 'condition-too-long', path: `steps.${id}.if`, message });
  }
}
