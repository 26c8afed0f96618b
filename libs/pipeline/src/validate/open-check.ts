import type { StepTemplate } from '@sluice/domain';
import type { ValuePath } from '../parse/positioned-node.ts';
import type { Check } from './check.ts';
import type { Expressions } from './check-expression.ts';
import { checkExpression } from './check-expression.ts';
import { checkInputs } from './check-inputs.ts';
import { checkMatrix } from './check-matrix.ts';
import { checkRollout } from './check-rollout.ts';
import type { Conditions } from './condition.ts';
import type { Report } from './report.ts';
import {
  type AncestorQuestion,
  answerAncestors,
  createStepGraph,
  foldNeeds,
  type StepGraph,
  type WorkCount,
} from './step-graph.ts';
import { findExpandedStep, inheritedSteps } from './sub-pipeline.ts';
import type { Variant, VariantSource } from './variant.ts';

/** What the checks of all variants share. */
export interface CheckRoom {
  readonly source: VariantSource;
  readonly report: Report;
  /** Of expressions that are compiled once. */
  readonly expressions: Expressions;
  readonly conditions: Conditions;
  readonly deadlineSeconds: number | null;
  readonly parameters: Readonly<Record<string, unknown>> | null;
  readonly lost: readonly ValuePath[];
  readonly isLost: (path: ValuePath) => boolean;
  readonly work: WorkCount | undefined;
}

/** The check of one variant, and what asks the questions about order that its parts have left. */
export interface OpenCheck {
  readonly check: Check;
  answer(): void;
}

/** @param known the graph of the same steps, where the variant differs in values of parameters only */
export function openCheck(room: CheckRoom, variant: Variant, known: StepGraph | null): OpenCheck {
  const { source, report, conditions, deadlineSeconds, parameters, lost, isLost } = room;
  const asked: (readonly [AncestorQuestion, (comesAfter: boolean) => void])[] = [];
  const inherited = new Map<string, readonly StepTemplate[]>();
  const partial: Partial = {
    variant,
    report,
    template: source.template,
    stepTypes: source.stepTypes,
    pipelines: source.pipelines,
    deadlineSeconds,
    parameters,
    isLost,
    someIdLost: lost.some((path) => path.at(-1) === 'id' || path.length === 1),
    conditions,
    stepsOf: (name) => {
      const found = inherited.get(name);
      if (found !== undefined) return found;
      const template = source.pipelines.get(name);
      const steps = template === undefined ? [] : inheritedSteps(template, source.pipelines);
      inherited.set(name, steps);
      return steps;
    },
    ask: (question, onAnswer) => {
      asked.push([question, onAnswer]);
    },
  };
  const graph = known ?? graphOf(partial);
  const uncertain = uncertainSteps(partial, graph);
  const check: Check = { ...partial, graph, isUncertain: (step) => uncertain[step] ?? true };
  const answer = (): void => {
    const questions = asked.map(([question]) => question);
    for (const [at, comesAfter] of answerAncestors(graph, questions, room.work).entries()) {
      asked[at]?.[1](comesAfter);
    }
  };
  return { check, answer };
}

/** Conditions, matrices and inputs of all steps. */
export function checkValues(check: Check, expressions: Expressions): void {
  for (const each of check.variant.steps) {
    if (each.step.if !== undefined) {
      checkExpression(check, expressions, each, each.step.if, each.place('if'), 'boolean');
    }
    checkMatrix(check, each);
    checkInputs(check, expressions, each);
    checkRollout(check, each);
  }
}

type Partial = Omit<Check, 'graph' | 'isUncertain'>;

function graphOf(partial: Partial): StepGraph {
  const { variant } = partial;
  return createStepGraph(
    variant.steps.map(({ step }) => {
      const needs = (step.needs ?? []).map((need) => indexOfNeed(partial, need));
      return [...new Set(needs.filter((index) => index !== undefined))];
    }),
  );
}

function indexOfNeed(partial: Partial, need: string): number | undefined {
  const own = partial.variant.byId.get(need);
  return (own ?? findExpandedStep(partial, need)?.outer)?.index;
}

/** Steps whose needs, or whose needs' needs, are not all known. */
function uncertainSteps(partial: Partial, graph: StepGraph): readonly (boolean | undefined)[] {
  const { variant, isLost } = partial;
  return foldNeeds(graph, (index, ofNeeds: readonly boolean[]) => {
    const each = variant.steps[index];
    if (each === undefined || ofNeeds.some(Boolean)) return true;
    if (isLost(each.place('needs'))) return true;
    return (each.step.needs ?? []).some((need) => indexOfNeed(partial, need) === undefined);
  });
}
