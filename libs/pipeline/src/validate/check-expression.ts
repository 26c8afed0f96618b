import { describeSchema, STEP_OUTCOMES, type ValueSchema } from '@sluice/domain';
import { type CelExpression, type CelProblem, compileCel, referencesOf } from '@sluice/pure';
import type { ValuePath } from '../parse/positioned-node.ts';
import { type Check, knownAre, write } from './check.ts';
import { checkReference } from './check-reference.ts';
import { type ConditionNode, childrenOf, pathOfNode } from './condition.ts';
import { REFERENCE_ROOTS, referenceOfPath } from './reference.ts';
import type { VariantStep } from './variant.ts';

/** Compiles each expression once, however many environments say it. */
export type Expressions = (
  source: string,
  expects: 'boolean' | 'any',
  hasMatrix: boolean,
) => CelExpression | CelProblem;

/** An {@link Expressions} of its own. */
export function createExpressions(): Expressions {
  const known = new Map<string, CelExpression | CelProblem>();
  return (source, expects, hasMatrix) => {
    const key = `${expects} ${hasMatrix} ${source}`;
    const found = known.get(key);
    if (found !== undefined) return found;
    const variables = REFERENCE_ROOTS.filter((name) => hasMatrix || name !== 'matrix');
    const compiled = compileCel(source, { variables, expects });
    known.set(key, compiled);
    return compiled;
  };
}

/** Checks an expression and all that it reads; problems point into its text. Gives the kind of value where it is known. */
export function checkExpression(
  check: Check,
  expressions: Expressions,
  reader: VariantStep,
  source: string,
  path: ValuePath,
  expects: 'boolean' | 'any',
): ValueSchema['type'] | null {
  const hasMatrix = reader.step.matrix !== undefined || check.isLost(reader.place('matrix'));
  const compiled = expressions(source, expects, hasMatrix);
  if (!compiled.ok) {
    const { code, message, offset, length } = compiled;
    const sentence = /[.!?]$/.test(message) ? message : `${message}.`;
    const name = source.slice(offset, offset + length);
    const suggestion =
      code === 'cel-variable-unknown' ? variableAdvice(check, name, hasMatrix) : ADVICE[code];
    const said = suggestion ?? 'Write the expression otherwise.';
    check.report.say({ code, path, message: sentence, suggestion: said, where: offset });
    return null;
  }
  checkOutcomes(check, compiled.tree, path);
  const bare = expects === 'boolean' ? bareNode(compiled.tree) : null;
  for (const { path: names, has, guarded, offset, length } of referencesOf(compiled)) {
    const reference = referenceOfPath(names, check.report.nearest);
    if (reference === null) continue;
    if (reference.kind === 'fault') {
      const { message, suggestion } = reference;
      check.report.say({ code: 'reference-invalid', path, message, suggestion, where: offset });
      continue;
    }
    const text = source.slice(offset, offset + length);
    const placed = { reader, reference, text, path, offset, guarded: guarded || has };
    const schema = checkReference(check, placed);
    const isBare = bare?.start === offset && bare.end === offset + length;
    if (isBare && schema !== null) checkBoolean(check, schema, names, text, path, offset);
  }
  return KINDS.find(([type]) => type.test(compiled.type))?.[1] ?? null;
}

/** What to do about a variable that there is not. */
function variableAdvice(check: Check, name: string, hasMatrix: boolean): string {
  if (name === 'matrix') return 'Give the step a matrix.';
  const best = write(check.report.nearest(name, REFERENCE_ROOTS));
  if (best !== null) return best;
  const roots = REFERENCE_ROOTS.filter((root) => hasMatrix || root !== 'matrix');
  return `Write "${name.slice(0, 40)}" where a text is meant. ${knownAre(roots, '')}`;
}

/** What to do where an expression does not compile; the message says where and why. */
const ADVICE: Readonly<Partial<Record<CelProblem['code'], string>>> = {
  'cel-not-boolean': 'Compare it, as in `parameters.count > 0`.',
  'cel-syntax': 'Complete it, as in `release.name == "x"`: texts stand in quotes.',
  'cel-function-unknown': 'Call one of those, as it is called there.',
  'cel-function-forbidden':
    'Do without it, or let a script make the value and give it as an output.',
  'cel-literal-forbidden': 'Write a text in quotes, an integer or a double.',
  'cel-type-mismatch': 'Make both sides of one type, as with string(…), int(…) or double(…).',
  'cel-too-long': 'Make it shorter, or let a script make the value and give it as an output.',
  'cel-too-deep': 'Make it flatter, or let a script make the value and give it as an output.',
  'cel-too-many-nodes': 'Make it shorter, or let a script make the value and give it as an output.',
};

