import type { PipelineTemplate, StepTemplate, StepTypes } from '@sluice/domain';
import type { ValuePath } from '../parse/positioned-node.ts';
import type { Pipelines } from '../render/rendering.ts';
import type { Conditions } from './condition.ts';
import type { Report } from './report.ts';
import type { AncestorQuestion, StepGraph } from './step-graph.ts';
import type { Variant, VariantStep } from './variant.ts';

/** What every check of one variant reads. */
export interface Check {
  readonly variant: Variant;
  readonly graph: StepGraph;
  readonly report: Report;
  readonly template: PipelineTemplate;
  readonly stepTypes: StepTypes;
  readonly pipelines: Pipelines;
  readonly deadlineSeconds: number | null;
  /** Values that come with the promotion; null where that is not known, and any may come. */
  readonly parameters: Readonly<Record<string, unknown>> | null;
  /** True for a place whose form is wrong, and for what lies within it. */
  readonly isLost: (path: ValuePath) => boolean;
  /** True when a step has lost its id: it may be the one that a name means. */
  readonly someIdLost: boolean;
  /** True where the needs of a step, or of one before it, are not all known. */
  readonly isUncertain: (step: number) => boolean;
  /** What the steps' conditions ask for. */
  readonly conditions: Conditions;
  /** Steps of another pipeline with those of its bases, by `name@version`; none for one that is not there. */
  stepsOf(name: string): readonly StepTemplate[];
  /** Asked together at the end: each question alone would walk the graph. */
  ask(question: AncestorQuestion, onAnswer: (comesAfter: boolean) => void): void;
}

/** The step at an index. */
export function stepAt(check: Check, index: number): VariantStep {
  return check.variant.steps[index] as VariantStep;
}

/** When it runs; `success` when nothing is said. */
export function whenOf({ step }: VariantStep): string {
  return step.when ?? 'success';
}

/** True for the conditions that are nothing but `false`. */
export function isNever({ step }: VariantStep): boolean {
  return step.if !== undefined && /^[\s(]*false[\s)]*$/.test(step.if);
}

/** A suggestion that names what should stand there; null where nothing is near. */
export function write(name: string | undefined): string | null {
  return name === undefined ? null : `Write ${name}.`;
}

/** Names that a suggestion lists at most. */
const MAX_LISTED = 10;

/** A suggestion that lists what there is, the first of it; `otherwise` where there is nothing. Looks at no more than it lists. */
export function knownAre(names: Iterable<string>, otherwise: string): string {
  const shown: string[] = [];
  for (const name of names) {
    if (shown.length === MAX_LISTED) return `Known are ${shown.join(', ')} and others.`;
    shown.push(name);
  }
  const last = shown.pop();
  if (last === undefined) return otherwise;
  return shown.length === 0 ? `Known is ${last}.` : `Known are ${shown.join(', ')} and ${last}.`;
}

/** Ids of all steps but one, in the order of the pipeline. */
export function* idsBut({ variant }: Pick<Check, 'variant'>, own: string): Iterable<string> {
  for (const { id } of variant.steps) if (id !== own) yield id;
}
