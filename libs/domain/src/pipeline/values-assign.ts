import {
  type ArraySchema,
  DEFAULT_MAX_ITEMS,
  type NumberSchema,
  type ObjectSchema,
  type StringSchema,
  type ValueSchema,
} from './value-schema.ts';
import { formatValuePath, isValueOf } from './values.ts';
import { describeSchema, lengthsOf, TEXT_FORMATS } from './values-text.ts';

/** Why values of one schema can't all stand where another is wanted. */
export interface AssignmentProblem {
  /** Place within the value, such as `[].name`; empty for the whole. */
  readonly path: string;
  /** One sentence: what may come, and what is taken. */
  readonly why: string;
  /** True: some value would be refused. False: what comes is not known (`any`); the value itself is checked when it is there. */
  readonly certain: boolean;
}

/**
 * True when every value that `from` allows is allowed by `to`; otherwise the first reason why not, a certain one before an uncertain one.
 * Anything fits `any`. `any` fits a typed one perhaps: that is a problem with `certain: false`, which a check of wiring tells as a
 * warning. Sound, not complete: it never says true wrongly.
 */
export function isAssignable(from: ValueSchema, to: ValueSchema): true | AssignmentProblem {
  let doubt: AssignmentProblem | undefined;
  for (const problem of compare(from, to, [])) {
    if (problem.certain) return problem;
    doubt ??= problem;
  }
  return doubt ?? true;
}

type Segments = readonly (string | number)[];
type Problems = Iterable<AssignmentProblem>;

function* compare(from: ValueSchema, to: ValueSchema, at: Segments): Problems {
  if (to.type === 'any') return;
  if (from.type === 'any') {
    yield problem(at, `may be any JSON value, and ${describeSchema(to)} is wanted`, false);
  } else if (from.type === 'string' && to.type === 'string') {
    yield* compareTexts(from, to, at);
  } else if (isNumber(from) && isNumber(to)) {
    yield* compareNumbers(from, to, at);
  } else if (from.type === 'array' && to.type === 'array') {
    yield* compareLists(from, to, at);
  } else if (from.type === 'object' && to.type === 'object') {
    yield* compareObjects(from, to, at);
  } else if (from.type !== to.type) {
    yield differs(from, to, at);
  }
}

function isNumber(schema: ValueSchema): schema is NumberSchema {
  return schema.type === 'integer' || schema.type === 'number';
}

function* compareTexts(from: StringSchema, to: StringSchema, at: Segments): Problems {
  if (from.enum !== undefined) {
    const refused = from.enum.find((text) => isValueOf(from, text) && !isValueOf(to, text));
    if (refused !== undefined) {
      yield problem(at, `may be ${JSON.stringify(refused)}, and ${describeSchema(to)} is wanted`);
    }
    return;
  }
  if (to.enum !== undefined) return yield differs(from, to, at);
  const has = from.format;
  const isFormed =
    to.format === undefined ||
    has === to.format ||
    (has !== undefined && TEXT_FORMATS[has].implies.includes(to.format));
  const [given, taken] = [lengthsOf(from), lengthsOf({ ...to, ...(has && { format: has }) })];
  if (!isFormed || given.min < taken.min || given.max > taken.max) {
    // Of two texts without a format only the lengths can differ, and they are in the words.
    const isLength = isFormed && to.format !== undefined;
    const plain = ({ min, max }: { min: number; max: number }): string =>
      describeSchema({ type: 'string', minLength: min, maxLength: max });
    if (isLength)
      yield problem(at, `may be ${plain(given)}, and ${plain(lengthsOf(to))} is wanted`);
    else yield differs(from, to, at);
  }
}

function* compareNumbers(from: NumberSchema, to: NumberSchema, at: Segments): Problems {
  const [given, taken] = [rangeOf(from), rangeOf(to)];
  const isWhole = to.type === 'number' || from.type === 'integer';
  if (!isWhole || given.min < taken.min || given.max > taken.max) yield differs(from, to, at);
}

function rangeOf({ type, minimum = -Infinity, maximum = Infinity }: NumberSchema): {
  readonly min: number;
  readonly max: number;
} {
  if (type === 'number') return { min: minimum, max: maximum };
  return {
    min: Math.max(Math.ceil(minimum), Number.MIN_SAFE_INTEGER),
    max: Math.min(Math.floor(maximum), Number.MAX_SAFE_INTEGER),
  };
}

function* compareLists(from: ArraySchema, to: ArraySchema, at: Segments): Problems {
  const { minItems = 0, maxItems = DEFAULT_MAX_ITEMS } = from;
  if (minItems < (to.minItems ?? 0) || maxItems > (to.maxItems ?? DEFAULT_MAX_ITEMS)) {
    yield differs(from, to, at);
  }
  if (maxItems > 0) yield* compare(from.items, to.items, [...at, '[]']);
}

function* compareObjects(from: ObjectSchema, to: ObjectSchema, at: Segments): Problems {
  const required = new Set(from.required ?? []);
  for (const name of to.required ?? []) {
    if (!required.has(name)) {
      const isKnown = Object.hasOwn(from.properties, name) || from.additional !== undefined;
      yield problem([...at, name], `${isKnown ? 'may be' : 'is'} missing, and it is required`);
    }
  }
  for (const [name, member] of Object.entries(from.properties)) {
    const taken = memberOf(to, name);
    if (taken !== undefined) yield* compare(member, taken, [...at, name]);
    else yield problem([...at, name], 'may be there, and it is not known where it goes');
  }
  if (from.additional === undefined) return;
  if (to.additional === undefined) {
    yield problem(at, 'may have members of any name, and only named ones are taken');
    return;
  }
  yield* compare(from.additional, to.additional, [...at, '*']);
  for (const [name, taken] of Object.entries(to.properties)) {
    if (Object.hasOwn(from.properties, name)) continue;
    yield* compare(from.additional, taken, [...at, name]);
  }
}

function memberOf(schema: ObjectSchema, name: string): ValueSchema | undefined {
  return Object.hasOwn(schema.properties, name) ? schema.properties[name] : schema.additional;
}

function differs(from: ValueSchema, to: ValueSchema, at: Segments): AssignmentProblem {
  return problem(at, `may be ${describeSchema(from)}, and ${describeSchema(to)} is wanted`);
}

function problem(at: Segments, what: string, certain = true): AssignmentProblem {
  const path = formatPlace(at);
  return { path, why: `${path === '' ? 'The value' : path} ${what}.`, certain };
}

/** As {@link formatValuePath}, with `[]` for every entry of a list and `*` for every further member. */
function formatPlace(at: Segments): string {
  let path = '';
  for (const segment of at) {
    if (segment === '[]') path += '[]';
    else if (segment === '*') path += path === '' ? '*' : '.*';
    else {
      const own = formatValuePath([segment]);
      path += path === '' || own.startsWith('[') ? own : `.${own}`;
    }
  }
  return path;
}
