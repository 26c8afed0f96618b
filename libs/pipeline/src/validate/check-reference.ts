import type { ValueSchema } from '@sluice/domain';
import type { ValuePath } from '../parse/positioned-node.ts';
import { type Check, idsBut, knownAre, whenOf, write } from './check.ts';
import { guardOf } from './guard.ts';
import type { Reference } from './reference.ts';
import { outputsOf, type ReferencedStep, typeOfReference } from './reference-type.ts';
import { findExpandedStep } from './sub-pipeline.ts';
import type { VariantStep } from './variant.ts';

/** A reference where it stands. */
export interface PlacedReference {
  readonly reader: VariantStep;
  readonly reference: Reference;
  /** As it is written. */
  readonly text: string;
  readonly path: ValuePath;
  /** UTF-16 units into the text at the path. */
  readonly offset: number;
  /** True where an expression has asked before whether it is there. */
  readonly guarded: boolean;
}

/** Checks one reference; gives the type of what it points to, null where that isn't known or was refused. */
export function checkReference(check: Check, placed: PlacedReference): ValueSchema | null {
  const { reader, reference, path, offset } = placed;
  const { report, variant } = check;
  switch (reference.kind) {
    case 'fact':
      break;
    case 'parameter': {
      const lost = check.isLost(['parameters', reference.name]);
      if (lost || variant.parameters.has(reference.name)) break;
      const best = report.nearest(reference.name, variant.parameters.keys());
      report.say({
        code: 'parameter-unknown',
        path,
        message: `Step ${reader.id} reads parameter ${reference.name}, and the pipeline has none of that name.`,
        suggestion:
          best === undefined ? 'Declare it under parameters.' : `Write parameters.${best}.`,
        where: offset,
      });
      return null;
    }
    case 'matrix':
      return checkMatrixReference(check, placed);
    case 'outcome':
    case 'output': {
      const target = findStep(check, reference.step);
      if (target === undefined) return sayUnknownStep(check, placed, reference.step);
      if (reference.kind === 'output' && !hasOutput(check, placed, target, reference.name)) {
        return null;
      }
      if (target.own === reader) {
        report.say({
          code: 'output-of-itself',
          path,
          message: `Step ${reader.id} reads ${placed.text}, which is there only when it has ended.`,
          suggestion: 'Read what a step before it gives, or write the value here.',
          where: offset,
        });
        return null;
      }
      askOrder(check, placed, target);
      if (reference.kind === 'output') checkGuard(check, placed, target);
      return typeOfReference(check, reader, reference, target);
    }
  }
  return typeOfReference(check, reader, reference, undefined);
}

function findStep(check: Check, id: string): ReferencedStep | undefined {
  const own = check.variant.byId.get(id);
  if (own !== undefined) return { own, step: own.step, type: own.type };
  const expanded = findExpandedStep(check, id);
  if (expanded === undefined) return undefined;
  const { outer, inner } = expanded;
  return { own: outer, step: inner, type: check.stepTypes.get(inner.type) };
}

function sayUnknownStep(check: Check, placed: PlacedReference, id: string): null {
  const { report, variant } = check;
  if (check.someIdLost) return null;
  const best = report.nearest(id, variant.byId.keys());
  report.say({
    code: 'step-reference-unknown',
    path: placed.path,
    message: `Step ${placed.reader.id} reads ${placed.text}, and there is no step ${id}.`,
    suggestion:
      write(best === undefined ? undefined : placed.text.replace(id, best)) ??
      knownAre(idsBut(check, placed.reader.id), `Add a step ${id}, or take this out.`),
    where: placed.offset,
  });
  return null;
}

