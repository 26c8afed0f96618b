import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from '@jest/globals';
import { layOutRollout, type PipelineTemplate, type RolloutInputs } from '@sluice/domain';
import {
  BUILT_IN_STEP_TYPES,
  checkPipeline,
  parseAnalysis,
  parsePipeline,
  resolveForPromotion,
} from '@sluice/pipeline';

const FOLDER = fileURLToPath(new URL('../../../examples/rollouts/', import.meta.url));
const names = readdirSync(FOLDER).filter((name) => name.endsWith('.yaml'));

/** What a promotion to an environment of that name would run of the rollout's inputs. */
function inputsOf(name: string, environment = 'production'): RolloutInputs {
  const parsed = parsePipeline(readFileSync(FOLDER + name), { file: name });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  const resolved = resolveForPromotion(parsed.template, {
    environment,
    stepTypes: BUILT_IN_STEP_TYPES,
    pipelines: new Map(),
    parameters: {},
    deadlineSeconds: 86_400,
  });
  if (!resolved.ok) throw new Error(JSON.stringify(resolved.problems));
  const parameters = resolved.pipeline.parameters ?? {};
  const step = resolved.pipeline.steps.find(({ type }) => type === 'rollout@1');
  const text = JSON.stringify(step?.inputs, (_, value: { ref?: unknown }) => {
    const [of, parameter = ''] = typeof value?.ref === 'string' ? value.ref.split('.') : [];
    return of === 'parameters' ? parameters[parameter]?.default : value;
  });
  return JSON.parse(text) as RolloutInputs;
}

const targets = Array.from({ length: 20 }, (_, place) => ({
  name: `web-${String(place).padStart(2, '0')}`,
  labels: { color: place % 2 === 0 ? 'blue' : 'green' },
}));

test('there are three', () => {
  expect(names.sort()).toEqual(['blue-green.yaml', 'canary.yaml', 'rolling.yaml']);
});

test.each(names)('%s is without fault, and so is its analysis', (name) => {
  const text = readFileSync(FOLDER + name, 'utf8');
  const { problems } = checkPipeline(text, { file: name, stepTypes: BUILT_IN_STEP_TYPES });
  expect(problems).toEqual([]);
  const { analysis } = inputsOf(name);
  if (analysis !== undefined) expect(parseAnalysis(analysis)).toMatchObject({ ok: true });
  expect(readFileSync(`${FOLDER}README.md`, 'utf8')).toContain(`\`${name}\``);
});

test.each([
  ['canary.yaml', ['first 1 100', 'half 10 500', 'all 20 1000']],
  ['blue-green.yaml', ['deploy 10 0', 'switch 10 1000']],
  ['rolling.yaml', ['tenth 2 null', 'rest 20 null']],
])('%s has its stages over twenty targets', (name, stages) => {
  const serving = targets.filter(({ labels }) => labels.color === 'blue').map((one) => one.name);
  const laidOut = layOutRollout(inputsOf(name), targets, serving);
  if (!laidOut.ok) throw new Error(JSON.stringify(laidOut.problems));
  expect(
    laidOut.layout.stages.map((stage) => `${stage.name} ${stage.to} ${stage.canaryPermille}`),
  ).toEqual(stages);
});

test.each([
  ['production', [true, false]],
  ['staging', [false, false]],
])(
  'blue-green.yaml in %s: whether a person is waited for before the switch',
  (environment, pauses) => {
    const laidOut = layOutRollout(inputsOf('blue-green.yaml', environment), targets, null);
    if (!laidOut.ok) throw new Error(JSON.stringify(laidOut.problems));
    expect(laidOut.layout.stages.map(({ pause }) => pause)).toEqual(pauses);
  },
);

test('what the demo and the tests make of the canary is without fault', () => {
  const pipelines = new Map<string, PipelineTemplate>();
  for (const file of [
    'examples/rollouts/canary.yaml',
    'infra/demo/canary.yaml',
    'infra/demo/canary-measured.yaml',
    'test/support/rollouts/quick-canary.yaml',
  ]) {
    const text = readFileSync(new URL(`../../../${file}`, import.meta.url), 'utf8');
    const options = { file, stepTypes: BUILT_IN_STEP_TYPES, pipelines };
    const { problems } = checkPipeline(text, options);
    expect([file, problems]).toEqual([file, []]);
    const parsed = parsePipeline(text, { file });
    if (parsed.ok)
      pipelines.set(`${parsed.template.name}@${parsed.template.version}`, parsed.template);
  }
});
