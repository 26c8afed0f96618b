import { expect, test } from '@jest/globals';
import { type CelExpression, compileCel } from './compile.ts';
import { type CelValues, costOfCel, evaluateCel, evaluateCondition } from './evaluate.ts';
import { CEL_STEPS_PER_VALUE, MAX_CEL_COST, MAX_CEL_LENGTH, MAX_CEL_NODES } from './limits.ts';

// No test here measures time: each shows that the work is refused before it begins, or that its bound is small.

const VARIABLES = ['x', 'xs', 'ys', 's', 'm'];

function compiled(source: string): CelExpression {
  const result = compileCel(source, { variables: VARIABLES });
  if (!result.ok) throw new Error(`${source.slice(0, 200)}: ${JSON.stringify(result)}`);
  return result;
}

function costOf(source: string, values: CelValues): number {
  const cost = costOfCel(compiled(source), values);
  if (!cost.ok) throw new Error(JSON.stringify(cost));
  return cost.value;
}

const MANY = Array.from({ length: 10_000 }, (_, n) => n);
const PEOPLE = MANY.map((n) => ({ name: `target-${n}`, labels: { region: n % 2 ? 'eu' : 'us' } }));

test.each([
  'xs.map(a, xs.map(b, a + b))',
  'xs.filter(a, xs.filter(b, b == a).size() > 1)',
  'xs.exists(a, xs.exists(b, a + b == -1))',
  'xs.all(a, xs.all(b, xs.all(c, a + b + c >= 0)))',
  'xs.exists_one(a, xs.exists_one(b, a == b))',
  'xs.filter(a, a in xs).size() == size(xs)',
  'xs.map(a, xs == xs)',
  'xs.map(a, xs + xs).size()',
  'xs.map(a, [xs, xs]).map(b, b[0].map(c, c))',
  '[xs].map(a, a.map(b, a.map(c, c)))',
  '(true ? xs : [1]).map(a, (true ? xs : ys).map(b, b))',
  '{"k": xs}.k.map(a, {"k": xs}["k"].map(b, b))',
  'm.map(k, m[k].map(a, m[k].map(b, b)))',
  'xs.map(a, a, xs.map(b, b, xs))',
  'dyn(xs).map(a, dyn(xs).map(b, b))',
])('%s over 10,000 members is refused before it begins', (source) => {
  const values = { xs: MANY, ys: MANY, m: { a: MANY, b: [] } };
  expect(costOf(source, values)).toBeGreaterThan(10_000 ** 2);
  expect(evaluateCel(compiled(source), values)).toMatchObject({
    ok: false,
    code: 'cel-too-costly',
    offset: 0,
    length: source.length,
  });
});

test.each<[string, unknown]>([
  ['xs.filter(x, x.labels.region == "eu" && x.name.startsWith("target-1")).size()', 556],
  ['xs.map(x, x.name + ":" + x.labels.region).join(",").size()', 148_889],
  ['xs.exists(x, x.name == "target-9999")', true],
  ['xs.all(x, has(x.labels.zone) || x.labels.region in ["eu", "us"])', true],
  ['xs[9999].name', 'target-9999'],
])('%s over 10,000 members is within the limit', (source, value) => {
  expect(evaluateCel(compiled(source), { xs: PEOPLE })).toEqual({ ok: true, value });
});

test('texts and lists that double in each step are refused, however small they begin', () => {
  const doubling = (begin: string, step: string, times: number): string =>
    `${begin}${`.map(a, ${step})`.repeat(times)}`;
  for (const [begin, step] of [
    ['["x"]', 'a + a'],
    ['[["x"]]', 'a + a'],
    ['["xy"]', '(a + a).split("")[0] + a + a'],
    ['["xy"]', '[a, a].join(a)'],
    ['["xy"]', '[a + a][0]'],
    ['["xy"]', '{"k": a + a}.k'],
    ['["xy"]', 'true ? a + a : ""'],
    ['["xy"]', 'string(a + a).trim().lowerAscii()'],
    ['["xy"]', 'dyn(a + a)'],
  ] as const) {
    const source = doubling(begin, step, 60);
    expect(costOf(source, {})).toBeGreaterThan(MAX_CEL_COST);
    expect(evaluateCel(compiled(source), {})).toMatchObject({ code: 'cel-too-costly' });
    expect(evaluateCel(compiled(doubling(begin, step, 3)), {})).toMatchObject({ ok: true });
  }
});

