import { expect, test } from '@jest/globals';
import { Environment } from '@marcbachmann/cel-js';
import { type CelExpression, compileCel, referencesOf } from './compile.ts';
import { type CelValues, costOfCel, evaluateCel, evaluateCondition } from './evaluate.ts';
import { MAX_CEL_LENGTH, MAX_CEL_NODES } from './limits.ts';
import { MAX_CEL_MESSAGE } from './problem.ts';

const VARIABLES = [
  'steps',
  'parameters',
  'matrix',
  'promotion',
  'release',
  'environment',
  'x',
  'xs',
  'y',
];

function compiled(source: string): CelExpression {
  const result = compileCel(source, { variables: VARIABLES });
  if (!result.ok) throw new Error(`${source}: ${JSON.stringify(result)}`);
  return result;
}

function evaluate(source: string, values: CelValues = {}) {
  return evaluateCel(compiled(source), values);
}

const STEPS = {
  build: { outcome: 'succeeded', outputs: { image: 'app', size: 12, tags: ['a', 'b'] } },
  'scan-image': { outcome: 'skipped', outputs: {} },
};

test.each<[string, CelValues, unknown]>([
  ['steps.build.outputs.image + ":" + release.version', v({ version: '1.2' }), 'app:1.2'],
  ['steps.build.outcome == "succeeded" && !(steps["scan-image"].outcome == "failed")', v(), true],
  ['steps.build.outputs.tags[1]', v(), 'b'],
  ['steps.build.outputs["tags"].size()', v(), 2],
  ['steps.build.outputs', v(), STEPS.build.outputs],
  ['steps.map(s, steps[s].outcome)', v(), ['succeeded', 'skipped']],
  ['has(steps["scan-image"].outputs.report)', v(), false],
  ['has(steps.build.outputs.image) ? steps.build.outputs.image : "none"', v(), 'app'],
  ['has({"a": 1}.a) && !has({"a": 1}.toString)', {}, true],
  ['"image" in steps.build.outputs', v(), true],
  ['x / 2', { x: 7 }, 3],
  ['x / 2.0', { x: 3.5 }, 1.75],
  ['x + 1', { x: 2 ** 53 - 2 }, 2 ** 53 - 1],
  ['x', { x: -0 }, 0],
  ['x * 0.0', { x: -1.5 }, 0],
  ['x', { x: 1e300 }, 1e300],
  ['x < 0.5', { x: 0 }, true],
  ['x == null', { x: null }, true],
  ['x == "1"', { x: 1 }, false],
  ['x == 1.0', { x: 1 }, true],
  ['x == y', { x: { a: [1, { b: 2 }] }, y: { a: [1, { b: 2 }] } }, true],
  ['x == {"b": 2, "a": [1]}', { x: { a: [1], b: 2 } }, true],
  ['x in xs', { x: { a: 1 }, xs: [{ a: 2 }, { a: 1 }] }, true],
  ['xs.filter(x, x > 1).map(x, x * 2)', { xs: [1, 2, 3] }, [4, 6]],
  ['xs.map(x, x > 1, x * 2)', { xs: [1, 2, 3] }, [4, 6]],
  ['xs.map(x, xs.filter(y, y < x).size())', { xs: [1, 2, 3] }, [0, 1, 2]],
  ['xs.all(x, x > 0) && xs.exists(x, x == 2) && xs.exists_one(x, x == 3)', { xs: [2, 3] }, true],
  ['xs.exists(x, x.n == 1)', { xs: [{}, { n: 1 }] }, true],
  ['xs.nope == 1 || true', { xs: {} }, true],
  ['{"a": 1, "b": [true, "x", null, 2.5]}', {}, { a: 1, b: [true, 'x', null, 2.5] }],
  ['[1, "a", {"k": []}]', {}, [1, 'a', { k: [] }]],
  ['x + [3]', { x: [1, 2] }, [1, 2, 3]],
  [
    '"a,b,c".split(",", 2) + ["é".upperAscii(), " T ".trim().lowerAscii()]',
    {},
    ['a', 'b,c', 'é', 't'],
  ],
  ['["a", "b"].join("-") + string(1) + string(true) + string(1.5)', {}, 'a-b1true1.5'],
  ['int("12") + int(2.9) + size("häß")', {}, 17],
  // Where the library is laxer than CEL.
  ['int("") + int(double("0x10"))', {}, 16],
  ['double("1.5") + double(1)', {}, 2.5],
  ['bool("true") && "abc".startsWith("a") && "abc".endsWith("c") && "abc".contains("b")', {}, true],
  ['"abcabc".indexOf("c") + "abcabc".lastIndexOf("c") + "abcabc".indexOf("a", 1)', {}, 10],
  ['"abc".substring(1) + "abc".substring(0, 1)', {}, 'bca'],
  ['dyn(x) == dyn("1")', { x: '1' }, true],
  ['"\\u00e9" + r"\\n" + """a"b"""', {}, 'é\\na"b'],
  ['x // a comment !!!!!!!\n + 1', { x: 1 }, 2],
  ['environment.name == "live" ? promotion.id : matrix.region', live(), 'eu'],
  ['parameters.absent == 1 || true', { parameters: { absent: undefined } }, true],
])('%s', (source, values, value) => {
  expect(evaluate(source, values)).toEqual({ ok: true, value });
});