function hasOutput(
  check: Check,
  placed: PlacedReference,
  target: ReferencedStep,
  name: string,
): boolean {
  const { type, own, step } = target;
  if (type === undefined) return true;
  if (
    type.declaresOutputs !== undefined &&
    check.isLost(own.place('inputs', type.declaresOutputs))
  ) {
    return true;
  }
  const { properties, additional } = outputsOf(type, step);
  if (Object.hasOwn(properties, name) || additional !== undefined) return true;
  const known = Object.keys(properties);
  const best = check.report.nearest(name, known);
  const has = known.length === 0 ? 'has no outputs' : `has ${known.join(', ')}`;
  check.report.say({
    code: 'output-unknown',
    path: placed.path,
    message: `Step ${step.id} (${step.type}) has no output ${name}; it ${has}.`,
    suggestion:
      write(best === undefined ? undefined : placed.text.replace(name, best)) ??
      knownAre(known, 'Read what another step gives, or take this out.'),
    where: placed.offset,
  });
  return false;
}

function askOrder(check: Check, placed: PlacedReference, target: ReferencedStep): void {
  const { reader, path, offset, text } = placed;
  const question = { step: reader.index, before: target.own.index };
  check.ask(question, (comesAfter) => {
    if (comesAfter || check.isUncertain(reader.index)) return;
    check.report.say({
      code: 'output-before-it-exists',
      path,
      message: `Step ${reader.id} reads ${text}, and doesn't come after step ${target.own.id}.`,
      suggestion: `Add ${target.own.id} to the needs of ${reader.id}.`,
      where: offset,
    });
  });
}

function checkGuard(check: Check, placed: PlacedReference, target: ReferencedStep): void {
  if (placed.guarded) return;
  const { reader, reference, path, offset, text } = placed;
  const id = reference.kind === 'output' ? reference.step : target.step.id;
  const guard = guardOf(check.conditions, reader.step, target.step, id);
  if (guard === 'guarded') return;
  const { when, if: condition, continueOnFailure } = target.step;
  const isOther = (reader.step.when ?? 'success') !== 'success';
  const isSkipped = condition !== undefined || when === 'onFailure' || when === 'onCancel';
  const why = isSkipped
    ? `step ${id} has ${condition === undefined ? `when: ${when}` : 'a condition'} and may be skipped`
    : continueOnFailure === true
      ? `the failure of step ${id} is tolerated`
      : `it runs ${whenOf(reader)}, so when step ${id} failed too`;
  const isSame = isSkipped && !isOther && continueOnFailure !== true && condition !== undefined;
  check.report.say({
    code: 'output-maybe-missing',
    ...(guard === 'unknown' ? { severity: 'warning' as const } : {}),
    path,
    message: `Step ${reader.id} reads ${text}, and ${why}.`,
    suggestion: isSame
      ? `Give ${reader.id} the same condition, or read it in cel behind has(${text}).`
      : `Give ${reader.id} \`if: steps.${id}.outcome == "succeeded"\`, or read it in cel behind has(${text}).`,
    where: offset,
  });
}

function checkMatrixReference(check: Check, placed: PlacedReference): ValueSchema | null {
  const { reader, reference, path, offset } = placed;
  if (reference.kind !== 'matrix') return null;
  const matrix = reader.step.matrix;
  if (matrix === undefined) {
    if (check.isLost(reader.place('matrix'))) return null;
    check.report.say({
      code: 'matrix-reference',
      path,
      message: `Step ${reader.id} reads ${placed.text} and has no matrix.`,
      suggestion: 'Give the step a matrix, or read something else.',
      where: offset,
    });
    return null;
  }
  const { member } = reference;
  if (member !== null && 'values' in matrix.over) {
    const at = matrix.over.values.findIndex((value) => !hasMember(value, member));
    if (at !== -1) {
      check.report.say({
        code: 'matrix-member-missing',
        path,
        message: `Step ${reader.id} reads ${placed.text}, and member ${at} of its matrix has no ${member}.`,
        suggestion: `Give each member ${member}.`,
        where: offset,
      });
      return null;
    }
  }
  return typeOfReference(check, reader, reference, undefined);
}

const hasMember = (value: unknown, name: string): boolean =>
  typeof value === 'object' && value !== null && Object.hasOwn(value, name);
