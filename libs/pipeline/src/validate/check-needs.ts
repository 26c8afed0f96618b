import { type Check, idsBut, isNever, knownAre, stepAt, whenOf, write } from './check.ts';
import { foldNeeds } from './step-graph.ts';
import { findExpandedStep } from './sub-pipeline.ts';

/** Types that nobody has registered, and cycles named in order. */
export function checkTypesAndCycles(check: Check): void {
  const { variant, graph, report, stepTypes } = check;
  for (const each of variant.steps) {
    if (each.type !== undefined) continue;
    report.say({
      code: 'step-type-unknown',
      path: each.place('type'),
      message: `Step ${each.id} is of type ${each.step.type}, and there is no such type.`,
      suggestion:
        write(report.nearest(each.step.type, stepTypes.keys())) ??
        knownAre(stepTypes.keys(), 'Register the type.'),
    });
  }
  for (const cycle of graph.cycles) {
    const ids = cycle.map((index) => stepAt(check, index).id);
    const shown = ids.length > 20 ? [...ids.slice(0, 19), '…', ids.at(-1)] : ids;
    const first = stepAt(check, cycle[0] as number);
    report.say({
      code: 'pipeline-cycle',
      path: first.place('needs'),
      message:
        ids.length === 1
          ? `Step ${first.id} needs itself.`
          : `Steps need each other in a circle of ${ids.length}: ${[...shown, ids[0]].join(' → ')}.`,
      suggestion: `Take one of these needs out, such as ${ids[1] ?? ids[0]} of ${ids[0]}.`,
    });
  }
}

/** Needs that name no step. */
export function checkNeeds(check: Check): void {
  const { variant, report, someIdLost } = check;
  for (const each of variant.steps) {
    for (const [at, need] of (each.step.needs ?? []).entries()) {
      if (variant.byId.has(need) || someIdLost || findExpandedStep(check, need) !== undefined) {
        continue;
      }
      report.say({
        code: 'step-need-unknown',
        path: each.place('needs', at),
        message: `Step ${each.id} needs ${need}, and there is no such step.`,
        suggestion:
          write(report.nearest(need, idsBut(check, each.id))) ??
          knownAre(idsBut(check, each.id), 'Take it out of the needs.'),
      });
    }
  }
}

/** Steps that can never run, and steps that wait for something that can never come. */
export function checkReachability(check: Check): void {
  const { variant, graph, report } = check;
  const finale = finaleSteps(check);
  for (const [index, each] of variant.steps.entries()) {
    if (isNever(each)) {
      report.say({
        code: 'step-never-runs',
        severity: 'warning',
        path: each.place('if'),
        message: `Step ${each.id} never runs: its condition is false.`,
        suggestion: 'Take the step out, or give it another condition.',
      });
    }
    const needs = graph.needs[index] ?? [];
    const late = needs.find((need) => finale[need] === true);
    if (whenOf(each) === 'success' && late !== undefined) {
      const need = stepAt(check, late);
      report.say({
        code: 'step-unreachable',
        path: each.place('needs'),
        message: `Step ${each.id} can never run: it needs ${need.id}, which is decided only when the pipeline has ended${whenOf(need) === 'onCancel' ? ', and runs only when the promotion was cancelled' : ''}.`,
        suggestion: `Take ${need.id} out of its needs, or write \`when: always\`.`,
      });
    }
    if (whenOf(each) === 'onFailure' && needs.length > 0) {
      const all = needs.every((need) => isNever(stepAt(check, need)));
      if (!all) continue;
      report.say({
        code: 'step-unreachable',
        path: each.place('needs'),
        message: `Step ${each.id} can never run: it waits for a failure of steps that never run.`,
        suggestion: 'Let it need a step that runs.',
      });
    }
  }
}

/** True for steps that are decided only when the pipeline has ended. */
export function finaleSteps(check: Check): readonly (boolean | undefined)[] {
  return foldNeeds(check.graph, (index, ofNeeds: readonly boolean[]) => {
    const when = whenOf(stepAt(check, index));
    const waitsForAll = when === 'onFailure' && ofNeeds.length === 0;
    return when === 'onCancel' || waitsForAll || ofNeeds.some(Boolean);
  });
}
