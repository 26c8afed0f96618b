import { expect, test } from '@jest/globals';
import type { ObjectSchema, StringFormat, StringSchema, ValueSchema } from './value-schema.ts';
import { DEFAULT_MAX_ITEMS, DEFAULT_MAX_LENGTH, STRING_FORMATS } from './value-schema.ts';
import { findValueFaults } from './values.ts';
import { isAssignable } from './values-assign.ts';
import { findSchemaFaults } from './values-schema.ts';

/** Another run: `SLUICE_TEST_SEED=7 npm test -- values`. */
const SEED = Number(process.env['SLUICE_TEST_SEED'] ?? 20_261_121);
const CASES = 2000;

/** Deterministic numbers in [0, 1): mulberry32. */
class Random {
  private state: number;
  constructor(seed: number) {
    this.state = seed >>> 0;
  }
  next(): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let t = this.state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  }
  int(min: number, max: number): number {
    return min + Math.floor(this.next() * (max - min + 1));
  }
  chance(p: number): boolean {
    return this.next() < p;
  }
  pick<T>(from: readonly T[]): T {
    return from[this.int(0, from.length - 1)] as T;
  }
}

const NAMES = ['a', 'b', 'c', 'd', 'e'];

const TEXTS: Readonly<Record<StringFormat, readonly string[]>> = {
  digest: [`sha256:${'0'.repeat(64)}`, `sha256:${'9f'.repeat(32)}`],
  name: ['a', '0', 'dev-host-1', 'x'.repeat(63), 'a--b'],
  url: ['http://a', 'https://h.example:65535/p?q=1#f', 'http://[::1]:8080', 'https://a_b/'],
  'relative-path': ['a', 'a/b.c', '...', '.hidden/x', 'ä/ü ö'],
  time: ['2026-11-21T10:00:00Z', '2024-02-29T23:59:59.123456789Z', '0000-01-01T00:00:00.5Z'],
};

function randomSchema(random: Random, depth = 0): ValueSchema {
  const kinds = ['string', 'string', 'integer', 'number', 'boolean', 'any'];
  const kind = random.pick(depth < 3 ? [...kinds, 'array', 'array', 'object', 'object'] : kinds);
  switch (kind) {
    case 'string':
      return randomText(random);
    case 'integer':
    case 'number': {
      const minimum = random.int(-10, 10) + (kind === 'number' && random.chance(0.5) ? 0.5 : 0);
      return {
        type: kind,
        ...(random.chance(0.5) ? { minimum } : {}),
        ...(random.chance(0.5) ? { maximum: minimum + random.int(0, 20) } : {}),
      };
    }
    case 'array': {
      const minItems = random.int(0, 3);
      return {
        type: 'array',
        items: randomSchema(random, depth + 1),
        ...(random.chance(0.5) ? { minItems } : {}),
        ...(random.chance(0.5) ? { maxItems: minItems + random.int(0, 3) } : {}),
      };
    }
    case 'object': {
      const names = NAMES.filter(() => random.chance(0.4));
      return {
        type: 'object',
        properties: Object.fromEntries(names.map((n) => [n, randomSchema(random, depth + 1)])),
        required: names.filter(() => random.chance(0.5)),
        ...(random.chance(0.3) ? { additional: randomSchema(random, depth + 1) } : {}),
      };
    }
    default:
      return { type: kind as 'boolean' | 'any' };
  }
}

function randomText(random: Random): StringSchema {
  const shape = random.int(0, 2);
  if (shape === 0) {
    const words = ['one', 'two', 'three', 'four', 'dev-1'].filter(() => random.chance(0.5));
    return { type: 'string', enum: words.length === 0 ? ['one'] : words };
  }
  if (shape === 1) return { type: 'string', format: random.pick(STRING_FORMATS) };
  const minLength = random.int(0, 5);
  return {
    type: 'string',
    ...(random.chance(0.5) ? { minLength } : {}),
    ...(random.chance(0.5) ? { maxLength: minLength + random.int(0, 80) } : {}),
  };
}

