import type { InputValue, MatrixTemplate, StepTemplate, WiredInput } from '@sluice/domain';
import {
  type CelReplacement,
  celHasRef,
  celMember,
  celOfRef,
  replaceCelNames,
} from './cel-names.ts';
import type { DraftStep } from './draft.ts';
import { isWired } from './wired.ts';

/** What stands in the place of a parameter: a parameter of another name, or what was wired to it. */
export type ParameterBinding = { readonly name: string } | { readonly wired: WiredInput };

/** How names change when a step goes from one pipeline into another. */
export interface NameChanges {
  /** The new id of a step; null leaves the reference alone. A problem says why there can be no reference. */
  readonly step: (id: string) => { readonly name: string } | { readonly problem: string } | null;
  /** As for steps. */
  readonly parameter: (name: string) => ParameterBinding | { readonly problem: string } | null;
}

/** Says what is wrong with the member that could not be rewired. */
export type OnProblem = (member: string, problem: string) => void;

/** Changes the references of a step: in its inputs, its condition and its matrix. Needs are not touched. */
export function rewireStep(step: DraftStep, changes: NameChanges, onProblem: OnProblem): void {
  const { members } = step;
  const changed: { -readonly [K in keyof StepTemplate]?: StepTemplate[K] } = {};
  if (members.if !== undefined) {
    changed.if = rewiredCel(members.if, changes, (problem) => onProblem('if', problem));
  }
  if (members.inputs !== undefined) {
    changed.inputs = Object.fromEntries(
      Object.entries(members.inputs).map(([name, value]) => [
        name,
        rewiredInput(value, changes, (problem) => onProblem(`inputs.${name}`, problem)),
      ]),
    );
  }
  if (members.matrix !== undefined) {
    changed.matrix = rewiredMatrix(members.matrix, changes, (problem) =>
      onProblem('matrix.over.ref', problem),
    );
  }
  step.members = { ...members, ...changed };
}

/** An input whose references are changed. */
export function rewiredInput(
  value: InputValue,
  changes: NameChanges,
  onProblem: (problem: string) => void,
): InputValue {
  if (!isWired(value)) return value;
  if ('ref' in value) return rewiredRef(value.ref, changes, onProblem);
  if ('cel' in value) return { cel: rewiredCel(value.cel, changes, onProblem) };
  return value;
}

function rewiredMatrix(
  matrix: MatrixTemplate,
  changes: NameChanges,
  onProblem: (problem: string) => void,
): MatrixTemplate {
  if (!('ref' in matrix.over)) return matrix;
  const over = rewiredRef(matrix.over.ref, changes, onProblem);
  if ('ref' in over) return { ...matrix, over };
  if ('literal' in over && Array.isArray(over.literal)) {
    return { ...matrix, over: { values: over.literal } };
  }
  onProblem('a matrix takes its members from a `ref` only: pass an output or a list');
  return matrix;
}

function rewiredRef(
  ref: string,
  changes: NameChanges,
  onProblem: (problem: string) => void,
): WiredInput {
  const [root, name, ...rest] = ref.split('.');
  if (name === undefined) return { ref };
  if (root === 'steps') {
    const change = changes.step(name);
    if (change === null) return { ref };
    if ('name' in change) return { ref: [root, change.name, ...rest].join('.') };
    onProblem(change.problem);
    return { ref };
  }
  if (root !== 'parameters') return { ref };
  const change = changes.parameter(name);
  if (change === null) return { ref };
  if ('name' in change) return { ref: [root, change.name, ...rest].join('.') };
  if ('problem' in change) {
    onProblem(change.problem);
    return { ref };
  }
  if (rest.length === 0) return change.wired;
  if ('ref' in change.wired) return { ref: [change.wired.ref, ...rest].join('.') };
  if ('cel' in change.wired) {
    return { cel: `(${change.wired.cel})${rest.map(celMember).join('')}` };
  }
  onProblem(`parameter ${name} is a secret and has no members`);
  return { ref };
}

function rewiredCel(
  expression: string,
  changes: NameChanges,
  onProblem: (problem: string) => void,
): string {
  const replaced = replaceCelNames(expression, (root, name): CelReplacement | null => {
    if (root === 'steps') return changes.step(name);
    const change = changes.parameter(name);
    if (change === null || !('wired' in change)) return change;
    if ('ref' in change.wired) {
      const { ref } = change.wired;
      return { expression: celOfRef(ref), present: celHasRef(ref) };
    }
    // A value is given, whatever it comes to.
    if ('cel' in change.wired) return { expression: `(${change.wired.cel})`, present: 'true' };
    return { problem: `parameter ${name} is a secret, and no expression sees a secret` };
  });
  if (replaced.ok) return replaced.cel;
  onProblem(replaced.problem);
  return expression;
}