function v(release: object = {}): CelValues {
  return { steps: STEPS, release };
}

function live(): CelValues {
  return { environment: { name: 'test' }, promotion: {}, matrix: { region: 'eu' } };
}

test.each<[string, string, number, number]>([
  ['1 +', 'cel-syntax', 3, 0],
  ['', 'cel-syntax', 0, 0],
  ['x == "abc', 'cel-syntax', 5, 4],
  ['x ~ 1', 'cel-syntax', 2, 1],
  ['x.if(1)', 'cel-function-unknown', 0, 7],
  ['nope && true', 'cel-variable-unknown', 0, 4],
  ['xs.map(z, z + w)', 'cel-variable-unknown', 14, 1],
  ['xs.map(z, z) == z', 'cel-variable-unknown', 16, 1],
  ['int', 'cel-variable-unknown', 0, 3],
  ['cel.bind(a, 1, a)', 'cel-function-forbidden', 0, 17],
  ['true && fetch("x")', 'cel-function-unknown', 8, 10],
  ['x.lowerAsciiOnly()', 'cel-function-unknown', 0, 18],
  ['x.contains("a", "b")', 'cel-function-unknown', 0, 20],
  ['x.map(1, 2)', 'cel-syntax', 6, 1],
  ['has(x)', 'cel-syntax', 0, 6],
  ['has(x["a"])', 'cel-syntax', 0, 11],
  ['has([1].a)', 'cel-type-mismatch', 8, 1],
  ['b"abc"', 'cel-literal-forbidden', 0, 6],
  ['x == 1u', 'cel-literal-forbidden', 5, 2],
  ['x == 99999999999999999999', 'cel-literal-forbidden', 5, 20],
  ['{x: 1}', 'cel-literal-forbidden', 1, 1],
  ['{"constructor": 1}', 'cel-literal-forbidden', 1, 13],
  ['true && "a" + 1 == "a1"', 'cel-type-mismatch', 8, 7],
  ['"a" && true', 'cel-type-mismatch', 0, 11],
  ['x ? 1 : "a"', 'cel-type-mismatch', 0, 11],
  ['size(1)', 'cel-type-mismatch', 0, 7],
  ['"a".startsWith(1)', 'cel-type-mismatch', 0, 17],
  ['[1][?0]', 'cel-syntax', 4, 1],
])('%s is %s at %d, %d long', (source, code, offset, length) => {
  expect(compileCel(source, { variables: VARIABLES })).toMatchObject({
    ok: false,
    code,
    offset,
    length,
  });
});

test.each([
  ...['x.matches("a+")', 'timestamp("2026-01-01T00:00:00Z")', 'timestamp(0)', 'duration("1h")'],
  ...['x.getHours()', 'x.getHours("Europe/Berlin")', 'x.getDayOfYear()', 'x.getFullYear("UTC")'],
  ...['x.getMonth()', 'x.getDate()', 'x.getSeconds()', 'x.getMinutes()', 'x.getMilliseconds()'],
  ...['x.getDayOfMonth()', 'x.getDayOfWeek()', 'bytes("a")', 'x.base64()', 'x.hex()', 'x.json()'],
  ...['x.at(1)', 'uint(1)', 'type(1)', 'optional.of(1)', 'optional.none()', 'x.orValue(1)'],
])('%s is left out on purpose, and the message says why', (source) => {
  const result = compileCel(source, { variables: [...VARIABLES, 'optional'] });
  expect(result).toMatchObject({ ok: false, code: 'cel-function-forbidden' });
  expect(result).toMatchObject({ message: expect.stringMatching(/\(\) is left out: .{10}/) });
});

