import type { PipelineTemplate, StepTypes } from '@sluice/domain';
import type { ValuePath } from '../parse/positioned-node.ts';
import { type PipelinePositions, positionsWithoutText } from '../parse/positions.ts';
import { orderProblems } from '../parse/problem-order.ts';
import type { PipelineProblem } from '../problem.ts';
import type { Pipelines } from '../render/rendering.ts';
import { checkEffects } from './check-effects.ts';
import { checkExpanded } from './check-expanded.ts';
import { createExpressions } from './check-expression.ts';
import { checkNeeds, checkReachability, checkTypesAndCycles } from './check-needs.ts';
import { checkDuplicates, checkOverrides } from './check-overrides.ts';
import { checkParameters } from './check-parameters.ts';
import { checkTimeouts } from './check-timeouts.ts';
import { createConditions } from './condition.ts';
import { type CheckRoom, checkValues, openCheck } from './open-check.ts';
import { createReport, type Report } from './report.ts';
import type { StepGraph, WorkCount } from './step-graph.ts';
import { checkSubPipelines } from './sub-pipeline.ts';
import { type Variant, type VariantSource, variantOf } from './variant.ts';

/** What a pipeline is judged against. */
export interface ValidateOptions {
  readonly stepTypes: StepTypes;
  /** Those that it may extend or contain, by `name@version`; none when absent. */
  readonly pipelines?: Pipelines;
  /** Where its values stand; problems without a text are on line 1 when absent. */
  readonly positions?: PipelinePositions;
  /** What the promotion gives for parameters. Absent: not known yet, so nothing is said to be missing. */
  readonly parameters?: Readonly<Record<string, unknown>>;
  /** How long the promotion may take. Seconds; no bound when absent. */
  readonly deadlineSeconds?: number;
  /** Places whose form is wrong, see `PipelineDraft`: nothing is said about them. */
  readonly lost?: readonly ValuePath[];
  /** Counts how many needs the questions about order looked at. */
  readonly work?: WorkCount;
}

/**
 * Everything that is wrong with what a pipeline means, at once, in the order of its text: as it is, and as each of its environments makes it.
 * Takes what {@link parsePipeline} has accepted. The work grows with steps and needs, not with their square.
 */
export function validatePipeline(
  template: PipelineTemplate,
  options: ValidateOptions,
): readonly PipelineProblem[] {
  const positions = options.positions ?? positionsWithoutText(template);
  const isLost = lostPlaces(options.lost ?? []);
  const report = createReport(positions, isLost);
  const source: VariantSource = {
    template,
    stepTypes: options.stepTypes,
    pipelines: options.pipelines ?? new Map(),
  };
  const find = (path: ValuePath): { readonly line: number } => positions.find(path);
  checkDuplicates(template.steps, ['steps'], report, find);
  const environments = Object.entries(template.environments ?? {});
  for (const [name, { steps }] of environments) {
    checkDuplicates(steps ?? [], ['environments', name, 'steps'], report, find);
  }
  const base = variantOf(source, null, report);
  if (base === null) return orderProblems(report.problems);
  const bases = variantOf({ ...source, template: baseOf(template) }, null, silent(report));
  if (template.extends !== undefined && bases !== null) {
    checkOverrides(template.steps, ['steps'], bases, { report, isLost });
  }
  for (const [name, { steps }] of environments) {
    const path = ['environments', name, 'steps'];
    checkOverrides(steps ?? [], path, base, { report, isLost });
  }
  const room: CheckRoom = {
    source,
    report,
    expressions: createExpressions(),
    conditions: createConditions(),
    deadlineSeconds: options.deadlineSeconds ?? null,
    parameters: options.parameters ?? null,
    lost: options.lost ?? [],
    isLost,
    work: options.work,
  };
  const graph = checkVariant(room, base, null);
  for (const [name, { steps }] of environments) {
    report.enterEnvironment(name);
    const variant = variantOf(source, name, report);
    if (variant === null) continue;
    const same = (steps ?? []).length === 0 && template.extends === undefined;
    checkVariant(room, variant, same ? graph : null);
  }
  const isClean = report.problems.every(({ severity }) => severity !== 'error');
  if (isClean && room.lost.length === 0) checkExpanded(room);
  return orderProblems(report.problems);
}

/** The pipeline without what it says of its steps itself: what it extends. */
function baseOf(template: PipelineTemplate): PipelineTemplate {
  const { environments: _environments, ...rest } = template;
  return { ...rest, steps: [] };
}

/** For what is said already. */
function silent(report: Report): Report {
  return { ...report, say: () => undefined };
}

function checkVariant(room: CheckRoom, variant: Variant, known: StepGraph | null): StepGraph {
  const { check, answer } = openCheck(room, variant, known);
  checkParameters(check);
  if (known === null) {
    checkTypesAndCycles(check);
    checkNeeds(check);
    checkReachability(check);
    checkEffects(check);
    checkTimeouts(check);
    checkSubPipelines(check);
  }
  checkValues(check, room.expressions);
  answer();
  return check.graph;
}

/** True for the lost places and all within them. */
function lostPlaces(lost: readonly ValuePath[]): (path: ValuePath) => boolean {
  if (lost.length === 0) return () => false;
  const keys = new Set(lost.map((path) => JSON.stringify(path)));
  return (path) => {
    for (let length = 1; length <= path.length; length += 1) {
      if (keys.has(JSON.stringify(path.slice(0, length)))) return true;
    }
    return false;
  };
}
