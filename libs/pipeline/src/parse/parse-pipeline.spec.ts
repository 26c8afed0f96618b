import { expect, test } from '@jest/globals';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { parse } from 'yaml';
import { FAULTY_FORMS } from '../testing/faulty-forms.ts';
import { FAULTY_GRAPHS } from '../testing/faulty-graphs.ts';
import { HEAD, textOf } from '../testing/faulty-pipeline.ts';
import { FAULTY_WIRING } from '../testing/faulty-wiring.ts';
import { SAMPLE_PIPELINES } from '../testing/sample-pipelines.ts';
import { SAMPLE_STEP_TYPES } from '../testing/sample-step-types.ts';
import { seededRandom } from '../testing/seeded-random.ts';
import { checkPipeline } from '../validate/check-pipeline.ts';
import { parsePipeline } from './parse-pipeline.ts';
import { PIPELINE_JSON_SCHEMA } from './structure.ts';

const MIB = 1024 * 1024;
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

const corpus = [...FAULTY_FORMS, ...FAULTY_GRAPHS, ...FAULTY_WIRING];

test('the published schema and the parser agree on every text that is YAML', () => {
  const accepts = new Ajv2020({ strict: true, ownProperties: true }).compile(PIPELINE_JSON_SCHEMA);
  for (const faulty of corpus) {
    const text = textOf(faulty);
    const found = codes(text).map((line) => line.split(' ')[1] ?? '');
    if (found.some((code) => /^(?:yaml|text)-/.test(code))) continue;
    expect([faulty.title, accepts(parse(text))]).toEqual([faulty.title, found.length === 0]);
  }
});

test('every object of the schema is closed or says what its members are, and is told to people', () => {
  const open: string[] = [];
  const walk = (node: unknown, path: string): void => {
    if (typeof node !== 'object' || node === null) return;
    const schema = node as Readonly<Record<string, unknown>>;
    const own =
      typeof schema.type === 'string' && schema.type === 'object' && !path.endsWith('/if');
    if (own && schema.properties !== undefined && schema.additionalProperties !== false)
      open.push(path);
    for (const [name, member] of Object.entries(schema)) walk(member, `${path}/${name}`);
  };
  walk(PIPELINE_JSON_SCHEMA, '');
  // Closed by the branches that they choose.
  expect(open).toEqual(['/$defs/valueSchema', '/$defs/stepOverride']);
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
  for (let round = 0; round < 600; round += 1) {
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