test('a result that names one value many times counts each time, for it is written out', () => {
  const many = (n: number) => Array(n).fill('xs').join(', ');
  expect(evaluateCel(compiled(`[${many(900)}]`), { xs: MANY })).toMatchObject({
    code: 'cel-too-costly',
  });
  expect(evaluateCel(compiled(`[${many(9)}]`), { xs: MANY })).toMatchObject({ ok: true });
});

test('searching a long text for a long text counts each place times each character', () => {
  const text = 'a'.repeat(100_000);
  for (const source of ['x.contains(s)', 'x.indexOf(s) > 0', 'x.split(s).size()']) {
    expect(evaluateCel(compiled(source), { x: text, s: `${'a'.repeat(50_000)}b` })).toMatchObject({
      code: 'cel-too-costly',
    });
    expect(evaluateCel(compiled(source), { x: text, s: 'b' })).toMatchObject({ ok: true });
  }
});

test('reckoning itself is bounded: branches over big values are not joined without end', () => {
  const big = Object.fromEntries(MANY.map((n) => [`k${n}`, { n }]));
  const dynamic = (times: number) => Array(times).fill('m[s].n').join('+');
  // Each index is any of 10,000 members: they are gone through once, not once for each time.

  const once = costOf(dynamic(1), { m: big, s: 'k1' });
  expect(costOf(dynamic(90), { m: big, s: 'k1' })).toBeLessThan(once + 90 * 100);
  const branches = Array(300).fill('m').join(' : true ? ');
  expect(compileCel(`true ? ${branches} : m`, { variables: VARIABLES })).toMatchObject({
    code: 'cel-too-deep',
  });
  const flat = (times: number, of: string) => `[${Array(times).fill(of).join(',')}].map(a, a.n)`;
  const values = { m: big, ys: big, s: 'k1' };
  const either = compiled(flat(150, '(true ? m : ys)[s]'));
  expect(evaluateCel(either, values)).toMatchObject({ ok: true });
  const each = compiled(flat(90, '{"a": m, "b": ys}[s][s]'));
  expect(evaluateCel(each, values)).toMatchObject({ code: 'cel-too-costly' });
});

test('too many values, or values in each other without end, are refused while they are read', () => {
  const limit = MAX_CEL_COST / CEL_STEPS_PER_VALUE;
  expect(evaluateCel(compiled('xs'), { xs: Array(limit + 1).fill(0) })).toMatchObject({
    code: 'cel-too-costly',
  });
  const cyclic: Record<string, unknown> = {};
  cyclic.self = cyclic;
  expect(evaluateCel(compiled('x'), { x: cyclic })).toMatchObject({ code: 'cel-value-refused' });
  let deep: unknown = 1;
  for (let at = 0; at < 100_000; at += 1) deep = [deep];
  expect(evaluateCel(compiled('x == x'), { x: deep })).toMatchObject({ code: 'cel-value-refused' });
  expect(evaluateCel(compiled('xs'), { xs: new Array(2 ** 31) })).toMatchObject({ ok: false });
});