/** A value of a schema; often at one of its bounds. */
function randomValue(random: Random, schema: ValueSchema): unknown {
  switch (schema.type) {
    case 'string': {
      if (schema.enum !== undefined) return random.pick(schema.enum);
      if (schema.format !== undefined) return random.pick(TEXTS[schema.format]);
      const { minLength: min = 0, maxLength: max = DEFAULT_MAX_LENGTH } = schema;
      const size = random.chance(0.2)
        ? max
        : random.chance(0.3)
          ? min
          : random.int(min, Math.min(max, min + 9));
      return random.pick(['x', 'ö', '/', ' ', '9']).repeat(size);
    }
    case 'integer': {
      const { minimum: min = Number.MIN_SAFE_INTEGER, maximum: max = Number.MAX_SAFE_INTEGER } =
        schema;
      return random.pick([min, max, random.int(min, Math.min(max, min + 5))]);
    }
    case 'number': {
      const { minimum: min = -Number.MAX_VALUE, maximum: max = Number.MAX_VALUE } = schema;
      return random.pick([min, max, min / 2 + max / 2]);
    }
    case 'boolean':
      return random.chance(0.5);
    case 'any':
      return random.pick([null, 1.5, 'text', [], [null, [true]], { a: { b: [1] } }, {}]);
    case 'array': {
      const { minItems: min = 0, maxItems: max = DEFAULT_MAX_ITEMS } = schema;
      const isLeaf = schema.items.type !== 'array' && schema.items.type !== 'object';
      const size = isLeaf && random.chance(0.05) ? max : random.int(min, Math.min(max, min + 3));
      // Long lists hold one value many times.
      if (size > 20) return new Array(size).fill(randomValue(random, schema.items));
      return Array.from({ length: size }, () => randomValue(random, schema.items));
    }
    case 'object':
      return randomObject(random, schema);
  }
}

function randomObject(random: Random, schema: ObjectSchema): unknown {
  const value: Record<string, unknown> = {};
  for (const [name, member] of Object.entries(schema.properties)) {
    if (schema.required?.includes(name) === true || random.chance(0.6)) {
      value[name] = randomValue(random, member);
    }
  }
  if (schema.additional === undefined) return value;
  for (const name of [...NAMES, 'constructor', 'x y']) {
    if (Object.hasOwn(schema.properties, name) || random.chance(0.6)) continue;
    value[name] = randomValue(random, schema.additional);
  }
  return value;
}

/** A schema that takes at least what the given one takes. */
function loosen(random: Random, schema: ValueSchema): ValueSchema {
  if (random.chance(0.1)) return { type: 'any' };
  switch (schema.type) {
    case 'string': {
      const { minLength, maxLength, enum: words, format } = schema;
      if (words !== undefined) {
        return random.chance(0.5)
          ? { type: 'string', enum: [...words, 'more'] }
          : { type: 'string' };
      }
      if (format !== undefined)
        return random.chance(0.5) ? schema : { type: 'string', minLength: 1 };
      return {
        type: 'string',
        ...(minLength === undefined ? {} : { minLength: Math.max(0, minLength - 1) }),
        ...(maxLength === undefined ? {} : { maxLength: maxLength + random.int(0, 2) }),
      };
    }
    case 'integer':
    case 'number':
      return {
        type: random.chance(0.3) ? 'number' : schema.type,
        ...(schema.minimum === undefined ? {} : { minimum: schema.minimum - random.int(0, 2) }),
        ...(schema.maximum === undefined || random.chance(0.3)
          ? {}
          : { maximum: schema.maximum + random.int(0, 2) }),
      };
    case 'array':
      return {
        type: 'array',
        items: loosen(random, schema.items),
        ...(schema.minItems === undefined ? {} : { minItems: Math.max(0, schema.minItems - 1) }),
      };
    case 'object':
      return {
        type: 'object',
        properties: Object.fromEntries(
          Object.entries(schema.properties).map(([name, m]) => [name, loosen(random, m)]),
        ),
        required: (schema.required ?? []).filter(() => random.chance(0.7)),
        ...(schema.additional === undefined
          ? {}
          : { additional: loosen(random, schema.additional) }),
      };
    default:
      return schema;
  }
}

type Place = readonly (string | number)[];

/** Breaks a value somewhere: the broken value, and the place where a fault must be told (or within it). */
function mutate(
  random: Random,
  schema: ValueSchema,
  value: unknown,
  at: Place = [],
): [unknown, Place] {
  if (schema.type === 'array' && Array.isArray(value) && value.length > 0 && random.chance(0.6)) {
    const index = random.int(0, value.length - 1);
    const [broken, place] = mutate(random, schema.items, value[index], [...at, index]);
    return [value.with(index, broken), place];
  }
  if (schema.type === 'object' && random.chance(0.7)) {
    const object = value as Readonly<Record<string, unknown>>;
    const names = Object.keys(object).filter((n) => Object.hasOwn(schema.properties, n));
    if (names.length > 0) {
      const name = random.pick(names);
      const member = schema.properties[name] as ValueSchema;
      const [broken, place] = mutate(random, member, object[name], [...at, name]);
      return [{ ...object, [name]: broken }, place];
    }
  }
  return breakHere(random, schema, value, at);
}