test('each function of the library is either taken or left out for a reason', () => {
  const { functions } = new Environment({ enableOptionalTypes: true }).getDefinitions();
  expect(functions.length).toBeGreaterThan(80);
  for (const { name, signature, receiverType, params } of functions) {
    const args = params.map((_, at) => (at === 0 && params.length > 1 ? 'x' : '"a"')).join(', ');
    const result = compileCel(`${receiverType === null ? '' : 'x.'}${name}(${args})`, {
      variables: VARIABLES,
    });
    const taken =
      result.ok ||
      ['cel-function-forbidden', 'cel-type-mismatch', 'cel-syntax'].includes(result.code);
    expect({ signature, taken, result }).toMatchObject({ signature, taken: true });
  }
});

test('what is too long, too deep or too big is refused', () => {
  const code = (source: string) => {
    const result = compileCel(source, { variables: VARIABLES });
    return result.ok ? 'ok' : result.code;
  };
  expect(code('x'.padEnd(MAX_CEL_LENGTH))).toBe('ok');
  expect(code('x'.padEnd(MAX_CEL_LENGTH + 1))).toBe('cel-too-long');
  expect(code(`${'('.repeat(99)}x${')'.repeat(99)}`)).toBe('ok');
  expect(code(`${'('.repeat(100)}x${')'.repeat(100)}`)).toBe('cel-too-deep');
  expect(code(`${'!'.repeat(99)}x`)).toBe('ok');
  expect(code(`${'! '.repeat(100)}x`)).toBe('cel-too-deep');
  expect(code(`"${'!'.repeat(100)}" + '${'-'.repeat(100)}'`)).toBe('ok');
  expect(code(Array(99).fill('x').join('+'))).toBe('ok');
  expect(code(Array(102).fill('x').join('+'))).toBe('cel-too-deep');
  expect(code(`[${Array(MAX_CEL_NODES - 1).fill('x')}]`)).toBe('ok');
  expect(code(`[${Array(MAX_CEL_NODES).fill('x')}]`)).toBe('cel-too-many-nodes');
  expect(code('[{"a": [{"b": [1]}]}]')).toBe('ok');
  expect(code('[{"a": [{"b": [[1]]}]}]')).toBe('cel-too-deep');
  const chain = ['[a]', '{"k": a}', '[a]', '{"k": a}', '[a]', '[a]'].map((t) => `.map(a, ${t})`);
  expect(code(`[1]${chain.slice(0, 2).join('')}`)).toBe('ok');
  expect(code(`[1]${chain.join('')}`)).toBe('cel-too-deep');
});

test('a condition must give a boolean: at once where it can be seen, else when it is evaluated', () => {
  const expects = 'boolean' as const;
  expect(compileCel('"yes"', { variables: [], expects })).toMatchObject({
    code: 'cel-not-boolean',
    message: 'The expression gives string: a bool is asked',
  });
  expect(compileCel('[1].map(a, a)', { variables: [], expects })).toMatchObject({ ok: false });
  expect(compileCel('[1].exists(a, a == 1)', { variables: [], expects })).toMatchObject({
    ok: true,
    type: 'bool',
  });
  const condition = compiled('x');
  expect(evaluateCondition(condition, { x: true })).toEqual({ ok: true, value: true });
  for (const x of ['true', 1, null, [], {}]) {
    expect(evaluateCondition(condition, { x })).toMatchObject({ code: 'cel-not-boolean' });
  }
  expect(evaluateCondition(condition, {})).toMatchObject({ code: 'cel-variable-unknown' });
});

test.each<[string, CelValues, string]>([
  ['steps.build.outputs.nope', { steps: STEPS }, 'cel-member-missing'],
  ['has(steps.nope.outputs)', { steps: STEPS }, 'cel-member-missing'],
  ['has(x.a)', { x: 'text' }, 'cel-type-mismatch'],
  ['xs[3]', { xs: [1] }, 'cel-member-missing'],
  ['xs[-1]', { xs: [1] }, 'cel-member-missing'],
  ['x.length', { x: 'text' }, 'cel-member-missing'],
  ['"abc".substring(9)', {}, 'cel-member-missing'],
  ['x + 1', { x: 'a' }, 'cel-type-mismatch'],
  ['x + 0.5', { x: 1 }, 'cel-type-mismatch'],
  ['x && true', { x: 1 }, 'cel-type-mismatch'],
  ['x.map(a, a)', { x: 1 }, 'cel-type-mismatch'],
  ['1 / x', { x: 0 }, 'cel-arithmetic'],
  ['x * x', { x: 2 ** 40 }, 'cel-arithmetic'],
  ['int("a")', {}, 'cel-arithmetic'],
  ['x + 1', { x: 2 ** 53 - 1 }, 'cel-result-refused'],
  ['-9223372036854775808', {}, 'cel-result-refused'],
  ['[1.0 / 0.0]', {}, 'cel-result-refused'],
  ['{"a": 0.0 / 0.0}', {}, 'cel-result-refused'],
  ['x', { x: Number.NaN }, 'cel-value-refused'],
  ['x', { x: 1n }, 'cel-value-refused'],
  ['x', { x: () => 1 }, 'cel-value-refused'],
  ['x', { x: new Date(0) }, 'cel-value-refused'],
  ['x', { x: new Map() }, 'cel-value-refused'],
  ['x', { x: [undefined] }, 'cel-value-refused'],
])('%s of %j ends with %s', (source, values, code) => {
  const result = evaluate(source, values);
  expect(result).toMatchObject({ ok: false, code });
  expect(evaluate(source, values)).toEqual(result);
});

