import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { parse } from 'yaml';
import { BUILT_IN_MANIFESTS } from '../step-types/built-in-step-types.ts';
import { FAULTY_FORMS } from '../testing/faulty-forms.ts';
import { FAULTY_GRAPHS } from '../testing/faulty-graphs.ts';
import { HEAD, textOf } from '../testing/faulty-pipeline.ts';
import { FAULTY_WIRING } from '../testing/faulty-wiring.ts';
import { SAMPLE_PIPELINES } from '../testing/sample-pipelines.ts';
import { SAMPLE_STEP_TYPES } from '../testing/sample-step-types.ts';
import { seededRandom } from '../testing/seeded-random.ts';
import { checkPipeline } from '../validate/check-pipeline.ts';
import { parsePipeline } from './parse-pipeline.ts';
import { PIPELINE_FORM_SCHEMA, PIPELINE_JSON_SCHEMA } from './structure.ts';

const MIB = 1024 * 1024;
/** Each run begins elsewhere; all of them with SLUICE_PROPERTIES=all. */
const ROUNDS = process.env['SLUICE_PROPERTIES'] === 'all' ? 600 : 200;
const SOUND = `${HEAD}steps:\n  - {id: a, type: scan@1}\n`;

function codes(source: string | Uint8Array): readonly string[] {
  const parsed = parsePipeline(source, { file: 'x.yaml' });
  return parsed.ok ? [] : parsed.problems.map(({ code, at }) => `${at.line}:${at.column} ${code}`);
}

const fill = (text: string, length = MIB): string => text.repeat(Math.floor(length / text.length));

const LAUGHS = Array.from({ length: 9 }, (_, level) => {
  const names = Array.from({ length: 9 }, () => (level === 0 ? 'lol' : `*l${level - 1}`));
  return `l${level}: &l${level} [${names.join(', ')}]\n`;
}).join('');

test.each([
  ['billion laughs', LAUGHS, '1:5 yaml-anchor'],
  ['an anchor in itself', 'a: &a [*a]\n', '1:4 yaml-anchor'],
  ['anchors without end', fill('&a '), '1:1 yaml-anchor'],
  ['1 MiB of [', fill('['), '1:66 yaml-too-deep'],
  ['1 MiB of {', fill('{'), '1:66 yaml-too-deep'],
  ['1 MiB of "- "', fill('- '), '1:131 yaml-too-deep'],
  ['1 MiB of ]', fill(']'), '1:102 yaml-invalid'],
  ['1 MiB of empty texts', fill('"" '), '1:1500 yaml-invalid'],
  ['1 MiB of documents', fill('---\n'), '2:1 yaml-documents'],
  ['1 MiB of ends', fill('...\n'), '2:1 yaml-documents'],
  ['1 MiB of a number list', `[${fill('1,', MIB - 2)}]`, '1:400000 yaml-too-many-values'],
  ['more than 1 MiB', `${fill(' ')} `, '1:1 text-too-large'],
  ['a NUL byte', `${HEAD}steps: [\0]\n`, '4:9 text-character-forbidden'],
  [
    'an escaped NUL byte',
    `${HEAD}description: "\\0"\nsteps: []\n`,
    '4:14 text-character-forbidden',
  ],
  [
    'a lone surrogate',
    `${HEAD}description: "\\ud800"\nsteps: []\n`,
    '4:14 text-character-forbidden',
  ],
  ['a text that reads otherwise', `${HEAD}# \u202e\n`, '4:3 text-character-forbidden'],
  ['a lone CR', `${HEAD}failFast: true\rsteps: []\n`, '4:15 text-character-forbidden'],
  ['a document behind an end', `${SOUND}...\n{a: 1}\n`, '7:2 yaml-documents'],
])('%s', (_title, text, first) => {
  expect(codes(text)[0]).toBe(first);
});

test('what is refused before it is composed costs no more than its length', () => {
  const before = process.cpuUsage();
  for (const text of ['[', '{', ']', '- ', '"" ', '&a ', '! ', '%a\n', '*a ']) codes(fill(text));
  // Seconds of processor time, an order of magnitude above what it takes.
  expect(process.cpuUsage(before).user).toBeLessThan(20_000_000);
});

test('CRLF, a byte order mark and JSON with tabs are read', () => {
  expect(codes(SOUND)).toEqual([]);
  expect(codes(`\ufeff${SOUND.replaceAll('\n', '\r\n')}`)).toEqual([]);
  expect(codes(Buffer.from(`\ufeff${SOUND}`))).toEqual([]);
  expect(codes(JSON.stringify(parse(SOUND), null, '\t'))).toEqual([]);
  expect(
    codes(`# yaml-language-server: $schema=./pipeline.schema.json\n---\n${SOUND}...\n`),
  ).toEqual([]);
});

