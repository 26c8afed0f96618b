import { expect, test } from '@jest/globals';
import { isDigest, isName } from '../name.ts';
import type { StepType } from './step-type.ts';
import type { ObjectSchema, ValueSchema } from './value-schema.ts';
import {
  findValueFaults,
  formatValuePath,
  isValueOf,
  MAX_VALUE_DEPTH,
  MAX_VALUE_FAULTS,
} from './values.ts';
import { isAssignable } from './values-assign.ts';
import { defaultTimeoutSeconds, findInputFaults, outputSchemaOf } from './values-inputs.ts';
import { toJsonSchema } from './values-json-schema.ts';
import { findSchemaFaults } from './values-schema.ts';
import { hasFormat, TEXT_FORMATS } from './values-text.ts';

const PROBE: ObjectSchema = {
  type: 'object',
  properties: {
    url: { type: 'string', format: 'url' },
    status: { type: 'integer', minimum: 100, maximum: 599 },
  },
  required: ['url'],
};

test('every fault is told with its place and what must be there', () => {
  const value = { probes: [{ url: 'http://a' }, { url: 'ftp://a', statsu: 200, status: 99 }, {}] };
  const schema: ValueSchema = {
    type: 'object',
    properties: { probes: { type: 'array', items: PROBE } },
  };
  expect(findValueFaults(schema, value).map(({ message }) => message)).toEqual([
    'probes[1].url is a text of 7 characters; it must be a URL that begins with http:// or https://, in ASCII, without user and password.',
    'probes[1].statsu is not known here; it must be one of url, status.',
    'probes[1].status is the number 99; it must be a whole number from 100 to 599.',
    'probes[2].url is missing; it must be a URL that begins with http:// or https://, in ASCII, without user and password.',
  ]);
});

test('texts of a value are not repeated, for one may be a secret', () => {
  const schema: ValueSchema = { type: 'string', enum: ['GET'] };
  expect(JSON.stringify(findValueFaults(schema, 'hunter2'))).not.toContain('hunter2');
});

test('inherited members do not count, and a prototype is no member', () => {
  const schema: ObjectSchema = {
    type: 'object',
    properties: { a: { type: 'any' } },
    required: ['a'],
  };
  expect(findValueFaults(schema, Object.create({ a: 1 }))).toHaveLength(1);
  const any: ValueSchema = { type: 'any' };
  const made: ObjectSchema = {
    type: 'object',
    properties: { constructor: any },
    required: ['constructor'],
  };
  expect(findValueFaults(made, {}).map(({ path }) => path)).toEqual(['constructor']);
  const open: ObjectSchema = { type: 'object', properties: {}, additional: { type: 'any' } };
  expect(isValueOf(open, { constructor: 1, toString: 'x' })).toBe(true);
  expect(isValueOf(open, JSON.parse('{"__proto__": 1}'))).toBe(false);
  expect(isValueOf({ type: 'any' }, [JSON.parse('{"__proto__": 1}')])).toBe(false);
  expect(isValueOf({ ...open, properties: {} }, { hasOwnProperty: 1 })).toBe(true);
});

test('there are at most so many faults', () => {
  const many = Array.from({ length: 900 }, () => 3);
  const faults = findValueFaults({ type: 'array', items: { type: 'string' } }, many);
  expect(faults).toHaveLength(MAX_VALUE_FAULTS);
});

test('a cycle, a deep value and a value that shares its parts end', () => {
  const cycle: unknown[] = [];
  cycle.push(cycle);
  expect(findValueFaults({ type: 'any' }, cycle)[0]?.expected).toContain('levels deep');
  let deep: unknown = 1;
  for (let level = 0; level < MAX_VALUE_DEPTH; level += 1) deep = [deep];
  expect(isValueOf({ type: 'any' }, deep)).toBe(true);
  expect(isValueOf({ type: 'any' }, [deep])).toBe(false);
  let laughs: unknown = 'ha';
  for (let level = 0; level < 30; level += 1) laughs = new Array(10).fill(laughs);
  const faults = findValueFaults({ type: 'any' }, laughs);
  expect(faults.map(({ expected }) => expected)).toEqual(['of at most 200000 parts']);
  const wide: unknown[] = [];
  for (let count = 0; count < 100; count += 1) wide.push(wide);
  expect(findValueFaults({ type: 'any' }, wide).length).toBeGreaterThan(0);
});

