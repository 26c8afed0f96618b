import {
  type InputValue,
  inputForm,
  type ResolvedPipeline,
  type ResolvedStep,
} from '@sluice/domain';
import { compileCel } from '../cel/compile.ts';
import { PIPELINE_VARIABLES } from './pipeline-scope.ts';

/**
 * Outputs that the interpreter itself must know, by step: those that conditions read, and inputs of control steps. Everything else is read
 * where a step executes or its matrix is expanded, and never stands in a history. An expression that reads all of a step's outputs asks for `*`.
 * @param isControl of a step's type
 */
export function findConditionReads(
  pipeline: ResolvedPipeline,
  isControl: (type: string) => boolean,
): ReadonlyMap<string, ReadonlySet<string>> {
  const reads = new Map<string, Set<string>>();
  const add = (path: readonly string[]): void => {
    const [root, step, member, name] = path;
    if (root !== 'steps' || step === undefined || member === 'outcome') return;
    const found = reads.get(step) ?? new Set<string>();
    found.add(name ?? '*');
    reads.set(step, found);
  };
  for (const step of pipeline.steps) for (const path of pathsOf(step, isControl)) add(path);
  return reads;
}

function pathsOf(
  { type, inputs, if: condition }: ResolvedStep,
  isControl: (type: string) => boolean,
): readonly (readonly string[])[] {
  const paths: (readonly string[])[] = [];
  if (condition !== undefined) paths.push(...pathsOfCel(condition));
  if (isControl(type)) paths.push(...findInputReads(inputs));
  return paths;
}

/**
 * What inputs read when their step begins, as paths: `['steps', 'build', 'outputs', 'digest']`. One of an expression may be shorter: `['steps']`
 * alone reads all of them.
 */
export function findInputReads(
  inputs: Readonly<Record<string, InputValue>>,
): readonly (readonly string[])[] {
  return Object.values(inputs).flatMap((input) => {
    const form = inputForm(input);
    if (form.kind === 'ref') return [form.text.split('.')];
    return form.kind === 'cel' ? pathsOfCel(form.text) : [];
  });
}

function pathsOfCel(expression: string): readonly (readonly string[])[] {
  const compiled = compileCel(expression, { variables: PIPELINE_VARIABLES });
  return compiled.ok ? compiled.references.map(({ path }) => path) : [];
}