test('places are those of the lines as they are, whatever ends them', () => {
  const text = SOUND.replace('scan@1', 'scan').replaceAll('\n', '\r\n');
  expect(codes(`\ufeff${text}`)).toEqual(['5:19 name-invalid']);
});

test('bytes that are no UTF-8 are found', () => {
  const bytes = Buffer.concat([Buffer.from(`${HEAD}description: ä`), Buffer.from([0xff, 0x41])]);
  expect(codes(bytes)).toEqual(['4:15 text-not-utf8']);
});

test('keys that objects have already are names as others', () => {
  const text = `${HEAD}steps:\n  - {id: a, type: scan@1, inputs: {constructor: 1, toString: 2}}\n`;
  const { problems } = checkPipeline(text, { stepTypes: SAMPLE_STEP_TYPES });
  expect(problems.map(({ code }) => code)).toEqual(['input-unknown', 'input-unknown']);
});

test('an error in each of five thousand steps is cut to what can be read', () => {
  const text = `${HEAD}steps:\n${'  - {id: a, typ: scan@1}\n'.repeat(5000)}`;
  const found = codes(text);
  expect(found).toHaveLength(500);
  expect(found.at(-1)).toContain('problems-too-many');
});

const isTakenByEditors = new Ajv2020({ strict: true, ownProperties: true }).compile(
  PIPELINE_JSON_SCHEMA,
);

const corpus = [...FAULTY_FORMS, ...FAULTY_GRAPHS, ...FAULTY_WIRING];

test('the form and the parser agree on every text that is YAML, and the published schema takes no more', () => {
  const accepts = new Ajv2020({ strict: true, ownProperties: true }).compile(PIPELINE_FORM_SCHEMA);
  for (const faulty of corpus) {
    const text = textOf(faulty);
    const found = codes(text).map((line) => line.split(' ')[1] ?? '');
    if (found.some((code) => /^(?:yaml|text)-/.test(code))) continue;
    const value: unknown = parse(text);
    expect([faulty.title, accepts(value)]).toEqual([faulty.title, found.length === 0]);
    if (found.length > 0)
      expect([faulty.title, isTakenByEditors(value)]).toEqual([faulty.title, false]);
  }
});

/** The runs of each built-in type as steps, and each of them again as overrides. */
const RUNS = BUILT_IN_MANIFESTS.flatMap(({ stepType, examples }) =>
  examples.runs.map(({ inputs }, at) => {
    const type = `${stepType.type}@${stepType.version}`;
    return [`${type} ${at}`, { id: 'a', type, inputs }] as const;
  }),
);

test('the published schema takes what is right: the examples, and the inputs of every step type, wired or not', () => {
  const said = (value: unknown) => [isTakenByEditors(value), isTakenByEditors.errors ?? []];
  const folder = new URL('../../../../examples/pipelines/', import.meta.url);
  const files = readdirSync(folder).filter((name) => name.endsWith('.yaml'));
  expect(files).toHaveLength(5);
  for (const name of files) {
    const text = readFileSync(new URL(name, folder), 'utf8');
    expect([name, ...said(parse(text))]).toEqual([name, true, []]);
  }
  const head = { schema: 'sluice.pipeline/v2', name: 'sample', version: 1 };
  for (const [name, step] of RUNS) {
    const { inputs } = step;
    const wired = Object.fromEntries(
      Object.keys(inputs as object).map((each) => [each, { literal: 'x' }]),
    );
    for (const given of [inputs, wired]) {
      const steps = [{ ...step, inputs: given }];
      const environments = { production: { steps: [{ ...step, inputs: {} }] } };
      expect([name, ...said({ ...head, steps, environments })]).toEqual([name, true, []]);
    }
  }
});

