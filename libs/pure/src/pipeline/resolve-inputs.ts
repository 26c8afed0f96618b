import { type InputValue, inputForm, type JsonValue } from '@sluice/domain';
import { compileCel } from '../cel/compile.ts';
import { evaluateCel, evaluateCondition } from '../cel/evaluate.ts';
import type { CelProblemCode } from '../cel/problem.ts';
import { PIPELINE_VARIABLES, type PipelineScope } from './pipeline-scope.ts';

/** Why something that is wired cannot be found; `code` is stable, `message` names the input and what to do. */
export interface WiringProblem {
  readonly ok: false;
  /** `input-unavailable`, `condition-unevaluable`, or of CEL. */
  readonly code: string;
  readonly message: string;
}

/** Inputs with everything wired found; a secret stays the name of one: `{secret: name}`. */
export type ResolvedInputs =
  | { readonly ok: true; readonly inputs: Readonly<Record<string, JsonValue>> }
  | WiringProblem;

/** Finds what each input is wired to. The first that cannot be found is told. */
export function resolveInputs(
  inputs: Readonly<Record<string, InputValue>>,
  scope: PipelineScope,
): ResolvedInputs {
  const found: [string, JsonValue][] = [];
  for (const [name, input] of Object.entries(inputs)) {
    const value = resolveInput(name, input, scope);
    if (!value.ok) return value;
    found.push([name, value.value]);
  }
  return { ok: true, inputs: Object.fromEntries(found) };
}

function resolveInput(
  name: string,
  input: InputValue,
  scope: PipelineScope,
): { readonly ok: true; readonly value: JsonValue } | WiringProblem {
  const form = inputForm(input);
  switch (form.kind) {
    case 'literal':
      return { ok: true, value: form.value };
    case 'secret':
      return { ok: true, value: { secret: form.text } };
    case 'ref':
      return resolveReference(`Input ${name}`, form.text, scope);
    case 'cel': {
      const compiled = compileCel(form.text, { variables: PIPELINE_VARIABLES });
      const result = compiled.ok ? evaluateCel(compiled, variablesOf(scope)) : compiled;
      if (result.ok) return result;
      return problem(result.code, `Input ${name}: ${result.message}. ${adviceOf(result.code)}`);
    }
  }
}

/** What a reference such as `steps.build.outputs.digest` points to. */
export function resolveReference(
  what: string,
  ref: string,
  scope: PipelineScope,
): { readonly ok: true; readonly value: JsonValue } | WiringProblem {
  let at: unknown = scope;
  for (const part of ref.split('.')) {
    const isObject = typeof at === 'object' && at !== null && !Array.isArray(at);
    if (!isObject || !Object.hasOwn(at as object, part)) {
      return problem(
        'input-unavailable',
        `${what} is wired to ${ref}, and there is nothing: the step did not run, or did not give it. Wire it to what is always there, or guard it with cel and has().`,
      );
    }
    at = (at as Record<string, unknown>)[part];
  }
  return { ok: true, value: at as JsonValue };
}

/** Whether a step's `if` is true. */
export function evaluateIf(
  expression: string,
  scope: PipelineScope,
): { readonly ok: true; readonly value: boolean } | WiringProblem {
  const compiled = compileCel(expression, { variables: PIPELINE_VARIABLES, expects: 'boolean' });
  const result = compiled.ok ? evaluateCondition(compiled, variablesOf(scope)) : compiled;
  if (result.ok) return result;
  const message = `\`${expression}\`: ${result.message}. ${adviceOf(result.code)}`;
  return problem('condition-unevaluable', message);
}

function adviceOf(code: CelProblemCode): string {
  return code === 'cel-member-missing'
    ? 'Read what may be missing behind has().'
    : 'Mend the expression, or give it other values.';
}

/** `matrix` is declared for every expression; without a member it is null. */
function variablesOf(scope: PipelineScope): Readonly<Record<string, unknown>> {
  return { ...scope, matrix: scope.matrix ?? null };
}

function problem(code: string, message: string): WiringProblem {
  return { ok: false, code, message };
}