test.each<[string, string]>([
  ['a megabyte of digits', '1'.repeat(1 << 20)],
  ['a megabyte of parentheses', '('.repeat(1 << 20)],
  ['a megabyte of a text', `"${'x'.repeat(1 << 20)}"`],
  ['parentheses', '('.repeat(MAX_CEL_LENGTH)],
  ['brackets', '['.repeat(MAX_CEL_LENGTH)],
  ['braces', '{"a":'.repeat(MAX_CEL_LENGTH / 5)],
  ['nots', '!'.repeat(MAX_CEL_LENGTH)],
  ['minus signs', '- '.repeat(MAX_CEL_LENGTH / 2)],
  ['nots behind comments', '!//\n'.repeat(MAX_CEL_LENGTH / 4)],
  ['nots behind texts', '!"" '.repeat(MAX_CEL_LENGTH / 4)],
  ['questions', 'x?'.repeat(MAX_CEL_LENGTH / 2)],
  ['branches', 'x?x:'.repeat(MAX_CEL_LENGTH / 4)],
  ['sums', `1${'+1'.repeat(2000)}`],
  ['conjunctions', `x${'&&x'.repeat(1300)}`],
  ['members', `x${'.a'.repeat(2000)}`],
  ['indexes', `x${'[0]'.repeat(1300)}`],
  ['indexes in each other', 'x['.repeat(2000)],
  ['calls in each other', 'size('.repeat(800)],
  ['macros in each other', '[1].map(a,'.repeat(400)],
  ['macros after each other', `[1]${'.map(a,a)'.repeat(400)}`],
  ['quotes', '"'.repeat(MAX_CEL_LENGTH - 1)],
  ['triple quotes', '"""'.repeat(1365)],
  ['backslashes in a text', `"${'\\'.repeat(4000)}`],
  ['an int of 4,000 digits', '9'.repeat(4000)],
  ['a double of 4,000 digits', `0.${'9'.repeat(4000)}`],
  ['a huge exponent', '1e999999999'],
  ['a hexadecimal number of 4,000 digits', `0x${'f'.repeat(4000)}`],
  ['a list of too many', `[${'1,'.repeat(2000)}]`],
  ['a call of too many', `size(${'1,'.repeat(2000)}1)`],
  ['null characters', '\0'.repeat(100)],
  ['half a character', '\ud800'],
])('%s: a problem or a value, never an exception', (_name, source) => {
  const result = compileCel(source, { variables: VARIABLES });
  expect(compileCel(source, { variables: VARIABLES })).toMatchObject(
    result.ok ? { ok: true } : { ...result },
  );
  if (!result.ok) {
    expect(result.offset).toBeLessThanOrEqual(source.length);
    expect(result.offset + result.length).toBeLessThanOrEqual(source.length);
    expect(result.code).not.toBe('cel-evaluation-failed');
  } else {
    expect(evaluateCel(result, { x: 1 })).toBeDefined();
  }
});

test('the biggest expressions that are taken do not end the stack, called from deep within it', () => {
  const sources = [
    `${'!'.repeat(98)}x`,
    `${'('.repeat(98)}x${')'.repeat(98)}`,
    Array(99).fill('1').join('+'),
    `[${Array(MAX_CEL_NODES - 2).fill('1')}]`,
    `x${'.a'.repeat(97)}`,
    `${'string('.repeat(45)}x${')'.repeat(45)}`,
  ];
  const within = (depth: number): unknown[] =>
    depth === 0
      ? sources.map((source) => evaluateCel(compiled(source), { x: true }))
      : within(depth - 1);
  for (const result of within(2000)) {
    expect(result).not.toMatchObject({ code: 'cel-evaluation-failed' });
  }
});

test('only own members are read', () => {
  const names = ['__proto__', 'constructor', 'prototype', 'toString', 'valueOf', 'hasOwnProperty'];
  for (const name of names) {
    for (const x of [{}, [], 'text', 1, true, null, { a: {} }]) {
      const read = compileCel(`x["${name}"] == 1`, { variables: ['x'] });
      if (!read.ok) throw new Error(name);
      expect(evaluateCel(read, { x })).toMatchObject({ ok: false });
    }
    const present = compiled(`"${name}" in x`);
    expect(evaluateCel(present, { x: {} })).toEqual({ ok: true, value: false });
    expect(evaluateCel(compiled(`"${name}" in {"a": 1}`), {})).toEqual({ ok: true, value: false });
    const own = JSON.parse(`{"${name}": 7}`) as unknown;
    expect(evaluateCel(compiled(`x["${name}"]`), { x: own })).toEqual({ ok: true, value: 7 });
    const whole = evaluateCel(compiled('x'), { x: own }) as { value: object };
    expect(Object.getOwnPropertyNames(whole.value)).toEqual([name]);
    expect(JSON.stringify(whole.value)).toBe(`{"${name}":7}`);
    const equal = compiled('x == {"a": 7}');
    expect(evaluateCel(equal, { x: own })).toEqual({ ok: true, value: false });
  }
  expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  const pollute = JSON.parse('{"__proto__": {"polluted": true}}') as unknown;
  evaluateCel(compiled('[x, {"a": x}, x.map(n, x[n])]'), { x: pollute });
  expect(({} as Record<string, unknown>).polluted).toBeUndefined();
});