test.each([
  ['digest', [`sha256:${'a'.repeat(64)}`], [`sha256:${'A'.repeat(64)}`, 'sha256:12', 'md5:12', '']],
  ['name', ['a', 'dev-1', 'x'.repeat(63)], ['-a', 'a-', 'A', 'x'.repeat(64), '', 'a\n']],
  [
    'url',
    ['http://a', 'https://a.example:8443/x?y#z', 'http://[::1]:80/', 'http://127.0.0.1'],
    [
      'ftp://a',
      'https://',
      'http://user:word@a/',
      'http://a:65536',
      'http://a b',
      'http://ä',
      'http://a\n',
      '//a',
    ],
  ],
  [
    'relative-path',
    ['a', 'a/b', '.a', '..a', 'ä b'],
    ['/a', 'a/', '', '.', 'a/../b', '..', 'a//b', 'a\\b', 'a\nb', './a'],
  ],
  [
    'time',
    ['2026-11-21T10:00:00Z', '2024-02-29T00:00:00.5Z'],
    [
      '2026-02-29T00:00:00Z',
      '2026-11-31T00:00:00Z',
      '2026-11-21',
      '2026-11-21T10:00:00+01:00',
      '2026-11-21T24:00:00Z',
    ],
  ],
] as const)('format %s', (format, good, bad) => {
  for (const text of good) expect([text, hasFormat(format, text)]).toEqual([text, true]);
  for (const text of bad) expect([text, hasFormat(format, text)]).toEqual([text, false]);
  for (const text of good) {
    for (const implied of TEXT_FORMATS[format].implies) expect(hasFormat(implied, text)).toBe(true);
    expect(text.length).toBeGreaterThanOrEqual(TEXT_FORMATS[format].minLength);
  }
});

test('names and digests are those of the rest of the domain', () => {
  for (const text of [
    'a',
    '',
    '-',
    'a-b',
    'x'.repeat(63),
    'x'.repeat(64),
    `sha256:${'0'.repeat(64)}`,
  ]) {
    expect(hasFormat('name', text)).toBe(isName(text));
    expect(hasFormat('digest', text)).toBe(isDigest(text));
  }
});

test('a pattern is not asked about more than the schema allows, and is fast on what it is asked', () => {
  const text = `http://${'a.'.repeat(500_000)} `;
  const begun = performance.now();
  expect(isValueOf({ type: 'string', format: 'url', maxLength: 1_048_576 }, text)).toBe(false);
  expect(
    isValueOf(
      { type: 'string', format: 'relative-path', maxLength: 1_048_576 },
      'a/'.repeat(500_000),
    ),
  ).toBe(false);
  expect(performance.now() - begun).toBeLessThan(2000);
});

