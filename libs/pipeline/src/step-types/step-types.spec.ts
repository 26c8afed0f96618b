import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import {
  DEFAULT_APPROVAL_RULE,
  DEFAULT_DEADLINES,
  findInputFaults,
  isAssignable,
  type ObjectSchema,
  outputSchemaOf,
  STEP_CAPABILITIES,
  type StepQueue,
  type StepType,
  toJsonSchema,
  type ValueSchema,
} from '@sluice/domain';
import {
  CONTROL_STEPS,
  LEASED_STEPS,
  LEGACY_STEP_QUEUES,
  PER_TARGET_STEPS,
  taskQueueOf,
} from '@sluice/temporal-contract';
import { Ajv2020 } from 'ajv/dist/2020.js';
import {
  BUILT_IN_MANIFESTS,
  BUILT_IN_STEP_TYPES,
  registerStepTypes,
} from './built-in-step-types.ts';
import { findConformanceFaults } from './step-type-conformance.ts';
import { stepTypeDefinitions } from './step-type-definitions.ts';
import type { StepTypeManifest } from './step-type-manifest.ts';
import { renderStepTypes } from './step-type-tables.ts';

const NAMED = BUILT_IN_MANIFESTS.map(
  (manifest) => [`${manifest.stepType.type}@${manifest.stepType.version}`, manifest] as const,
);

test.each(NAMED)('%s gives all that its registration owes', (_, manifest) => {
  expect(findConformanceFaults(manifest)).toEqual([]);
});

test('the types that pipelines are promised are there', () => {
  const promised =
    'scan gate approval plan deploy rollout verify build script http wait soak notify release pipeline';
  for (const type of promised.split(' '))
    expect([...BUILT_IN_STEP_TYPES.keys()]).toContain(`${type}@1`);
  expect(BUILT_IN_STEP_TYPES.size).toBe(BUILT_IN_MANIFESTS.length);
});