test('variables are own members of the values too', () => {
  const variables = ['toString', 'constructor', 'valueOf'];
  for (const name of variables) {
    const expression = compileCel(name, { variables });
    if (!expression.ok) throw new Error(name);
    expect(evaluateCel(expression, {})).toMatchObject({ code: 'cel-variable-unknown' });
  }
});

test('getters are not asked, and prototypes are not followed', () => {
  let asked = 0;
  const getter = {
    get a() {
      asked += 1;
      return 1;
    },
  };
  const list: unknown[] = [];
  Object.defineProperty(list, 0, { get: () => (asked += 1), enumerable: true });
  const values: CelValues[] = [{ x: getter }, { x: { a: getter } }, { x: list }];
  for (const x of values) {
    for (const source of ['x', 'x.a', 'x.a == 1 || true', 'has(x.a)']) {
      expect(evaluateCel(compiled(source), x)).toMatchObject({ ok: false });
    }
  }
  expect(evaluateCel(compiled('x'), getterAtRoot())).toMatchObject({ ok: false });
  expect(asked).toBe(0);
  const inherited = Object.create({ a: 1 }) as object;
  expect(evaluateCel(compiled('x.a'), { x: inherited })).toMatchObject({ ok: false });
  const throwing = new Proxy({}, { ownKeys: () => fail(), getPrototypeOf: () => fail() });
  expect(evaluateCel(compiled('x'), { x: throwing })).toMatchObject({
    code: 'cel-evaluation-failed',
  });

  function getterAtRoot(): CelValues {
    return {
      get x() {
        asked += 1;
        return 1;
      },
    };
  }
  function fail(): never {
    throw new TypeError('trap');
  }
});

test('names and texts of all of Unicode pass', () => {
  const text = 'ﬃ İ 🏳️‍🌈 \u0000 \u2028 e\u0301';
  expect(
    evaluateCel(compiled('x.lowerAscii() == x.upperAscii().lowerAscii()'), { x: text }),
  ).toEqual({ ok: true, value: true });
  expect(evaluateCel(compiled('x'), { x: { [text]: [text] } })).toEqual({
    ok: true,
    value: { [text]: [text] },
  });
  expect(evaluateCel(compiled('x[s]'), { x: { [text]: 1 }, s: text })).toEqual({
    ok: true,
    value: 1,
  });
});

test('values of many shapes leave nothing behind in the types that the library keeps', () => {
  const shapes = MANY.slice(0, 1000).map((n) => {
    let shape: unknown = n;
    for (let bit = 0; bit < 10; bit += 1) shape = (n >> bit) & 1 ? { k: shape } : { k: [shape] };
    return shape;
  });
  const condition = compiled('xs.exists(a, a == x || [a] == x || a.k == x.k)');
  // The library reads the name of each type that it makes with `match`.
  const { match } = String.prototype;
  const types = new Set<string>();
  String.prototype.match = function counted(this: string, by: string | RegExp) {
    types.add(String(this));
    return match.call(this, by as RegExp);
  } as typeof match;
  try {
    expect(evaluateCondition(condition, { xs: shapes, x: { k: 1 } })).toMatchObject({ ok: true });
    expect(evaluateCel(compiled('[[[[[1]]]]] == x'), { x: 1 })).toMatchObject({ ok: true });
  } finally {
    String.prototype.match = match;
  }
  expect(types.size).toBeGreaterThan(0);
  expect(types.size).toBeLessThan(30);
});
