import {
  findChoiceFaults,
  findInputFaults,
  findValueFaults,
  type InputValue,
  inputForm,
  isAssignable,
  type JsonValue,
  type StepType,
  type ValueSchema,
} from '@sluice/domain';
import type { ValuePath } from '../parse/positioned-node.ts';
import type { Check } from './check.ts';
import { checkExpression, type Expressions } from './check-expression.ts';
import { checkReference } from './check-reference.ts';
import { parseReference } from './reference.ts';
import { subPipelineName } from './sub-pipeline.ts';
import type { VariantStep } from './variant.ts';

/** Inputs of one step against its type, and all that is wired to them. */
export function checkInputs(check: Check, expressions: Expressions, each: VariantStep): void {
  const { type, step } = each;
  const inputs = Object.entries(step.inputs ?? {});
  if (type !== undefined) checkNames(check, each, type);
  for (const [name, value] of inputs) {
    const own =
      type !== undefined && Object.hasOwn(type.inputs.properties, name)
        ? type.inputs.properties[name]
        : undefined;
    const schema = own ?? type?.inputs.additional;
    const path = each.place('inputs', name);
    if (step.type.startsWith('pipeline@') && name === 'parameters') {
      checkPassedParameters(check, expressions, each, value, path);
    } else {
      const slot: Slot = { each, name, schema, path, type };
      checkInput(check, expressions, slot, value);
    }
  }
}

interface Slot {
  readonly each: VariantStep;
  readonly name: string;
  /** Undefined where anything fits, or where what fits isn't known. */
  readonly schema: ValueSchema | undefined;
  readonly path: ValuePath;
  /** Undefined where literals, secrets and wiring are all taken. */
  readonly type: StepType | undefined;
}

function checkNames(check: Check, each: VariantStep, type: StepType): void {
  const { report } = check;
  const known = Object.keys(type.inputs.properties);
  const given = Object.keys(each.step.inputs ?? {});
  for (const name of given) {
    if (Object.hasOwn(type.inputs.properties, name) || type.inputs.additional !== undefined)
      continue;
    const best = report.nearest(name, known);
    const takes = known.length === 0 ? 'takes none' : `takes ${known.join(', ')}`;
    report.say({
      code: 'input-unknown',
      path: each.place('inputs', name),
      message: `Steps of type ${each.step.type} have no input ${name}; the type ${takes}.`,
      suggestion: best === undefined ? 'Take it out.' : `Write ${best}.`,
      where: 'key',
    });
  }
  for (const name of type.inputs.required ?? []) {
    if (given.includes(name)) continue;
    report.say({
      code: 'input-missing',
      path: each.place('inputs', name),
      message: `Step ${each.id} lacks the input ${name}, which ${each.step.type} needs.`,
      suggestion: `Add ${name} to its inputs.`,
    });
  }
  // Names that were not understood may be meant to be one of these.
  if (check.isLost(each.place('inputs'))) return;
  for (const { segments, message, expected } of findChoiceFaults(type, given)) {
    const path = each.place('inputs', ...segments);
    report.say({
      code: 'input-choice',
      path,
      message: `Step ${each.id}: ${message}`,
      suggestion: `${segments.length === 0 ? 'Give' : 'Keep'} ${expected}.`,
      where: 'key',
    });
  }
}

function checkInput(check: Check, expressions: Expressions, slot: Slot, value: InputValue): void {
  const { each, name, schema, path, type } = slot;
  const { report } = check;
  const form = inputForm(value);
  if (form.kind !== 'literal' && type?.literalInputs?.includes(name)) {
    report.say({
      code: 'input-not-literal',
      path,
      message: `Input ${name} of step ${each.id} must stand in the pipeline itself and can't be wired.`,
      suggestion: 'Write the value here.',
    });
  }
  switch (form.kind) {
    case 'literal': {
      const at = form.inLiteral ? [...path, 'literal'] : path;
      if (schema !== undefined) checkLiteral(check, slot, form.value, at);
      if (!form.inLiteral) warnOfNestedWiring(check, form.value, at);
      return;
    }
    case 'secret':
      if (type === undefined || type.secretInputs?.includes(name)) return;
      report.say({
        code: 'secret-not-taken',
        path,
        message: `Input ${name} of step ${each.id} takes no secret: its value would be seen.`,
        suggestion: secretSuggestion(type),
      });
      return;
    case 'ref':
      return checkWired(check, slot, form.text, [...path, 'ref']);
    case 'cel': {
      const kind = checkExpression(check, expressions, each, form.text, [...path, 'cel'], 'any');
      if (kind === null || schema === undefined || fits(kind, schema.type)) return;
      report.say({
        code: 'input-type',
        path: [...path, 'cel'],
        message: `The expression gives ${KIND_WORDS[kind]}, and input ${name} of ${each.step.type} is ${KIND_WORDS[schema.type]}.`,
        suggestion:
          schema.type === 'string'
            ? 'Make a text of it with string(…).'
            : `Write an expression that gives ${KIND_WORDS[schema.type]}.`,
      });
    }
  }
}

function secretSuggestion(type: StepType): string {
  const names = type.secretInputs ?? [];
  return names.length === 0
    ? 'Steps of this type take no secrets.'
    : `Secrets fit ${names.join(', ')}.`;
}

