import { describe, expect, test } from '@jest/globals';
import type { InputValue, PipelineTemplate, ResolvedStep } from '@sluice/domain';
import { compileCel } from '@sluice/pure';
import { replaceCelNames } from './cel-names.ts';
import {
  callOf,
  SAMPLE_STEP_TYPES,
  samplePipeline,
  samplePipelines,
  sampleStep,
  textParameter,
} from './pipeline-samples.ts';
import { renderPipeline } from './render-pipeline.ts';
import type { Pipelines } from './rendering.ts';

function render(template: PipelineTemplate, pipelines: Pipelines) {
  return renderPipeline(template, { pipelines, stepTypes: SAMPLE_STEP_TYPES });
}

function stepsOf(template: PipelineTemplate, pipelines: Pipelines) {
  const result = render(template, pipelines);
  if (!result.ok) throw new Error(JSON.stringify(result.problems, null, 1));
  return new Map(result.pipeline.steps.map((step): [string, ResolvedStep] => [step.id, step]));
}

function codes(template: PipelineTemplate, ...pipelines: readonly PipelineTemplate[]) {
  return render(template, samplePipelines(...pipelines)).problems.map(({ code }) => code);
}

const ROLLOUT = samplePipeline(
  'rollout',
  [
    sampleStep('deploy', 'deploy', [], {
      inputs: {
        image: { ref: 'parameters.image' },
        label: { cel: 'parameters.image + "@" + parameters.region + " steps.deploy"' },
      },
    }),
    sampleStep('verify', 'verify', ['deploy'], { if: 'steps.deploy.outcome == "succeeded"' }),
    sampleStep('clean', 'script', ['deploy'], { when: 'always' }),
    sampleStep('page', 'notify', [], { when: 'onFailure' }),
    sampleStep('withdraw', 'notify', [], { when: 'onCancel' }),
  ],
  { parameters: { image: textParameter(), region: textParameter('eu') } },
);

describe('a sub-pipeline', () => {
  const outer = samplePipeline('outer', [
    sampleStep('build-it', 'script'),
    sampleStep('eu', 'pipeline', ['build-it'], {
      if: 'promotion.kind == "release"',
      inputs: callOf('rollout', { image: { ref: 'steps.build-it.outputs.image' } }),
    }),
    sampleStep('us', 'pipeline', ['eu'], {
      compensate: false,
      inputs: callOf('rollout', { image: 'shop', region: 'us' }),
    }),
    sampleStep('tell', 'notify', ['us'], { inputs: { x: { ref: 'steps.us--deploy.outputs.y' } } }),
  ]);
  const steps = stepsOf(outer, samplePipelines(ROLLOUT));
  const needs = (id: string) => steps.get(id)?.needs;

  test('its steps stand in the place of the one that calls it', () => {
    expect([...steps.keys()]).toEqual([
      'build-it',
      ...['begin', 'deploy', 'verify', 'clean', 'page', 'withdraw'].map((id) => `eu--${id}`),
      ...['begin', 'deploy', 'verify', 'clean', 'page', 'withdraw'].map((id) => `us--${id}`),
      'tell',
    ]);
  });

  test('first steps need what the call needs; who needs the call needs its ends', () => {
    expect(needs('eu--begin')).toEqual(['build-it']);
    expect(needs('eu--deploy')).toEqual(['eu--begin']);
    expect(needs('us--begin')).toEqual(['eu--clean', 'eu--verify']);
    expect(needs('us--deploy')).toEqual(['us--begin']);
    expect(needs('tell')).toEqual(['us--clean', 'us--verify']);
    expect(needs('eu--withdraw')).toEqual(['eu--begin']);
  });

  test('a failure of the whole is one of the sub-pipeline', () => {
    expect(needs('eu--page')).toEqual(['eu--clean', 'eu--verify']);
    expect(steps.get('eu--page')?.when).toBe('onFailure');
  });

  test('its condition holds for each of its steps', () => {
    expect(steps.get('eu--begin')?.if).toBe('promotion.kind == "release"');
    expect(steps.get('eu--clean')?.if).toBe('steps["eu--begin"].outcome == "succeeded"');
    expect(steps.get('eu--deploy')?.if).toBe('promotion.kind == "release"');
    expect(steps.get('eu--verify')?.if).toBe(
      '(promotion.kind == "release") && (steps["eu--deploy"].outcome == "succeeded")',
    );
  });

  test('a wired parameter goes to where it is read; a value becomes a parameter', () => {
    expect(steps.get('eu--deploy')?.inputs).toEqual({
      image: { ref: 'steps.build-it.outputs.image' },
      label: {
        cel: 'steps["build-it"].outputs.image + "@" + parameters.eu__region + " steps.deploy"',
      },
    });
    expect(steps.get('us--deploy')?.inputs.image).toEqual({ ref: 'parameters.us__image' });
  });

  test('what the call says of undoing holds for its steps', () => {
    expect(steps.get('eu--deploy')?.compensate).toBe(true);
    expect(steps.get('us--deploy')?.compensate).toBe(false);
  });
});