test('every folder is of a type, and its file is called as the type is', () => {
  const here = new URL('.', import.meta.url);
  const folders = readdirSync(here, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  const types = BUILT_IN_MANIFESTS.map(({ stepType }) => stepType);
  expect(folders.map(({ name }) => name).sort()).toEqual(
    [...new Set(types.map(({ type }) => type))].sort(),
  );
  for (const { type, version } of types) {
    const base = `${type}/${type}${version === 1 ? '' : `-v${version}`}`;
    expect(existsSync(new URL(`${base}.step-type.ts`, here))).toBe(true);
    expect(existsSync(new URL(`${base}.examples.ts`, here))).toBe(true);
  }
});

test('no two types stand at the same place of the documentation', () => {
  const places = BUILT_IN_MANIFESTS.map(({ place }) => place);
  expect(new Set(places).size).toBe(places.length);
});

test('a type that is registered twice is refused', () => {
  const [first] = BUILT_IN_MANIFESTS as [StepTypeManifest];
  expect(() => registerStepTypes([first, first])).toThrow(
    expect.objectContaining({ code: 'step-type-twice' }),
  );
});

const [, DEPLOY] = NAMED.find(([name]) => name === 'deploy@1') as [string, StepTypeManifest];
const [, SCRIPT] = NAMED.find(([name]) => name === 'script@1') as [string, StepTypeManifest];
const [, WAIT] = NAMED.find(([name]) => name === 'wait@1') as [string, StepTypeManifest];

test.each<[string, StepTypeManifest, Partial<StepType> | { manifest: Partial<StepTypeManifest> }]>([
  ['its type is no DNS label.', DEPLOY, { type: 'De_ploy' }],
  ['its version is no whole number from 1.', DEPLOY, { version: 0 }],
  ['an activity has a queue, which says who executes it.', DEPLOY, { queue: null }],
  ['a control step has no queue.', WAIT, { queue: 'control' }],
  [
    'its queue is none of control, scan, gate, deploy, verify, build, script, outbound.',
    DEPLOY,
    { queue: 'kitchen' as string as StepQueue },
  ],
  ['its title is no sentence of up to 100.', DEPLOY, { title: 'deploys' }],
  ['inputs: a-b is no identifier such as storePath.', DEPLOY, { inputs: named('a-b') }],
  [
    'inputs: a has no description.',
    DEPLOY,
    { inputs: { type: 'object', properties: { a: { type: 'any' } } } },
  ],
  [
    'inputs: required[0] names no property; it must be one of properties.',
    DEPLOY,
    { inputs: { type: 'object', properties: {}, required: ['a'] } },
  ],
  ['its timeout is over the most that may be asked for.', DEPLOY, { maxTimeoutSeconds: 1 }],
  ['a timeout is no time from 1 s to 30 d.', DEPLOY, { maxTimeoutSeconds: 1e9 }],
  ['its duration minutes is no whole number with a maximum.', WAIT, { durationInput: 'minutes' }],
  [
    'its longest duration does not fit its longest timeout.',
    WAIT,
    { timeoutSeconds: 9, maxTimeoutSeconds: 9 },
  ],
  ['it is tried again without a pause.', DEPLOY, { retry: { attempts: 3 } }],
  ['a control step is not tried again.', WAIT, { retry: { attempts: 2, backoffSeconds: 1 } }],
  ['a terminal code is not in kebab-case.', DEPLOY, { retry: { attempts: 1, terminal: ['Nope'] } }],
  ['a capability stands twice.', DEPLOY, { capabilities: ['agents', 'agents'] }],
  ['a control step has no capability but records.', WAIT, { capabilities: ['network'] }],
  [
    'it takes secrets without the capability for them.',
    SCRIPT,
    { capabilities: ['sandbox'], secretInputs: ['source'] },
  ],
  ['an effect has a key, and nothing else has.', DEPLOY, { idempotencyKey: null }],
  [
    'effect text and effect contradict each other.',
    DEPLOY,
    { effect: 'none', idempotencyKey: null },
  ],
  ['there is a compensation without an effect.', DEPLOY, { effect: 'none', idempotencyKey: null }],
  ['key and perTarget contradict each other.', DEPLOY, { perTarget: false }],
  ['what changes targets has an effect and a compensation.', DEPLOY, { compensation: null }],
  [
    'what its compensation undoes does not end with a full stop.',
    DEPLOY,
    { compensation: { undoes: 'Undoes', byHand: 'Look.', timeoutSeconds: 1 } },
  ],
  [
    'what to do by hand does not end with a full stop.',
    DEPLOY,
    { compensation: { undoes: 'Undoes.', byHand: 'Look', timeoutSeconds: 1 } },
  ],
  [
    'its compensation hangs on an input that is not there, or always there.',
    DEPLOY,
    { compensation: { undoes: 'Undoes.', byHand: 'Look.', timeoutSeconds: 1, onlyWith: 'undo' } },
  ],
  [
    'a choice names one input, or one that is none.',
    SCRIPT,
    { choices: [{ inputs: ['source', 'text'], required: true }] },
  ],
  [
    'an input of a choice is required.',
    SCRIPT,
    { inputs: { ...SCRIPT.stepType.inputs, required: ['source'] } },
  ],
  ['a literal or secret input is none.', WAIT, { literalInputs: ['minutes'] }],
  ['the input that declares outputs may be wired.', SCRIPT, { literalInputs: [] }],
  [
    'the input that declares outputs is no object of schemas.',
    SCRIPT,
    { declaresOutputs: 'source' },
  ],
  [
    'no example',
    DEPLOY,
    { manifest: { examples: { runs: [], refused: DEPLOY.examples.refused } } },
  ],
  ['none refused', DEPLOY, { manifest: { examples: { ...DEPLOY.examples, refused: [] } } }],
  [
    'no example shows outputs plan.',
    DEPLOY,
    {
      outputs: { type: 'object', properties: DEPLOY.stepType.outputs.properties },
      manifest: {
        examples: {
          runs: [{ inputs: {}, outputs: { report: `sha256:${'1'.repeat(64)}` } }],
          refused: [],
        },
      },
    } as never,
  ],
  [
    'example 0: outputs: plan is missing; it must be a digest: sha256: and 64 lower-case hexadecimal digits.',
    DEPLOY,
    { manifest: { examples: { ...DEPLOY.examples, runs: [{ inputs: {}, outputs: {} }] } } },
  ],
  [
    'the example "fine" is taken, not refused at "a".',
    DEPLOY,
    {
      manifest: {
        examples: { ...DEPLOY.examples, refused: [{ why: 'fine', path: 'a', inputs: {} }] },
      },
    },
  ],
])('without its due it is told: %s', (sentence, manifest, change) => {
  const { manifest: outer = {}, ...inner } = change as { manifest?: Partial<StepTypeManifest> };
  const broken = { ...manifest, ...outer, stepType: { ...manifest.stepType, ...inner } };
  const label = `${broken.stepType.type}@${broken.stepType.version}`;
  expect(findConformanceFaults(broken)).toContain(`${label}: ${sentence}`);
});

function named(name: string): ObjectSchema {
  return { type: 'object', properties: { [name]: { type: 'boolean', description: 'Is.' } } };
}

test.each(NAMED)('%s: its JSON Schema takes what its schema takes', (_, { stepType, examples }) => {
  const ajv = new Ajv2020({ strict: true, allowUnionTypes: true });
  const takes = ajv.compile(toJsonSchema(stepType.inputs));
  for (const { inputs, outputs } of examples.runs) {
    expect({ inputs, ok: takes(inputs), errors: takes.errors }).toMatchObject({ ok: true });
    const gives = ajv.compile(toJsonSchema(outputSchemaOf(stepType, inputs)));
    expect({ outputs, ok: gives(outputs), errors: gives.errors }).toMatchObject({ ok: true });
  }
  for (const { why, path, inputs } of examples.refused) {
    const bySchema = findInputFaults({ ...stepType, choices: [] }, inputs);
    // Choices, the calendar and declared schemas are beyond what the form says.
    const isBeyond = bySchema.length === 0 || why === 'no day' || path.startsWith('outputs.');
    expect({ why, ok: takes(inputs) }).toEqual({ why, ok: isBeyond });
  }
});

test.each(NAMED)(
  '%s: an example with something unknown in it is refused',
  (_, { stepType, examples }) => {
    for (const { inputs } of examples.runs) {
      const faults = findInputFaults(stepType, { ...inputs, unheardOf: 1 });
      expect(faults.map(({ path }) => path)).toEqual(['unheardOf']);
    }
  },
);

test('what older promotions did not freeze is as it was', () => {
  const firstOf = (type: string): StepType => {
    const found = BUILT_IN_STEP_TYPES.get(`${type}@1`);
    if (found === undefined) throw new Error(`${type}@1 is gone.`);
    return found;
  };
  for (const [type, queue] of Object.entries(LEGACY_STEP_QUEUES)) {
    expect([type, taskQueueOf(firstOf(type).queue ?? 'control')]).toEqual([type, queue]);
  }
  for (const type of CONTROL_STEPS) expect(firstOf(type).kind).toBe('control');
  for (const type of PER_TARGET_STEPS) expect(firstOf(type).perTarget).toBe(true);
  for (const type of LEASED_STEPS) expect(firstOf(type).changesTargets).toBe(true);
});

test('timeouts are those that an environment has by default', () => {
  const timeoutOf = (type: string): number | undefined =>
    BUILT_IN_STEP_TYPES.get(`${type}@1`)?.timeoutSeconds;
  expect(timeoutOf('scan')).toBe(DEFAULT_DEADLINES.scanSeconds);
  expect(timeoutOf('gate')).toBe(DEFAULT_DEADLINES.gateSeconds);
  expect(timeoutOf('deploy')).toBe(DEFAULT_DEADLINES.deploySeconds);
  expect(timeoutOf('verify')).toBe(DEFAULT_DEADLINES.verifySeconds);
  expect(timeoutOf('approval')).toBe(DEFAULT_APPROVAL_RULE.deadlineSeconds);
  const undo = BUILT_IN_STEP_TYPES.get('deploy@1')?.compensation?.timeoutSeconds;
  expect(undo).toBe(DEFAULT_DEADLINES.revertSeconds);
});

test('every capability is wanted by a type', () => {
  const wanted = new Set(BUILT_IN_MANIFESTS.flatMap(({ stepType }) => stepType.capabilities));
  expect([...wanted].sort()).toEqual([...STEP_CAPABILITIES].sort());
});

test('what a build gives can go into a release', () => {
  const build = BUILT_IN_STEP_TYPES.get('build@1')?.outputs.properties['component'] as ValueSchema;
  const list = BUILT_IN_STEP_TYPES.get('release@1')?.inputs.properties['components'] as ValueSchema;
  expect(list.type === 'array' && isAssignable(build, list.items)).toBe(true);
});

test('docs/step-types.md is what the types say; write it with SLUICE_WRITE_DOCS=1', () => {
  const file = new URL('../../../../docs/step-types.md', import.meta.url);
  const page = renderStepTypes(BUILT_IN_MANIFESTS);
  if (process.env['SLUICE_WRITE_DOCS'] === '1') writeFileSync(file, page);
  expect(readFileSync(file, 'utf8')).toBe(page);
});

test('pipeline.schema.json knows all types; write it with SLUICE_WRITE_DOCS=1', () => {
  const file = new URL('../../schema/pipeline.schema.json', import.meta.url);
  const published = JSON.parse(readFileSync(file, 'utf8')) as { readonly $defs: object };
  const $defs = { ...published.$defs, ...stepTypeDefinitions(BUILT_IN_STEP_TYPES) };
  const schema = { ...published, $defs };
  // The formatter of the repository may set lists otherwise: what it says counts.
  if (process.env['SLUICE_WRITE_DOCS'] === '1') {
    writeFileSync(file, `${JSON.stringify(schema, null, 2)}\n`);
  }
  expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual(schema);
});
