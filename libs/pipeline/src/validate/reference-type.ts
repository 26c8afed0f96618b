import {
  DEFAULT_MAX_ITEMS,
  type InputValue,
  inputForm,
  outputSchemaOf,
  STEP_OUTCOMES,
  type StepTemplate,
  type StepType,
  type ValueSchema,
} from '@sluice/domain';
import type { Check } from './check.ts';
import type { Reference } from './reference.ts';
import type { VariantStep } from './variant.ts';

/** What facts are; a text of another length would never fit an input that is bounded. */
const FACT_TYPES: Readonly<Record<string, ValueSchema>> = {
  // `<environment>/<number>`.
  'promotion.id': { type: 'string', maxLength: 74 },
  'promotion.environment': { type: 'string', format: 'name' },
  'promotion.kind': { type: 'string', enum: ['promote', 'rollback'] },
  'release.id': { type: 'string', format: 'digest' },
  'release.name': { type: 'string', format: 'name' },
  'release.version': { type: 'string', minLength: 1, maxLength: 128 },
  'environment.name': { type: 'string', format: 'name' },
};

/** A step that a reference names: one of the pipeline's own, or one that a sub-pipeline brings in. */
export interface ReferencedStep {
  /** The step of this pipeline that it is, or that brings it in. */
  readonly own: VariantStep;
  readonly step: StepTemplate;
  readonly type: StepType | undefined;
}

/** What a reference gives, as far as it is known before anything runs; null where only the values tell. */
export function typeOfReference(
  check: Check,
  reader: VariantStep,
  reference: Reference,
  target: ReferencedStep | undefined,
): ValueSchema | null {
  switch (reference.kind) {
    case 'fact':
      return FACT_TYPES[`${reference.of}.${reference.name}`] ?? null;
    case 'parameter':
      return check.variant.parameters.get(reference.name)?.schema ?? null;
    case 'outcome':
      return { type: 'string', enum: [...STEP_OUTCOMES] };
    case 'matrix':
      return matrixType(check, reader, reference.member);
    case 'output': {
      if (target?.type === undefined || check.isLost(target.own.place('matrix'))) return null;
      const outputs = outputsOf(target.type, target.step);
      const schema = memberSchema(outputs, reference.name);
      if (schema === null || (target.type.perTarget && target.step.matrix === undefined))
        return null;
      return target.step.matrix === undefined ? schema : listOf(schema, target.step);
    }
  }
}

/** One member each, in the order of the members. */
function listOf(items: ValueSchema, { matrix }: StepTemplate): ValueSchema {
  const over = matrix?.over;
  const count = over !== undefined && 'values' in over ? over.values.length : DEFAULT_MAX_ITEMS;
  return { type: 'array', items, maxItems: count };
}

function matrixType(check: Check, reader: VariantStep, member: string | null): ValueSchema | null {
  const over = reader.step.matrix?.over;
  if (over === undefined || !('ref' in over)) return null;
  const [root, name] = over.ref.split('.');
  const list = root === 'parameters' ? check.variant.parameters.get(name ?? '')?.schema : undefined;
  if (list?.type !== 'array') return null;
  if (member === null) return list.items;
  return list.items.type === 'object' ? memberSchema(list.items, member) : null;
}

/** What a step gives, with the outputs that it declares itself where they are well-formed. */
export function outputsOf(type: StepType, step: StepTemplate): ValueSchema & { type: 'object' } {
  const name = type.declaresOutputs;
  if (name === undefined) return type.outputs;
  const declared = constantOf(step.inputs?.[name]);
  const isObject = typeof declared === 'object' && declared !== null && !Array.isArray(declared);
  return isObject ? outputSchemaOf(type, { [name]: declared }) : type.outputs;
}

/** The value that stands in the pipeline itself; undefined for one that is wired. */
export function constantOf(value: InputValue | undefined): unknown {
  if (value === undefined) return undefined;
  const form = inputForm(value);
  return form.kind === 'literal' ? form.value : undefined;
}

/** Inputs that stand in the pipeline itself. */
export function constantInputs(step: StepTemplate): Readonly<Record<string, unknown>> {
  const entries = Object.entries(step.inputs ?? {}).map(
    ([name, value]) => [name, constantOf(value)] as const,
  );
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined));
}

function memberSchema(schema: ValueSchema & { type: 'object' }, name: string): ValueSchema | null {
  const own = Object.hasOwn(schema.properties, name) ? schema.properties[name] : undefined;
  return own ?? schema.additional ?? null;
}