test('an end whose failure no later step shows is needed too', () => {
  const inner = samplePipeline('inner', [
    sampleStep('work', 'script'),
    sampleStep('tidy', 'script', ['work'], { when: 'always' }),
    sampleStep('alarm', 'notify', ['work'], { when: 'onFailure' }),
  ]);
  const outer = samplePipeline('outer', [
    sampleStep('part', 'pipeline', [], { inputs: callOf('inner') }),
    sampleStep('next', 'script', ['part']),
  ]);
  const steps = stepsOf(outer, samplePipelines(inner));
  expect(steps.get('next')?.needs).toEqual(['part--alarm', 'part--tidy', 'part--work']);
});

test('sub-pipelines in sub-pipelines', () => {
  const middle = samplePipeline(
    'middle',
    [
      sampleStep('go', 'pipeline', [], {
        inputs: callOf('rollout', { image: { ref: 'parameters.what' }, region: 'ap' }),
      }),
      sampleStep('end', 'notify', ['go']),
    ],
    { parameters: { what: textParameter() } },
  );
  const outer = samplePipeline('outer', [
    sampleStep('make', 'script'),
    sampleStep('one', 'pipeline', ['make'], {
      inputs: callOf('middle', { what: { cel: 'steps.make.outputs.image' } }),
    }),
  ]);
  const steps = stepsOf(outer, samplePipelines(middle, ROLLOUT));
  expect(steps.get('one--begin')?.needs).toEqual(['make']);
  expect(steps.get('one--go--deploy')).toMatchObject({
    needs: ['one--begin'],
    inputs: {
      image: { cel: 'steps.make.outputs.image' },
      label: {
        cel: '(steps.make.outputs.image) + "@" + parameters.one__go__region + " steps.deploy"',
      },
    },
  });
  expect(steps.get('one--end')?.needs).toEqual(['one--go--clean', 'one--go--verify']);
});

test.each<[string, InputValue, string]>([
  ['has(parameters.x)', { cel: 'steps.make.outputs.a + "b"' }, 'true'],
  ['has(parameters.x.y)', { cel: '{"y": 1}' }, 'has(({"y": 1}).y)'],
  ['has ( parameters . x ) && 1 < 2', { cel: '1 + 1' }, 'true && 1 < 2'],
  ['has(parameters.x)', 'text', 'has(parameters.part__x)'],
  ['has(parameters.x)', { ref: 'steps.make.outputs.a' }, 'has(steps.make.outputs.a)'],
  ['has(parameters.x)', { ref: 'steps.make.outputs.a-b' }, '("a-b" in steps.make.outputs)'],
  ['has(parameters.x.y)', { ref: 'steps.make.outputs.a' }, 'has(steps.make.outputs.a.y)'],
])('%s with %j passed is %s', (condition, x, expected) => {
  const asking = sampleStep('ask', 'script', [], { if: condition });
  const inner = samplePipeline('inner', [asking], {
    parameters: { x: { schema: { type: 'any' } } },
  });
  const call = sampleStep('part', 'pipeline', ['make'], { inputs: callOf('inner', { x }) });
  const outer = samplePipeline('outer', [sampleStep('make', 'script'), call]);
  const cel = stepsOf(outer, samplePipelines(inner)).get('part--ask')?.if ?? '';
  expect(cel).toBe(expected);
  expect(compileCel(cel, { variables: ['steps', 'parameters'] })).toMatchObject({ source: cel });
});