function breakHere(
  random: Random,
  schema: ValueSchema,
  value: unknown,
  at: Place,
): [unknown, Place] {
  const never: unknown[] = [
    undefined,
    Number.NaN,
    -Infinity,
    () => 0,
    1n,
    Symbol('s'),
    '\ud800',
    new Map(),
  ];
  if (random.chance(0.3)) return [random.pick(never), at];
  switch (schema.type) {
    case 'any':
      return [{ deep: [random.pick(never)] }, [...at, 'deep', 0]];
    case 'string': {
      const wrong: unknown[] = [null, 3, ['x'], {}, true];
      if (schema.enum !== undefined) wrong.push('unheard-of', '');
      else if (schema.format !== undefined) wrong.push('', '../x//');
      else wrong.push('x'.repeat((schema.maxLength ?? DEFAULT_MAX_LENGTH) + 1));
      return [random.pick(wrong), at];
    }
    case 'integer':
    case 'number': {
      const wrong: unknown[] = [null, '3', [], Infinity];
      if (schema.type === 'integer') wrong.push(0.5, 2 ** 53);
      if (schema.maximum !== undefined) wrong.push(schema.maximum + 1);
      if (schema.minimum !== undefined) wrong.push(schema.minimum - 1);
      return [random.pick(wrong), at];
    }
    case 'boolean':
      return [random.pick<unknown>([null, 0, 'true', []]), at];
    case 'array': {
      const more = new Array((schema.maxItems ?? DEFAULT_MAX_ITEMS) + 1).fill(null);
      return [random.pick<unknown>([null, {}, 'x', more, { length: 0 }]), at];
    }
    case 'object': {
      const object = value as Readonly<Record<string, unknown>>;
      const required = schema.required ?? [];
      if (required.length > 0 && random.chance(0.5)) {
        const gone = random.pick(required);
        return [
          Object.fromEntries(Object.entries(object).filter(([n]) => n !== gone)),
          [...at, gone],
        ];
      }
      const own = Object.fromEntries([...Object.entries(object), ['__proto__', { a: 1 }]]);
      if (random.chance(0.2)) return [own, [...at, '__proto__']];
      if (schema.additional === undefined) return [{ ...object, nowhere: 1 }, [...at, 'nowhere']];
      return [random.pick<unknown>([null, [], 'x', new Date(0)]), at];
    }
  }
}

/** Cheaper than a matcher in so many cases. */
function demand(holds: boolean, label: string, about: object): void {
  if (!holds) throw new Error(`${label}: ${JSON.stringify(about, null, 1).slice(0, 4000)}`);
}

/** The seed is in what a failure prints. */
function forCases(check: (random: Random, label: string) => void): void {
  for (let index = 0; index < CASES; index += 1) {
    const seed = SEED + index;
    check(new Random(seed), `seed ${SEED}, case ${index}: SLUICE_TEST_SEED=${seed}`);
  }
}

test(`a generated schema has no faults, and its values have none (seed ${SEED})`, () => {
  forCases((random, label) => {
    const schema = randomSchema(random);
    demand(findSchemaFaults(schema).length === 0, label, { schema });
    const value = randomValue(random, schema);
    demand(findValueFaults(schema, value).length === 0, label, { schema, value });
  });
});

test(`a broken value has a fault at the broken place (seed ${SEED})`, () => {
  forCases((random, label) => {
    const schema = randomSchema(random);
    const [broken, place] = mutate(random, schema, randomValue(random, schema));
    const faults = findValueFaults(schema, broken);
    const isTold = faults.some(({ segments }) => place.every((part, i) => segments[i] === part));
    const isSaid = faults.every(({ message }) => /; it must be .+\.$/.test(message));
    demand(isTold && isSaid, label, { schema, place, faults });
  });
});

test(`what is assignable takes every value, and a loosened schema is assignable (seed ${SEED})`, () => {
  let assignable = 0;
  let refused = 0;
  forCases((random, label) => {
    const from = randomSchema(random);
    demand(isAssignable(from, from) === true, label, { from });
    const loose = loosen(random, from);
    demand(isAssignable(from, loose) === true, label, { from, loose });
    // Half-way related pairs are where a wrong yes hides.
    const other = random.chance(0.5) ? randomSchema(random) : loosen(random, loose);
    for (const [a, b] of [
      [from, loose],
      [loose, from],
      [from, other],
      [other, from],
    ] as const) {
      const answer = isAssignable(a, b);
      if (answer !== true) {
        refused += 1;
        demand(answer.why.endsWith('.'), label, answer);
        continue;
      }
      assignable += 1;
      for (let n = 0; n < 4; n += 1) {
        const value = randomValue(random, a);
        demand(findValueFaults(b, value).length === 0, label, { a, b, value });
      }
    }
  });
  expect(assignable).toBeGreaterThan(CASES);
  expect(refused).toBeGreaterThan(CASES / 2);
});