test.each<[ValueSchema, ValueSchema, boolean, string]>([
  [
    { type: 'any' },
    { type: 'string' },
    false,
    'The value may be any JSON value, and a text of at most 4096 characters is wanted.',
  ],
  [
    { type: 'string' },
    { type: 'string', format: 'name' },
    true,
    'The value may be a text of at most 4096 characters, and a name: a-z, 0-9 and - (not at either end), at most 63 characters is wanted.',
  ],
  [
    { type: 'number' },
    { type: 'integer' },
    true,
    'The value may be a number, and a whole number is wanted.',
  ],
  [
    { type: 'string', enum: ['GET', 'PUT'] },
    { type: 'string', enum: ['GET'] },
    true,
    'The value may be "PUT", and GET is wanted.',
  ],
  [
    { type: 'array', items: { type: 'any' } },
    { type: 'array', items: PROBE },
    false,
    '[] may be any JSON value, and an object with url, status is wanted.',
  ],
  [{ ...PROBE, required: [] }, PROBE, true, 'url may be missing, and it is required.'],
  [
    { type: 'object', properties: {}, additional: { type: 'any' } },
    PROBE,
    true,
    'url may be missing, and it is required.',
  ],
  [
    PROBE,
    { type: 'object', properties: {} },
    true,
    'url may be there, and it is not known where it goes.',
  ],
  [
    { type: 'object', properties: {}, additional: { type: 'boolean' } },
    { type: 'object', properties: { a: { type: 'string' } }, additional: { type: 'boolean' } },
    true,
    'a may be true or false, and a text of at most 4096 characters is wanted.',
  ],
])('%j to %j: certain %s', (from, to, certain, why) => {
  expect(isAssignable(from, to)).toMatchObject({ certain, why });
});

test('a certain problem goes before an uncertain one', () => {
  const from: ObjectSchema = {
    type: 'object',
    properties: { a: { type: 'any' }, b: { type: 'boolean' } },
  };
  const to: ObjectSchema = {
    type: 'object',
    properties: { a: { type: 'string' }, b: { type: 'string' } },
  };
  expect(isAssignable(from, to)).toMatchObject({ path: 'b', certain: true });
});

test.each<[string, unknown, string]>([
  ['a text', 'string', 'The schema is no schema; it must be an object with type.'],
  [
    'an unknown type',
    { type: 'text' },
    'type is no type; it must be one of string, integer, number, boolean, array, object, any.',
  ],
  [
    'an unknown field',
    { type: 'string', pattern: 'a+' },
    'pattern is not known here; it must be one of type, description, minLength, maxLength, enum, format.',
  ],
  [
    'crossed bounds',
    { type: 'string', minLength: 9, maxLength: 3 },
    'minLength is more than maxLength; it must be at most 3.',
  ],
  ['no items', { type: 'array' }, 'items is missing; it must be any JSON value.'],
  [
    'a foreign required',
    { type: 'object', properties: {}, required: ['a'] },
    'required[0] names no property; it must be one of properties.',
  ],
  [
    'an enum that its schema refuses',
    { type: 'string', maxLength: 2, enum: ['abc'] },
    'enum[0] breaks its own schema; it must be a value of it.',
  ],
  [
    'a bad member',
    { type: 'object', properties: { a: { type: 'integer', minimum: 'x' } } },
    'properties.a.minimum is a text of 1 characters; it must be a whole number.',
  ],
  [
    'a prototype',
    { type: 'object', properties: JSON.parse('{"__proto__": {"type": "any"}}') },
    'properties.__proto__ has a name that is not allowed; it must be called otherwise.',
  ],
])('a schema with %s', (_, schema, message) => {
  expect(findSchemaFaults(schema).map((fault) => fault.message)).toEqual([message]);
});

test('schemas without end are refused', () => {
  const cycle: Record<string, unknown> = { type: 'array' };
  cycle['items'] = cycle;
  expect(findSchemaFaults(cycle)[0]?.expected).toBe('at most 32 levels deep');
  let laughs: unknown = { type: 'any' };
  for (let level = 0; level < 12; level += 1) {
    laughs = {
      type: 'object',
      properties: { a: laughs, b: laughs, c: laughs },
      additional: laughs,
    };
  }
  expect(findSchemaFaults(laughs)).toMatchObject([{ expected: 'one of at most 5000 schemas' }]);
});

test('JSON Schema says the same with every limit', () => {
  expect(toJsonSchema({ ...PROBE, description: 'A probe.', additional: { type: 'any' } })).toEqual({
    type: 'object',
    description: 'A probe.',
    properties: {
      url: { type: 'string', maxLength: 4096, pattern: TEXT_FORMATS.url.pattern },
      status: { type: 'integer', minimum: 100, maximum: 599 },
    },
    required: ['url'],
    additionalProperties: {},
    propertyNames: { not: { const: '__proto__' } },
    maxProperties: 1000,
  });
});

