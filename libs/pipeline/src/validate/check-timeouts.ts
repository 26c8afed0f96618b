import { defaultTimeoutSeconds, durationOf, inputForm } from '@sluice/domain';
import { type Check, stepAt } from './check.ts';
import { constantInputs } from './reference-type.ts';
import { foldNeeds } from './step-graph.ts';
import type { VariantStep } from './variant.ts';

/** Timeouts above those of the type, below what the step does, and chains that don't fit into the promotion. */
export function checkTimeouts(check: Check): void {
  const { report, variant } = check;
  for (const each of variant.steps) {
    const { type, step } = each;
    const { timeoutSeconds } = step;
    if (type === undefined) continue;
    if (timeoutSeconds !== undefined && timeoutSeconds > type.maxTimeoutSeconds) {
      report.say({
        code: 'timeout-too-long',
        path: each.place('timeoutSeconds'),
        message: `Step ${each.id} asks for ${timeoutSeconds} seconds; ${step.type} takes at most ${type.maxTimeoutSeconds}.`,
        suggestion: `Write ${type.maxTimeoutSeconds}.`,
      });
    }
    const lasts = durationOf(type, constantInputs(step));
    const timeout = timeoutOf(each);
    if (lasts !== undefined && lasts >= timeout) {
      report.say({
        code: 'timeout-too-short',
        path: each.place(timeoutSeconds === undefined ? 'inputs' : 'timeoutSeconds'),
        message: `Step ${each.id} lasts ${lasts} seconds, and its timeout ends it after ${timeout}.`,
        suggestion: 'Give it a longer timeout, or less to do.',
      });
    }
    const { backoffSeconds, maxBackoffSeconds } = step.retry ?? {};
    if (maxBackoffSeconds !== undefined && (backoffSeconds ?? 0) > maxBackoffSeconds) {
      report.say({
        code: 'retry-bounds',
        path: each.place('retry', 'maxBackoffSeconds'),
        message: `Step ${each.id} waits ${backoffSeconds} seconds before its second attempt, and never longer than ${maxBackoffSeconds}.`,
        suggestion: `Write ${backoffSeconds}.`,
      });
    }
  }
  // With sub-pipelines it is checked when their steps stand in their places.
  if (!variant.steps.some(({ type }) => type?.type === 'pipeline')) checkDeadline(check);
}

/** Whether the longest chain of steps fits into the time that the promotion has. */
export function checkDeadline(check: Check): void {
  const deadline = check.deadlineSeconds;
  if (deadline === null) return;
  const chains = [
    {
      code: 'deadline-cannot-hold',
      severity: undefined,
      secondsOf: (each: VariantStep) =>
        each.type === undefined ? 0 : (durationOf(each.type, knownInputs(check, each)) ?? 0),
      says: (id: string, sum: number) =>
        `The steps up to ${id} last ${sum} seconds at least; the promotion ends after ${deadline}.`,
    },
    {
      code: 'deadline-may-not-hold',
      severity: 'warning' as const,
      // What people take to decide is not counted.
      secondsOf: (each: VariantStep) =>
        each.type?.type === 'approval' ? 0 : timeoutOf(each) * roundsOf(each),
      says: (id: string, sum: number) =>
        `The timeouts of the steps up to ${id} come to ${sum} seconds; the promotion ends after ${deadline}.`,
    },
  ];
  for (const { code, severity, secondsOf, says } of chains) {
    const sums = foldNeeds(
      check.graph,
      (index, ofNeeds: readonly number[]) =>
        secondsOf(stepAt(check, index)) + ofNeeds.reduce((most, sum) => Math.max(most, sum), 0),
    );
    // The first ones beyond it in each chain: all after them are, too.
    const beyond = check.variant.steps.filter(
      ({ index }) =>
        (sums[index] ?? 0) > deadline &&
        !(check.graph.needs[index] ?? []).some((need) => (sums[need] ?? 0) > deadline),
    );
    for (const each of beyond) {
      check.report.say({
        code,
        ...(severity === undefined ? {} : { severity }),
        path: each.place('timeoutSeconds'),
        message: says(each.id, sums[each.index] ?? 0),
        suggestion: 'Shorten steps, let them run side by side, or give the promotion longer.',
      });
    }
    if (beyond.length > 0) return;
  }
}

/** Inputs that stand in the pipeline, and those that are a parameter whose value is settled. */
function knownInputs(check: Check, { step }: VariantStep): Readonly<Record<string, unknown>> {
  const { parameters: given, variant } = check;
  if (given === null) return constantInputs(step);
  const wired = Object.entries(step.inputs ?? {}).flatMap(([input, value]) => {
    const form = inputForm(value);
    const name = form.kind === 'ref' ? /^parameters\.([^.]+)$/.exec(form.text)?.[1] : undefined;
    if (name === undefined) return [];
    const settled = Object.hasOwn(given, name)
      ? given[name]
      : (variant.environmentValues.get(name) ?? variant.parameters.get(name)?.default);
    return [[input, settled] as const];
  });
  return { ...constantInputs(step), ...Object.fromEntries(wired) };
}

function timeoutOf({ type, step }: VariantStep): number {
  if (step.timeoutSeconds !== undefined) return step.timeoutSeconds;
  return type === undefined ? 0 : defaultTimeoutSeconds(type, constantInputs(step));
}

/** How often a matrix of known size fills its places. */
function roundsOf({ step }: VariantStep): number {
  const over = step.matrix?.over;
  if (over === undefined || !('values' in over)) return 1;
  return Math.max(1, Math.ceil(over.values.length / (step.matrix?.maxParallel ?? 10)));
}