function checkLiteral(check: Check, slot: Slot, value: JsonValue, at: ValuePath): void {
  const { schema, name, type, each } = slot;
  if (schema === undefined) return;
  const isDeclared = type?.declaresOutputs === name;
  const faults = findValueFaults(schema, value);
  const declared =
    isDeclared && type !== undefined && faults.length === 0
      ? findInputFaults(declaringOnly(type), { [name]: value }).map((fault) => ({
          ...fault,
          segments: fault.segments.slice(1),
        }))
      : [];
  for (const fault of [...faults, ...declared]) {
    check.report.say({
      code: 'input-value',
      path: [...at, ...fault.segments],
      message: `Input ${name} of step ${each.id}: ${fault.message}`,
      suggestion: `It must be ${fault.expected}.`,
    });
  }
}

/** The type with nothing to say but about the outputs that a step declares. */
function declaringOnly(type: StepType): StepType {
  return { ...type, inputs: { ...type.inputs, required: [] }, choices: [] };
}

/** A reference at a place that wants values of a schema. */
export function checkWired(check: Check, slot: Slot, text: string, path: ValuePath): void {
  const { each, schema, name } = slot;
  const { report } = check;
  const reference = parseReference(text, report.nearest);
  if (reference.kind === 'fault') {
    const { message, suggestion, offset } = reference;
    report.say({ code: 'reference-invalid', path, message, suggestion, where: offset });
    return;
  }
  const placed = { reader: each, reference, text, path, offset: 0, guarded: false };
  const given = checkReference(check, placed);
  const over = each.step.matrix?.over;
  if (schema !== undefined && reference.kind === 'matrix' && over && 'values' in over) {
    checkMembers(check, slot, over.values, reference.member, path);
  }
  if (given === null || schema === undefined) return;
  const problem = isAssignable(given, schema);
  if (problem === true) return;
  report.say({
    code: 'input-type',
    ...(problem.certain ? {} : { severity: 'warning' as const }),
    path,
    message: `${text} doesn't fit input ${name} of step ${each.id}: ${problem.why}`,
    suggestion: problem.certain
      ? 'Read another output, or make the value fit in cel.'
      : 'It is checked when the value is there.',
  });
}

/** Members that stand in the pipeline are values: each is checked as if it were written at the input. */
function checkMembers(
  check: Check,
  { schema, name, each }: Slot,
  values: readonly unknown[],
  member: string | null,
  path: ValuePath,
): void {
  if (schema === undefined) return;
  for (const [at, value] of values.entries()) {
    const own =
      member === null ? value : (value as Readonly<Record<string, unknown>> | null)?.[member];
    const fault = own === undefined ? undefined : findValueFaults(schema, own)[0];
    if (fault === undefined) continue;
    const place = each.place('matrix', 'over', 'values', at, ...(member === null ? [] : [member]));
    check.report.say({
      code: 'input-value',
      path: place[0] === 'extends' ? path : place,
      message: `Member ${at} of the matrix, as input ${name} of step ${each.id}: ${fault.message}`,
      suggestion: `It must be ${fault.expected}.`,
    });
    return;
  }
}

function checkPassedParameters(
  check: Check,
  expressions: Expressions,
  each: VariantStep,
  value: InputValue,
  path: ValuePath,
): void {
  const form = inputForm(value);
  const values = form.kind === 'literal' ? form.value : null;
  if (typeof values !== 'object' || values === null || Array.isArray(values)) {
    const slot: Slot = {
      each,
      name: 'parameters',
      schema: { type: 'object', properties: {}, additional: { type: 'any' } },
      path,
      type: each.type,
    };
    return checkInput(check, expressions, slot, value);
  }
  const target = check.pipelines.get(subPipelineName(each.step) ?? '');
  const at = form.kind === 'literal' && form.inLiteral ? [...path, 'literal'] : path;
  for (const [name, passed] of Object.entries(values as Readonly<Record<string, InputValue>>)) {
    const declared = Object.hasOwn(target?.parameters ?? {}, name)
      ? target?.parameters?.[name]
      : undefined;
    const slot: Slot = {
      each,
      name,
      schema: declared?.schema,
      path: [...at, name],
      type: undefined,
    };
    checkInput(check, expressions, slot, passed);
  }
}

/** Wiring holds for a whole input only; within a value it is a value. */
function warnOfNestedWiring(check: Check, value: unknown, path: ValuePath, depth = 0): void {
  if (typeof value !== 'object' || value === null || depth > 64) return;
  for (const [name, member] of Object.entries(value)) {
    const at = [...path, Array.isArray(value) ? Number(name) : name];
    const looks =
      name === 'ref' &&
      typeof member === 'string' &&
      /^(?:steps|parameters|matrix|promotion|release|environment)\./.test(member);
    if (looks) {
      check.report.say({
        code: 'input-nested-wiring',
        severity: 'warning',
        path: at,
        message: `This stands within a value and is taken as it is: only a whole input can be {ref: ${member.slice(0, 80)}}.`,
        suggestion: 'Build the value with {cel: …}, or write {literal: …} where this is meant.',
        where: 'key',
      });
    } else warnOfNestedWiring(check, member, at, depth + 1);
  }
}

const fits = (kind: ValueSchema['type'], wanted: ValueSchema['type']): boolean =>
  wanted === 'any' || kind === wanted || (isNumeric(kind) && isNumeric(wanted));

const isNumeric = (kind: ValueSchema['type']): boolean => kind === 'integer' || kind === 'number';

const KIND_WORDS: Readonly<Record<ValueSchema['type'], string>> = {
  string: 'a text',
  integer: 'an integer',
  number: 'a number',
  boolean: 'a boolean',
  array: 'a list',
  object: 'an object',
  any: 'any value',
};
