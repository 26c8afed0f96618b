import { expect, test } from '@jest/globals';
import { parse } from '@marcbachmann/cel-js';
import { compileCel } from './compile.ts';
import { boundCost } from './cost.ts';
import { type CelValues, costOfCel, evaluateCel } from './evaluate.ts';
import { admitValues } from './values.ts';

/** Set SLUICE_SEED to see a failure again. */
const SEED = Number(process.env.SLUICE_SEED ?? Date.now() % 1_000_000);

/** Each run begins elsewhere: a part of the rounds, and all with SLUICE_PROPERTIES=all. */
const SHARE = process.env.SLUICE_PROPERTIES === 'all' ? 1 : 0.3;

const VARIABLES = ['x', 'xs', 'm', 's'];

/** A small generator of random numbers (mulberry32): the same seed, the same expressions. */
function randomOf(seed: number): (below: number) => number {
  let state = seed | 0;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

type Random = (below: number) => number;

function pick<T>(random: Random, from: readonly T[]): T {
  return from[random(from.length)] as T;
}

/** An expression that is mostly well typed; `bound` are variables of comprehensions around it. */
function expressionOf(random: Random, depth: number, bound: readonly string[] = []): string {
  const inner = (more: readonly string[] = []) =>
    expressionOf(random, depth - 1, [...bound, ...more]);
  if (depth <= 0) {
    const leaves = [
      '1',
      '0',
      '-3',
      '2.5',
      '"a"',
      '"b,a"',
      '""',
      'true',
      'false',
      'null',
      '[]',
      '{}',
    ];
    return pick(random, [
      ...leaves,
      ...VARIABLES,
      ...VARIABLES,
      ...bound,
      ...bound,
      'm.a',
      'm["b"]',
    ]);
  }
  const variable = pick(random, ['a', 'b', 'x']);
  const list = () => pick(random, ['xs', 'xs', 'm.list', `[${inner()}, ${inner()}]`, 'm', inner()]);
  const operators = ['+', '-', '*', '/', '%', '==', '!=', '<', '<=', '>', '>=', '&&', '||', 'in'];
  switch (random(13)) {
    case 0:
    case 1:
      return `(${inner()} ${pick(random, operators)} ${inner()})`;
    case 2:
      return `(${inner()} ? ${inner()} : ${inner()})`;
    case 3:
      return `[${inner()}, ${inner()}]`;
    case 4:
      return `{"a": ${inner()}, "k": ${inner()}}`;
    case 5:
      return `dyn(${inner()})${pick(random, ['.a', '.k', '[0]', '["list"]', '[s]'])}`;
    case 6:
      return `has(dyn(${inner()}).a)`;
    case 7:
      return `${pick(random, ['size', 'string', 'int', 'double', 'bool', 'dyn'])}(dyn(${inner()}))`;
    case 8: {
      const method = pick(random, [
        'contains',
        'startsWith',
        'endsWith',
        'indexOf',
        'split',
        'join',
      ]);
      return `dyn(${inner()}).${method}(dyn(${inner()}))`;
    }
    case 9:
      return `dyn(${inner()}).${pick(random, ['size', 'trim', 'lowerAscii', 'upperAscii', 'join'])}()`;
    case 10:
      return `(${pick(random, ['!', '-'])}dyn(${inner()}))`;
    default: {
      const macro = pick(random, ['map', 'map', 'filter', 'exists', 'all', 'exists_one']);
      return `${list()}.${macro}(${variable}, ${inner([variable])})`;
    }
  }
}

function valuesOf(random: Random): CelValues {
  const some = (depth: number): unknown => {
    const scalars = [0, 1, -7, 2.5, 'a', 'b,a,c', true, null];
    const kind = depth <= 0 ? 0 : random(4);
    if (kind < 2) return pick(random, scalars);
    if (kind === 2) return Array.from({ length: random(6) }, () => some(depth - 1));
    return Object.fromEntries(['a', 'b', 'list'].map((name) => [name, some(depth - 1)]));
  };
  const xs = Array.from({ length: random(20) }, () => some(2));
  return { x: some(2), xs, m: { a: some(1), b: some(2), list: [1, 'a', some(1)] }, s: 'a,b,a' };
}

interface CountedNode {
  readonly meta: {
    readonly alternate?: CountedNode;
    readonly macro?: { evaluate(evaluator: unknown, macro: unknown, context: unknown): unknown };
    evaluate(evaluator: unknown, node: CountedNode, context: unknown): unknown;
  };
  evaluate(evaluator: unknown, node: CountedNode, context: unknown): unknown;
}

/** Counts each evaluation of a node by the library. */
function countSteps(of: () => void): number {
  const prototype = Object.getPrototypeOf(parse('1').ast) as CountedNode;
  const original = prototype.evaluate;
  let steps = 0;
  prototype.evaluate = function counted(this: CountedNode, evaluator, node, context) {
    steps += 1;
    const { alternate, macro } = this.meta;
    if (alternate !== undefined) return alternate.evaluate(evaluator, alternate, context);
    if (macro !== undefined) return macro.evaluate(evaluator, macro, context);
    return this.meta.evaluate(evaluator, node, context);
  };
  try {
    of();
  } finally {
    prototype.evaluate = original;
  }
  return steps;
}

test('no evaluation takes more steps, or gives a bigger value, than its bound', () => {
  console.log(`SLUICE_SEED=${SEED}`);
  const random = randomOf(SEED);
  let evaluated = 0;
  let good = 0;
  let closest = 0;
  for (let round = 0; round < 2500 * SHARE; round += 1) {
    const source = expressionOf(random, 1 + random(4));
    const expression = compileCel(source, { variables: VARIABLES });
    if (!expression.ok) continue;
    const values = valuesOf(random);
    const admitted = admitValues(values, expression.references, 10_000);
    if (!admitted.ok) throw new Error(`seed ${SEED}: ${source}: ${admitted.message}`);
    // Without what failures and taking values over may take: what is left should be close to what is counted.
    const bound = boundCost(expression.tree, admitted.shapes, 0);
    expect(costOfCel(expression, values)).toMatchObject({ ok: true });
    let result = evaluateCel(expression, values);
    // A second compilation: nodes remember after their first evaluation how to go past what counts.
    const again = compileCel(source, { variables: VARIABLES });
    const steps = countSteps(() => {
      if (again.ok) result = evaluateCel(again, values);
    });
    expect({ source, seed: SEED, result }).toEqual({
      source,
      seed: SEED,
      result: evaluateCel(expression, values),
    });
    const size = result.ok ? sizeOf(result.value) : 0;
    if (steps + size > bound) {
      throw new Error(`seed ${SEED}: ${source}: ${steps} steps, ${size} big, bound ${bound}`);
    }
    if (!result.ok && result.code === 'cel-evaluation-failed') {
      throw new Error(`seed ${SEED}: ${source} of ${JSON.stringify(values)}: ${result.message}`);
    }
    evaluated += 1;
    if (result.ok) good += 1;
    closest = Math.max(closest, (steps + size) / bound);
  }
  // The generator is worth something only while most of what it makes is evaluated, and much of it to a value.
  expect(evaluated).toBeGreaterThan(SHARE === 1 ? 1000 : 200);
  expect(good).toBeGreaterThan(SHARE === 1 ? 250 : 40);
  expect(closest).toBeGreaterThan(SHARE === 1 ? 0.8 : 0.5);
});

function sizeOf(value: unknown): number {
  if (typeof value === 'string') return 1 + Math.floor(value.length / 16);
  if (typeof value !== 'object' || value === null) return 1;
  return Object.values(value).reduce((sum: number, part) => sum + sizeOf(part), 1);
}

test('whatever the bytes, compiling and evaluating end with a value or a problem', () => {
  const random = randomOf(SEED + 1);
  const tokens = [
    'x',
    'xs',
    '.',
    '[',
    ']',
    '(',
    ')',
    '{',
    '}',
    '"',
    "'",
    '"""',
    ',',
    ':',
    '?',
    '&&',
  ];
  tokens.push(
    '||',
    '!',
    '-',
    '+',
    '==',
    'in',
    'has(',
    'map(',
    '1',
    '0x',
    '1e',
    'u',
    'b"',
    'r"',
    '\\',
  );
  tokens.push(
    '//',
    '\n',
    'null',
    'true',
    '__proto__',
    'constructor',
    'matches(',
    'size(',
    '\\u{',
    '.?',
  );
  let compiled = 0;
  for (let round = 0; round < 6000 * SHARE; round += 1) {
    const parts = Array.from({ length: random(30) }, () =>
      round % 2 ? pick(random, tokens) : String.fromCharCode(random(random(4) ? 128 : 65_536)),
    );
    // Half of the time something that was valid, with one part of it replaced.
    const base = round % 4 === 3 ? expressionOf(random, 3) : '';
    const at = random(base.length + 1);
    const source = `${base.slice(0, at)}${(base ? parts.slice(0, 1) : parts).join('')}${base.slice(at)}`;
    const expression = compileCel(source, { variables: VARIABLES });
    if (!expression.ok) {
      expect(expression.offset + expression.length).toBeLessThanOrEqual(source.length);
      if (expression.code === 'cel-evaluation-failed') {
        throw new Error(`seed ${SEED}: ${JSON.stringify(source)}: ${expression.message}`);
      }
      continue;
    }
    compiled += 1;
    const result = evaluateCel(expression, valuesOf(random));
    if (!result.ok && result.code === 'cel-evaluation-failed') {
      throw new Error(`seed ${SEED}: ${JSON.stringify(source)}: ${result.message}`);
    }
  }
  expect(compiled).toBeGreaterThan(SHARE === 1 ? 20 : 2);
});
