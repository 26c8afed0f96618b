import {
  type GraphQLInputType,
  getNamedType,
  isEnumType,
  isInputObjectType,
  isListType,
  isNonNullType,
} from 'graphql';

/** Where a value stands: keys of objects and indexes of lists. */
export type ValuePath = readonly string[];

/** One place where a client hands something over. */
export interface InputPlace {
  readonly path: ValuePath;
  readonly type: GraphQLInputType;
}

/** Texts that are right for GraphQL and wrong for every text that the API takes. */
export const BROKEN_TEXTS: Readonly<Record<string, string>> = {
  blank: ' \t ',
  'too long': 'x'.repeat(5000),
  'a null byte': 'a\u0000b',
  'a control character': 'a\u0007b',
  'an escape sequence': '\u001b[31mred',
  'half a character': 'a\ud800b',
  'a turned direction': 'safe\u202egnp.exe',
  'an isolate': 'a\u2066b\u2069',
  'a byte order mark': '\ufeffa',
  'no character': 'a\uffff',
};

/** Values of other types than text. */
const NO_TEXTS: readonly unknown[] = [5, 1e308, -0.5, true, {}, { length: 3 }, ['a', 'b']];

const NO_NUMBERS: readonly unknown[] = [
  1.5,
  2_147_483_648,
  -2_147_483_649,
  9_007_199_254_740_993,
  1e308,
  'text',
  '5',
  true,
  {},
  [1, 2],
];

/** Whole numbers that no event of a history has. */
const NO_EVENT_NUMBERS: readonly unknown[] = [0, -1, 1_000_001, 2_147_483_647, -2_147_483_648];

/** Whole numbers that no page size is. */
const NO_SIZES: readonly unknown[] = [0, -1, 101, 2_147_483_647, -2_147_483_648];

/** Whole numbers that count nothing: of a version, of an attempt, of a round. */
const NO_COUNTS: readonly unknown[] = [0, -1, 2_147_483_647, -2_147_483_648];

/** By the name of the place; page sizes where it is not here. */
const WRONG_NUMBERS: Readonly<Record<string, readonly unknown[]>> = {
  event: NO_EVENT_NUMBERS,
  version: NO_COUNTS,
  attempt: NO_COUNTS,
  round: NO_COUNTS,
  offset: [-1, 2_147_483_647, -2_147_483_648],
};

/** What is no object of values by name. */
const NO_VALUES: readonly unknown[] = [
  'text',
  5,
  true,
  ['a'],
  { a: 'a\u0000b' },
  { a: 'a\ud800b' },
  { ['__proto__']: 1 },
  { a: 'x'.repeat(70_000) },
  { a: nested(100) },
];

function nested(levels: number): unknown {
  return levels === 0 ? 1 : [nested(levels - 1)];
}

const NO_BOOLEANS: readonly unknown[] = ['true', 'yes', 0, 1, 1e308, {}, [true, false]];

const NO_OBJECTS: readonly unknown[] = ['text', 5, true, [1], { unknownField: 1 }];

/**
 * What an input place must refuse, each with a word for it. `null` is wrong exactly where the type says so.
 * @param name of the field or argument: which whole numbers are wrong hangs on what is counted
 */
export function wrongValuesOf(
  type: GraphQLInputType,
  name: string,
): readonly (readonly [string, unknown])[] {
  const inner = isNonNullType(type) ? type.ofType : type;
  const missing: readonly (readonly [string, unknown])[] = isNonNullType(type)
    ? [['null', null]]
    : [];
  return [...missing, ...valuesFor(inner, name)];
}

function valuesFor(type: GraphQLInputType, place: string): readonly (readonly [string, unknown])[] {
  const shown = (values: readonly unknown[]) =>
    values.map((value) => [JSON.stringify(value), value] as const);
  if (isListType(type)) {
    const isOfTexts = ['ID', 'String'].includes(getNamedType(type).name);
    return [
      ['an empty list', []],
      ['a list of null', [null]],
      // One value is a list of one for GraphQL: a text is no wrong list of texts.
      ...(isOfTexts
        ? [['too many', Array.from({ length: 1001 }, (_, index) => `a:${index}`)] as const]
        : [['too many', Array.from({ length: 201 }, () => ({}))] as const]),
      ...shown(isOfTexts ? [true, {}] : ['text', 5, true, {}]),
    ];
  }
  if (isInputObjectType(type)) return shown(NO_OBJECTS);
  const { name } = getNamedType(type);
  if (name === 'Int') {
    return shown([...NO_NUMBERS, ...(WRONG_NUMBERS[place] ?? NO_SIZES)]);
  }
  if (name === 'JSON') return NO_VALUES.map((value, at) => [`value ${at}`, value] as const);
  if (name === 'Boolean') return shown(NO_BOOLEANS);
  const texts = Object.entries(BROKEN_TEXTS);
  if (isEnumType(type)) return [...texts, ['unknown', 'NO_SUCH_VALUE'], ...shown(NO_TEXTS)];
  // A number is a right id for GraphQL: it becomes text.
  const numbers = name === 'ID' ? NO_TEXTS.filter((value) => value !== 5) : NO_TEXTS;
  return [...texts, ...shown(numbers)];
}

/** Every place inside of a value of this type, the type itself first, nested objects and lists included. */
export function placesOf(type: GraphQLInputType, path: ValuePath): readonly InputPlace[] {
  const inner = isNonNullType(type) ? type.ofType : type;
  const here = { path, type };
  if (isListType(inner)) {
    const element = placesOf(inner.ofType as GraphQLInputType, [...path, '0']);
    return [here, ...element];
  }
  if (!isInputObjectType(inner)) return [here];
  const fields = Object.values(inner.getFields());
  return [here, ...fields.flatMap((field) => placesOf(field.type, [...path, field.name]))];
}

/** A copy of a value with another one at a place; undefined takes it away. */
export function withValue(whole: unknown, path: ValuePath, value: unknown): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return value;
  const copy = (Array.isArray(whole) ? [...whole] : { ...(whole as object) }) as Record<
    string,
    unknown
  >;
  copy[key] = withValue(copy[key], rest, value);
  return copy;
}