test('messages are printable and bounded, whatever the values are', () => {
  const text = `\u001b[2J${'x'.repeat(5000)}`;
  const result = evaluate('bool(x)', { x: text });
  expect(result).toMatchObject({ ok: false, offset: 0, length: 7 });
  const { message } = result as { message: string };
  expect(message.length).toBeLessThanOrEqual(MAX_CEL_MESSAGE);
  expect(message).toContain('?[2J');
});

test('only what an expression reads is looked at', () => {
  const values = {
    steps: { a: { outputs: { n: 1, big: 1n } }, b: { outputs: new Date() } },
    x: 1n,
  };
  expect(evaluate('steps.a.outputs.n + 1', values)).toEqual({ ok: true, value: 2 });
  const cost = (steps: unknown) => costOfCel(compiled('steps.a.outputs.n'), { steps });
  expect(cost(values.steps)).toEqual(cost({ a: { outputs: { n: 1 } } }));
  expect(evaluate('steps.a.outputs', values)).toMatchObject({ code: 'cel-value-refused' });
  expect(evaluate('steps.b.outputs.n', values)).toMatchObject({ code: 'cel-value-refused' });
});

test('the order of members in the values makes no difference', () => {
  const one = { x: { b: 1, a: { d: 1, c: 2 } } };
  const other = { x: { a: { c: 2, d: 1 }, b: 1 } };
  for (const source of ['x.map(n, n)', 'x', '[x, x.a]', 'x.a.map(n, x.a[n])']) {
    expect(JSON.stringify(evaluate(source, one))).toBe(JSON.stringify(evaluate(source, other)));
  }
});

test('references are told with their paths, places and guards', () => {
  const told = (source: string) =>
    referencesOf(compiled(source)).map(({ path, has, guarded, offset, length }) => {
      const at = source.slice(offset, offset + length);
      return `${path.join('/')} ${has ? 'has' : guarded ? 'guarded' : 'plain'} ${at}`;
    });
  expect(told('steps["a-b"].outputs.x + parameters.y')).toEqual([
    'steps/a-b/outputs/x plain steps["a-b"].outputs.x',
    'parameters/y plain parameters.y',
  ]);
  expect(told('has(x.a) && x.a.b == x.c')).toEqual([
    'x/a has x.a',
    'x/a/b guarded x.a.b',
    'x/c plain x.c',
  ]);
  const kinds = (source: string) => told(source).map((text) => text.split(' ')[1]);
  expect(kinds('x.a == 1 && has(x.a)')).toEqual(['guarded', 'has']);
  expect(kinds('has(x.a) ? x.a : x.a')).toEqual(['has', 'guarded', 'plain']);
  expect(kinds('!has(x.a) || x.a')).toEqual(['has', 'guarded']);
  expect(kinds('has(x.a) || x.a')).toEqual(['has', 'plain']);
  expect(kinds('"a" in x && x.a')).toEqual(['plain', 'guarded']);
  expect(kinds('has(x.a) && xs.exists(e, e == x.a)')).toEqual(['has', 'plain', 'guarded']);
  expect(kinds('has(x.a) && y.a && x')).toEqual(['has', 'plain', 'guarded']);
  expect(told('xs.map(x, x.a + y.b)')).toEqual(['xs plain xs', 'y/b plain y.b']);
  expect(told('xs[0].a + x[y.k].b')).toEqual(['xs plain xs', 'x plain x', 'y/k plain y.k']);
  expect(told('[x].map(x, x).size() > 0 && matrix')).toEqual(['x plain x', 'matrix plain matrix']);
});