const EDITED: readonly (readonly [string, object, boolean])[] = [
  ['an input that is missing', { id: 'a', type: 'http@1', inputs: {} }, false],
  ['what only the check says: one of two', { id: 'a', type: 'script@1', inputs: {} }, true],
  ['no inputs where one is owed', { id: 'a', type: 'notify@1' }, false],
  ['an input that there is not', { id: 'a', type: 'scan@1', inputs: { image: 'x' } }, false],
  ['a value that does not fit', { id: 'a', type: 'wait@1', inputs: { seconds: 'x' } }, false],
  [
    'a secret where none is taken',
    { id: 'a', type: 'wait@1', inputs: { seconds: { secret: 'x' } } },
    false,
  ],
  [
    'a secret where one is taken',
    { id: 'a', type: 'http@1', inputs: { url: { secret: 'x' } } },
    true,
  ],
  ['wiring', { id: 'a', type: 'wait@1', inputs: { seconds: { ref: 'parameters.x' } } }, true],
  [
    'wiring of what must stand there',
    { id: 'a', type: 'script@1', inputs: { source: 'x', undo: { ref: 'parameters.x' } } },
    false,
  ],
  [
    'a type that somebody else has registered',
    { id: 'a', type: 'paint@3', inputs: { x: 1 } },
    true,
  ],
];

test.each(EDITED)('in an editor: %s', (_title, step, isTaken) => {
  const pipeline = { schema: 'sluice.pipeline/v2', name: 'a', version: 1, steps: [step] };
  expect(isTakenByEditors(pipeline)).toBe(isTaken);
});

test('a pipeline in JSON names its schema, which is no part of it', () => {
  const $schema = './pipeline.schema.json';
  const text = JSON.stringify({ $schema, ...parse(SOUND) });
  const parsed = parsePipeline(text);
  expect(parsed.ok && parsed.template).toEqual(parse(SOUND));
  const { problems } = checkPipeline(text.replace('scan@1', 'scam@1').replace('"id"', '"ids"'), {
    stepTypes: SAMPLE_STEP_TYPES,
  });
  expect(problems.map(({ code }) => code)).toEqual([
    'field-missing',
    'field-unknown',
    'step-type-unknown',
  ]);
  expect(codes(text.replace(JSON.stringify($schema), '5'))).toEqual(['1:12 type-wrong']);
});

test('every object of the schema is closed or says what its members are, and is told to people', () => {
  const open: string[] = [];
  const isClosed = ({ additionalProperties: others }: { additionalProperties?: unknown }) =>
    others === false || typeof others === 'object';
  const walk = (node: unknown, path: string): void => {
    if (typeof node !== 'object' || node === null) return;
    const schema = node as Readonly<Record<string, unknown>>;
    const own =
      typeof schema.type === 'string' && schema.type === 'object' && !path.endsWith('/if');
    if (own && schema.properties !== undefined && !isClosed(schema)) open.push(path);
    for (const [name, member] of Object.entries(schema)) walk(member, `${path}/${name}`);
  };
  walk(PIPELINE_JSON_SCHEMA, '');
  // What only says which inputs must be there stands beside what says which there are.
  const rest = open.filter((path) => !path.startsWith('/$defs/typedStep/'));
  // Closed by the branches that they choose.
  expect(rest).toEqual(['/$defs/valueSchema', '/$defs/stepOverride']);
});

const seed = Number(process.env.SLUICE_TEST_SEED ?? Date.now() % 1_000_000);

test(`never throws, whatever is done to a text, seed ${seed}`, () => {
  const random = seededRandom(seed);
  const pieces = [
    '\n',
    '  ',
    '- ',
    ': ',
    '{',
    '}',
    '[',
    ']',
    '&a',
    '*a',
    '"',
    "'",
    '|',
    '>',
    '#',
    '\t',
    '1e999',
    'null',
    '<<: ',
    '\0',
    '\ud800',
    'é',
    '!!',
    'ref: ',
    'cel: ',
    '---\n',
    '\r',
  ];
  const from = (list: readonly string[]): string => list[random(list.length)] ?? '';
  for (let round = 0; round < ROUNDS; round += 1) {
    let text = textOf(corpus[random(corpus.length)] ?? { text: '' });
    for (let times = 1 + random(4); times > 0; times -= 1) {
      const at = random(text.length + 1);
      const taken = random(3) === 0 ? random(30) : 0;
      const put =
        random(3) === 0 ? text.slice(random(text.length + 1)).slice(0, random(40)) : from(pieces);
      text = text.slice(0, at) + put + text.slice(at + taken);
    }
    const found = checkPipeline(text, {
      stepTypes: SAMPLE_STEP_TYPES,
      pipelines: SAMPLE_PIPELINES,
    });
    for (const { at, message } of found.problems) {
      expect(at.line).toBeLessThanOrEqual(text.split('\n').length);
      expect(at.column).toBeGreaterThan(0);
      expect(message).toMatch(/[.!?]$/);
    }
  }
});