/** The whole expression, or what it negates, where that is a path and nothing more. */
function bareNode(node: ConditionNode): ConditionNode | null {
  if (node.op === '!_') return bareNode(node.args);
  return pathOfNode(node) === undefined ? null : node;
}

/** A path alone is as boolean as what it points to: no operator says it. */
function checkBoolean(
  check: Check,
  schema: ValueSchema,
  names: readonly string[],
  text: string,
  path: ValuePath,
  offset: number,
): void {
  const found = schemaWithin(schema, names);
  if (found === null || found.type === 'boolean' || found.type === 'any') return;
  const isOutcome = names[0] === 'steps' && names[2] === 'outcome';
  check.report.say({
    code: 'cel-not-boolean',
    path,
    message: `${text} is ${describeSchema(found)}, and a condition must be true or false.`,
    suggestion: isOutcome
      ? `Compare it, as in \`${text} == "succeeded"\`.`
      : 'Compare it, as in `parameters.count > 0`.',
    where: offset,
  });
}

/** The schema of what lies behind the reference's own names; null where it isn't known. */
function schemaWithin(schema: ValueSchema, names: readonly string[]): ValueSchema | null {
  const [root, , member] = names;
  const own = root === 'steps' ? (member === 'outcome' ? 3 : 4) : 2;
  // The whole of a step is an object, and the schema is that of its outcome.
  if (root === 'steps' && names.length < own) return { type: 'object', properties: {} };
  let found: ValueSchema = schema;
  for (const name of names.slice(own)) {
    if (found.type !== 'object' || !Object.hasOwn(found.properties, name)) return null;
    found = found.properties[name] as ValueSchema;
  }
  return found;
}

/** Outcomes that are compared with a text that none of them is. */
function checkOutcomes(check: Check, node: ConditionNode, path: ValuePath): void {
  if (node.op === '==' || node.op === '!=') {
    const [left, right] = node.args;
    for (const [one, other] of [
      [left, right],
      [right, left],
    ] as const) {
      if (isOutcomePath(one)) checkOutcome(check, other, path);
    }
  } else if (node.op === 'in' && isOutcomePath(node.args[0]) && node.args[1].op === 'list') {
    for (const each of node.args[1].args) checkOutcome(check, each, path);
  }
  for (const child of childrenOf(node)) checkOutcomes(check, child, path);
}

function isOutcomePath(node: ConditionNode): boolean {
  const names = pathOfNode(node);
  return names?.length === 3 && names[0] === 'steps' && names[2] === 'outcome';
}

function checkOutcome(check: Check, node: ConditionNode, path: ValuePath): void {
  if (node.op !== 'value' || typeof node.args !== 'string') return;
  const outcomes: readonly string[] = STEP_OUTCOMES;
  if (outcomes.includes(node.args)) return;
  const start = node.args.slice(0, 4);
  const best =
    check.report.nearest(node.args, outcomes) ??
    // `success`, `failure`: another form of the same word.
    (start.length === 4 ? outcomes.find((outcome) => outcome.startsWith(start)) : undefined);
  check.report.say({
    code: 'outcome-unknown',
    path,
    message: `No step ends as ${JSON.stringify(node.args.slice(0, 40))}: outcomes are ${outcomes.join(', ')}.`,
    suggestion: write(best === undefined ? undefined : `"${best}"`) ?? knownAre(outcomes, ''),
    where: node.start,
  });
}

/** Kinds of values by the types of CEL. A double may be whole; whether it is one is seen when it is there. */
const KINDS: readonly (readonly [RegExp, ValueSchema['type']])[] = [
  [/^bool$/, 'boolean'],
  [/^int$/, 'integer'],
  [/^double$/, 'number'],
  [/^string$/, 'string'],
  [/^list\b/, 'array'],
  [/^map\b/, 'object'],
];