test('places are written as they are referred to', () => {
  expect(formatValuePath(['a', 0, 'b-c', 'x y', 'd'])).toBe('a[0].b-c["x y"].d');
});

const TYPE: StepType = {
  type: 'try',
  version: 1,
  title: 'Tries.',
  kind: 'activity',
  queue: 'control',
  inputs: {
    type: 'object',
    properties: {
      source: { type: 'string' },
      file: { type: 'string', format: 'digest' },
      seconds: { type: 'integer' },
      outputs: { type: 'object', properties: {}, additional: { type: 'any' } },
    },
  },
  outputs: { type: 'object', properties: { log: { type: 'string' } }, required: ['log'] },
  choices: [{ inputs: ['source', 'file'], required: true }],
  declaresOutputs: 'outputs',
  durationInput: 'seconds',
  timeoutSeconds: 300,
  maxTimeoutSeconds: 3600,
  retry: { attempts: 1 },
  capabilities: [],
  idempotencyKey: null,
  effect: 'none',
  compensation: null,
  perTarget: false,
  changesTargets: false,
};

test.each<[unknown, string[]]>([
  [{ source: 'x' }, []],
  [{}, ['The inputs have none of source, file; give exactly one of source, file.']],
  [
    { source: 'x', file: `sha256:${'0'.repeat(64)}` },
    ['file stands beside source; it must be exactly one of source, file.'],
  ],
  [
    { source: 'x', outputs: { log: { type: 'string' } } },
    ['outputs.log is what try@1 gives already; it must be called otherwise.'],
  ],
  [
    { source: 'x', outputs: { 'a-b': { type: 'string' } } },
    [
      'outputs.a-b is no name of an output; it must be called by letters, digits and _, at most 63.',
    ],
  ],
  [
    { source: 'x', outputs: { a: { type: 'array', items: 3 }, b: 1 } },
    [
      'outputs.a.items is no schema; it must be an object with type.',
      'outputs.b is no schema; it must be an object with type.',
    ],
  ],
  [{ sauce: 'x' }, ['sauce is not known here; it must be one of source, file, seconds, outputs.']],
])('inputs %j', (inputs, messages) => {
  expect(findInputFaults(TYPE, inputs).map(({ message }) => message)).toEqual(messages);
});

test('what a step declares is what it gives as well, and the check of others sees it', () => {
  const outputs = { port: { type: 'integer' } };
  expect(outputSchemaOf(TYPE, { source: 'x', outputs })).toEqual({
    type: 'object',
    properties: { log: { type: 'string' }, port: { type: 'integer' } },
    required: ['log', 'port'],
  });
  expect(outputSchemaOf(TYPE, {})).toBe(TYPE.outputs);
});

test('the timeout is as long as the work says, within the type', () => {
  expect(defaultTimeoutSeconds(TYPE, {})).toBe(300);
  expect(defaultTimeoutSeconds(TYPE, { seconds: 10 })).toBe(70);
  expect(defaultTimeoutSeconds(TYPE, { seconds: 1000 })).toBe(1060);
  expect(defaultTimeoutSeconds(TYPE, { seconds: 9000 })).toBe(3600);
  expect(defaultTimeoutSeconds(TYPE, { seconds: { ref: 'parameters.soak' } })).toBe(300);
});

test('an input that is a secret has no value, and is one only where the type says so', () => {
  const type: StepType = { ...TYPE, secretInputs: ['source'] };
  expect(findInputFaults(type, {}, ['source'])).toEqual([]);
  expect(findInputFaults(type, {}, ['file']).map(({ message }) => message)).toEqual([
    'file is a secret; it must be a value: this input would show it.',
  ]);
  const required: StepType = { ...type, inputs: { ...type.inputs, required: ['source'] } };
  expect(findInputFaults(required, {}, ['source'])).toEqual([]);
  expect(findInputFaults(required, {})).toHaveLength(1);
});