describe('refused', () => {
  const call = (name: string, members: object = {}) =>
    sampleStep('part', 'pipeline', [], { inputs: callOf(name, { image: 'x' }), ...members });

  test('pipelines that contain each other, or too deeply, or are not there', () => {
    const chicken = samplePipeline('chicken', [call('egg')], {
      parameters: { image: textParameter('') },
    });
    const egg = samplePipeline('egg', [call('chicken')], {
      parameters: { image: textParameter() },
    });
    expect(codes(chicken, chicken, egg)).toEqual(['sub-pipeline-cycle']);
    expect(codes(chicken)).toEqual(['pipeline-unknown']);
    const deep = Array.from({ length: 10 }, (_, at) =>
      samplePipeline(`p${at}`, [call(`p${at + 1}`)], { parameters: { image: textParameter('') } }),
    );
    expect(codes(deep[0] as PipelineTemplate, ...deep)).toEqual(['pipeline-too-deep']);
  });

  test('many of many of many, before they fill the memory', () => {
    const levels = Array.from({ length: 7 }, (_, level) =>
      samplePipeline(
        `p${level}`,
        Array.from({ length: 20 }, (_unused, at) =>
          level === 6
            ? sampleStep(`s${at}`, 'script')
            : sampleStep(`s${at}`, 'pipeline', [], { inputs: callOf(`p${level + 1}`) }),
        ),
      ),
    );
    expect(codes(levels[0] as PipelineTemplate, ...levels)).toEqual(['pipeline-too-many-steps']);
  });

  test('members that a sub-pipeline cannot have', () => {
    const members = { matrix: { over: { values: [1] } }, timeoutSeconds: 5, when: 'always' };
    const outer = samplePipeline('outer', [call('rollout', members)]);
    expect(codes(outer, ROLLOUT)).toEqual(Array(3).fill('sub-pipeline-member'));
  });

  test('a pipeline that is wired, and parameters that are missing or unknown', () => {
    const wired = { pipeline: { ref: 'parameters.which' } };
    const step = sampleStep('part', 'pipeline', [], { inputs: wired });
    expect(codes(samplePipeline('outer', [step]), ROLLOUT)).toEqual(['sub-pipeline-not-named']);
    const inputs = callOf('rollout', { imgae: 'x' });
    const typo = samplePipeline('outer', [sampleStep('part', 'pipeline', [], { inputs })]);
    expect(codes(typo, ROLLOUT)).toEqual(['parameter-unknown', 'parameter-missing']);
  });

  test('references to the call, and expressions that cannot be rewritten', () => {
    const reader = sampleStep('read', 'script', ['part'], { if: 'steps.part.outcome == "failed"' });
    expect(codes(samplePipeline('outer', [call('rollout'), reader]), ROLLOUT)).toEqual([
      'sub-pipeline-reference',
    ]);
    const odd = samplePipeline('odd', [sampleStep('a', 'script', [], { if: 'size(steps) > 0' })]);
    const outer = samplePipeline('outer', [
      sampleStep('part', 'pipeline', [], { inputs: callOf('odd') }),
    ]);
    expect(codes(outer, odd)).toEqual(['sub-pipeline-reference']);
  });

  test('expressions that grow with each level', () => {
    const parameters = { x: textParameter() };
    const twentyfold = Array(20).fill('parameters.x').join(' + ');
    const levels = Array.from({ length: 6 }, (_, at) => {
      const inputs = callOf(`p${at + 1}`, {
        x: at === 0 ? { cel: 'steps.a.x' } : { cel: twentyfold },
      });
      const first = at === 0 ? [sampleStep('a', 'script')] : [];
      const needs = first.map(({ id }) => id);
      const steps = [...first, sampleStep('part', 'pipeline', needs, { inputs })];
      return samplePipeline(`p${at}`, steps, at === 0 ? {} : { parameters });
    });
    const last = samplePipeline(
      'p6',
      [sampleStep('s', 'script', [], { if: `${twentyfold} > 1` })],
      {
        parameters,
      },
    );
    expect(codes(levels[0] as PipelineTemplate, ...levels, last)).toContain(
      'sub-pipeline-reference',
    );
  });

  test('an id that meets another one', () => {
    const outer = samplePipeline('outer', [call('rollout'), sampleStep('part--deploy', 'script')]);
    expect(codes(outer, ROLLOUT)).toEqual(['step-id-twice']);
  });
});

describe('names in expressions', () => {
  const renamed = (cel: string) =>
    replaceCelNames(cel, (root, name) => ({ name: `${root === 'steps' ? 's-' : 'p'}${name}` }));

  test.each([
    ['steps.a.outputs.x', 'steps["s-a"].outputs.x'],
    ["steps['a'].x", 'steps["s-a"].x'],
    ['parameters.a > 1', 'parameters.pa > 1'],
    ['release.steps.a', 'release.steps.a'],
    ['"steps.a" + r\'steps.a\' + """steps.a"""', '"steps.a" + r\'steps.a\' + """steps.a"""'],
    ['1 // steps.a\n + steps . b', '1 // steps.a\n + steps["s-b"]'],
    ['mysteps.a + steps_b', 'mysteps.a + steps_b'],
    ['r"\\" + steps.a.x + "steps.b"', 'r"\\" + steps["s-a"].x + "steps.b"'],
    ['"\\"" + steps.a.x', '"\\"" + steps["s-a"].x'],
  ])('%s', (cel, expected) => {
    expect(renamed(cel)).toEqual({ ok: true, cel: expected });
  });

  test.each(['steps', 'steps[parameters.x]', 'size(steps)', 'steps.all(s, s == "x")'])(
    'cannot follow %s',
    (cel) => expect(renamed(cel).ok).toBe(false),
  );
});
