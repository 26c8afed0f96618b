import type { Shape } from './shape.ts';
import { bounded, joinShapes, listShape, SCALAR, textShape } from './shape.ts';

/** UTF-16 units that the engine copies or compares in about the time of one step. */
export const CHARS_PER_STEP = 16;

/** UTF-16 units of a new text that it makes in that time: less, so that texts take no more room than steps are worth. */
export const MADE_CHARS_PER_STEP = 4;

/** What a call takes beyond its operands, and how big its result can be. */
export interface CallBound {
  readonly cost: number;
  readonly shape: Shape;
}

/** A function that expressions may call. */
export interface CelFunction {
  /** How many arguments, without the receiver. */
  readonly arity: readonly number[];
  /** Operands: the receiver first where there is one. */
  bound(operands: readonly Shape[]): CallBound;
}

/** The longest text of a number: an integer out of a double has at most 309 digits and a sign. */
const NUMBER_TEXT = textShape(310);

const convert: CelFunction = { arity: [1], bound: ([of]) => over(of, SCALAR) };
const measure = (arity: number): CelFunction => ({
  arity: [arity],
  bound: ([of]) => over(of, SCALAR),
});
const rewrite: CelFunction = { arity: [0], bound: ([of]) => over(of, textShape(textLength(of))) };
const test: CelFunction = { arity: [1], bound: ([, search]) => over(search, SCALAR) };
const find = (...arity: number[]): CelFunction => ({
  arity,
  bound: ([text, search]) => ({ cost: searchCost(text, search), shape: SCALAR }),
});

/** Functions that are called by name. */
export const CEL_FUNCTIONS: ReadonlyMap<string, CelFunction> = new Map<string, CelFunction>([
  ['size', measure(1)],
  ['int', convert],
  ['double', convert],
  ['bool', convert],
  [
    'string',
    { arity: [1], bound: ([of]) => over(of, joinShapes([NUMBER_TEXT, textShape(textLength(of))])) },
  ],
  ['dyn', { arity: [1], bound: ([of]) => ({ cost: 1, shape: of ?? SCALAR }) }],
]);

/** Functions that are called on a value. */
export const CEL_METHODS: ReadonlyMap<string, CelFunction> = new Map<string, CelFunction>([
  ['size', measure(0)],
  ['startsWith', test],
  ['endsWith', test],
  ['contains', find(1)],
  ['indexOf', find(1, 2)],
  ['lastIndexOf', find(1, 2)],
  [
    'substring',
    { arity: [1, 2], bound: ([text]) => ({ cost: 1, shape: textShape(textLength(text)) }) },
  ],
  ['trim', rewrite],
  ['lowerAscii', rewrite],
  ['upperAscii', rewrite],
  ['split', { arity: [1, 2], bound: ([text, by]) => splitBound(text, by) }],
  ['join', { arity: [0, 1], bound: ([list, by]) => joinBound(list, by) }],
]);

/** Macros: the second operand and those after it are evaluated for each member of the receiver. */
export const CEL_MACROS: ReadonlyMap<string, readonly number[]> = new Map([
  ['all', [2]],
  ['exists', [2]],
  ['exists_one', [2]],
  ['filter', [2]],
  ['map', [2, 3]],
]);

const TIME = 'nothing here reads times or time zones: these depend on the machine';
const BYTES = 'there are no bytes here: values are JSON';

/** Functions of CEL and of the library that are left out on purpose, with the reason. */
export const CEL_FORBIDDEN: ReadonlyMap<string, string> = new Map([
  ['matches', 'regular expressions can take for ever: use startsWith, endsWith, contains or split'],
  ...['timestamp', 'duration', 'getDate', 'getDayOfMonth', 'getDayOfWeek', 'getDayOfYear'].map(
    (name) => [name, TIME] as const,
  ),
  ...['getFullYear', 'getHours', 'getMilliseconds', 'getMinutes', 'getMonth', 'getSeconds'].map(
    (name) => [name, TIME] as const,
  ),
  ...['bytes', 'base64', 'hex', 'json', 'at'].map((name) => [name, BYTES] as const),
  ['string', 'as a method it is of bytes, and there are none: write string(x)'],
  ['uint', 'numbers are int or double here: use int()'],
  ['type', 'types are no values here: use dyn() or a conversion'],
  ['bind', 'a step of its own can name a value'],
  ...[
    'of',
    'none',
    'ofNonZeroValue',
    'or',
    'orValue',
    'value',
    'hasValue',
    'optMap',
    'optFlatMap',
  ].map((name) => [name, 'there are no optional values here: use has()'] as const),
]);

/** Steps of looking for one text in another: in the worst case each place is compared in full. */
function searchCost(text: Shape | undefined, search: Shape | undefined): number {
  const comparisons = (textLength(text) + 1) * Math.max(1, textLength(search));
  return bounded(1 + Math.ceil(comparisons / CHARS_PER_STEP));
}

function splitBound(text: Shape | undefined, by: Shape | undefined): CallBound {
  const length = textLength(text);
  const parts = length + 1;
  return {
    cost: bounded(searchCost(text, by) + parts),
    // The parts together are no longer than the text, though one of them may be as long as it.
    shape: { ...listShape(parts, textShape(length)), chars: length },
  };
}

function joinBound(list: Shape | undefined, by: Shape | undefined): CallBound {
  const members = list?.length ?? 0;
  const length = bounded((list?.chars ?? 0) + members * textLength(by));
  return {
    cost: bounded(1 + members + Math.ceil(length / MADE_CHARS_PER_STEP)),
    shape: textShape(length),
  };
}

/** One pass over a text. */
function over(of: Shape | undefined, shape: Shape): CallBound {
  return { cost: bounded(1 + Math.ceil(textLength(of) / CHARS_PER_STEP)), shape };
}

function textLength(shape: Shape | undefined): number {
  return shape?.length ?? 0;
}
