import { describe, expect, test } from '@jest/globals';
import type { PipelineTemplate, ResolvedStep, StepTemplate } from '@sluice/domain';
import {
  callOf,
  DIAMOND,
  MIGRATION,
  randomPipelines,
  SAMPLE_STEP_TYPES,
  samplePipeline,
  samplePipelines,
  sampleStep,
  seededRandom,
  shuffledMembers,
  textParameter,
} from './pipeline-samples.ts';
import { type RenderOptions, renderPipeline, resolvedPipelineDigest } from './render-pipeline.ts';
import { shortenedId } from './shorten-ids.ts';

function render(template: PipelineTemplate, options: Partial<RenderOptions> = {}) {
  return renderPipeline(template, {
    pipelines: new Map(),
    stepTypes: SAMPLE_STEP_TYPES,
    ...options,
  });
}

function resolved(template: PipelineTemplate, options: Partial<RenderOptions> = {}) {
  const result = render(template, options);
  if (!result.ok) throw new Error(JSON.stringify(result.problems, null, 1));
  const steps = new Map(result.pipeline.steps.map((step) => [step.id, step]));
  return { ...result, step: (id: string): ResolvedStep => steps.get(id) as ResolvedStep };
}

function codes(template: PipelineTemplate, options: Partial<RenderOptions> = {}) {
  return render(template, options).problems.map(({ code, at }) => `${code} ${at.path}`);
}

/** What stands in a template that extends another: steps may be incomplete. */
function partial(step: { readonly id: string } & Record<string, unknown>): StepTemplate {
  return step as unknown as StepTemplate;
}

describe('defaults', () => {
  test('a length that a parameter says makes the timeout, as one that stands there does', () => {
    const long = { schema: { type: 'integer', minimum: 0 }, default: 120 } as const;
    const steps = [
      sampleStep('short', 'pause', [], { inputs: { seconds: 30 } }),
      sampleStep('asked', 'pause', [], { inputs: { seconds: { ref: 'parameters.long' } } }),
    ];
    const template = samplePipeline('waits', steps, { parameters: { long } });
    const { step } = resolved(template);
    expect([step('short').timeoutSeconds, step('asked').timeoutSeconds]).toEqual([90, 180]);
    expect(resolved(template, { parameters: { long: 6 } }).step('asked').timeoutSeconds).toBe(66);
  });

  test('every member is there, and its origin', () => {
    const { step, origins } = resolved(MIGRATION);
    expect(step('verify')).toEqual({
      id: 'verify',
      type: 'verify@1',
      needs: ['deploy'],
      when: 'success',
      inputs: {},
      retry: {
        attempts: 5,
        backoffSeconds: 10,
        factor: 2,
        maxBackoffSeconds: 300,
        terminal: [],
      },
      timeoutSeconds: 300,
      continueOnFailure: false,
      compensate: false,
    });
    expect(step('page').retry).toMatchObject({ maxBackoffSeconds: 60, terminal: ['http-refused'] });
    expect(step('migrate').compensate).toBe(true);
    expect(step('backup').compensate).toBe(false);
    expect(origins).toMatchObject({
      'steps.verify.retry': 'migration@1',
      'steps.verify.timeoutSeconds': 'default of verify@1',
      'steps.verify.when': 'default',
      failFast: 'default',
    });
  });

  test('an unknown type is a problem with the nearest one', () => {
    const { problems } = render(samplePipeline('p', [sampleStep('a', 'depoly')]));
    expect(problems).toMatchObject([{ code: 'step-type-unknown', suggestion: 'deploy@1' }]);
  });

  test('a matrix is completed, and a literal that is no reference loses its wrapping', () => {
    const over = { targets: { region: 'eu' } };
    const { step } = resolved(
      samplePipeline('p', [
        sampleStep('a', 'script', [], {
          matrix: { over },
          inputs: { plain: { literal: { b: 1, a: 2 } }, kept: { literal: { ref: 'x' } } },
        }),
      ]),
    );
    expect(step('a').matrix).toEqual({ over, maxParallel: 10, failFast: false, policy: 'all' });
    expect(JSON.stringify(step('a').inputs)).toBe(
      '{"kept":{"literal":{"ref":"x"}},"plain":{"a":2,"b":1}}',
    );
  });
});

describe('inheritance', () => {
  const base = samplePipeline(
    'base',
    [
      sampleStep('plan', 'plan'),
      sampleStep('approve', 'approval', ['plan']),
      sampleStep('deploy', 'deploy', ['approve'], { inputs: { a: 1, b: 2 }, timeoutSeconds: 60 }),
    ],
    {
      version: 2,
      parameters: { region: textParameter('eu') },
      environments: {
        production: {
          parameters: { region: 'us' },
          steps: [
            { id: 'deploy', timeoutSeconds: 90 },
            { id: 'approve', timeoutSeconds: 120 },
          ],
        },
      },
    },
  );
  const hotfix = samplePipeline(
    'hotfix',
    [
      partial({ id: 'approve', remove: true }),
      partial({ id: 'deploy', inputs: { b: 3 } }),
      sampleStep('tell', 'notify', ['deploy']),
    ],
    { version: 3, extends: { name: 'base', version: 2 } },
  );
  const pipelines = samplePipelines(base);

  test('members merge, inputs merge by name, and each says where it is from', () => {
    const { step, origins, pipeline } = resolved(hotfix, { pipelines });
    expect(pipeline).toMatchObject({ name: 'hotfix', version: 3 });
    expect(step('deploy').inputs).toEqual({ a: 1, b: 3 });
    expect(origins).toMatchObject({
      'steps.deploy': 'base@2',
      'steps.deploy.inputs.a': 'base@2',
      'steps.deploy.inputs.b': 'hotfix@3',
      'steps.tell': 'hotfix@3',
      'parameters.region': 'base@2',
    });
  });

  test('what needed a removed step needs what that one needed', () => {
    const { step, origins, pipeline } = resolved(hotfix, { pipelines });
    expect(pipeline.steps.map(({ id }) => id)).toEqual(['plan', 'deploy', 'tell']);
    expect(step('deploy').needs).toEqual(['plan']);
    expect(origins['steps.deploy.needs']).toBe('hotfix@3');
  });

  test("the environment's override holds against all, also that of a base", () => {
    const { step, origins, pipeline } = resolved(hotfix, { pipelines, environment: 'production' });
    expect(step('deploy').timeoutSeconds).toBe(90);
    expect(origins['steps.deploy.timeoutSeconds']).toBe('environment production of base@2');
    expect(pipeline.parameters.region?.default).toBe('us');
  });

  test('missing bases, circles and chains that are too deep are refused', () => {
    expect(codes(hotfix)).toEqual(['pipeline-unknown extends']);
    const ring = ['a', 'b'].map((name, at) =>
      samplePipeline(name, [], { extends: { name: at === 0 ? 'b' : 'a', version: 1 } }),
    );
    expect(codes(ring[0] as PipelineTemplate, { pipelines: samplePipelines(...ring) })).toEqual([
      'pipeline-extends-cycle extends',
    ]);
    const chain = Array.from({ length: 12 }, (_, at) =>
      samplePipeline(`p${at}`, [], { extends: { name: `p${at + 1}`, version: 1 } }),
    );
    expect(codes(chain[0] as PipelineTemplate, { pipelines: samplePipelines(...chain) })).toEqual([
      'pipeline-too-deep extends',
    ]);
  });

  test('removing what is not there, a new step without a type, a step twice', () => {
    const broken = samplePipeline(
      'broken',
      [
        partial({ id: 'aprove', remove: true }),
        partial({ id: 'new', needs: ['plan'] }),
        partial({ id: 'deploy' }),
        partial({ id: 'deploy' }),
      ],
      { extends: { name: 'base', version: 2 } },
    );
    const { problems } = render(broken, { pipelines });
    expect(problems).toMatchObject([
      { code: 'step-remove-unknown', suggestion: 'approve' },
      { code: 'step-type-missing' },
      { code: 'step-id-twice' },
    ]);
  });
});

describe('parameters', () => {
  const template = samplePipeline('p', [sampleStep('a', 'script')], {
    parameters: { image: textParameter(), region: textParameter('eu') },
    environments: { production: { parameters: { region: 'us' } } },
  });

  test('given before environment before default', () => {
    const parameters = { image: 'shop' };
    const regionOf = (options: Partial<RenderOptions>) =>
      resolved(template, options).pipeline.parameters.region?.default;
    expect(regionOf({ parameters })).toBe('eu');
    expect(regionOf({ parameters, environment: 'production' })).toBe('us');
    const given = { ...parameters, region: 'ap' };
    expect(regionOf({ parameters: given, environment: 'production' })).toBe('ap');
  });

  test('missing, unknown and unfitting ones are problems', () => {
    expect(codes(template)).toEqual(['parameter-missing parameters.image']);
    const parameters = { image: 5, regoin: 'ap' };
    expect(render(template, { parameters }).problems).toMatchObject([
      { code: 'parameter-unknown', suggestion: 'region' },
      { code: 'parameter-invalid' },
    ]);
  });

  test('an object that looks wired stays data', () => {
    const any = samplePipeline('p', [sampleStep('a', 'script')], {
      parameters: { x: { schema: { type: 'any' } } },
    });
    const { pipeline } = resolved(any, { parameters: { x: { ref: 'steps.a.outputs.b' } } });
    expect(pipeline.parameters.x?.default).toEqual({ ref: 'steps.a.outputs.b' });
  });
});

test('ids of more than 63 characters are cut and stay unique', () => {
  const long = 'a-step-with-a-name-that-takes-forty-letters';
  const inner = samplePipeline('inner', [
    sampleStep(`${long}-1`, 'script'),
    sampleStep(`${long}-2`, 'script', [`${long}-1`], {
      inputs: { x: { ref: `steps.${long}-1.outputs.y` } },
      if: `steps["${long}-1"].outcome == "succeeded"`,
    }),
  ]);
  const outer = samplePipeline('outer', [
    sampleStep('first-part-of-the-rollout', 'pipeline', [], { inputs: callOf('inner') }),
  ]);
  const { pipeline } = resolved(outer, { pipelines: samplePipelines(inner) });
  const ids = pipeline.steps.map(({ id }) => id);
  expect(ids).toEqual([1, 2].map((n) => shortenedId(`first-part-of-the-rollout--${long}-${n}`)));
  expect(ids.every((id) => id.length <= 63)).toBe(true);
  expect(pipeline.steps[1]).toMatchObject({
    needs: [ids[0]],
    if: `steps["${ids[0]}"].outcome == "succeeded"`,
    inputs: { x: { ref: `steps.${ids[0]}.outputs.y` } },
  });
});

test('the same bytes whatever the order of members', () => {
  for (let seed = 1; seed <= 100; seed += 1) {
    const { template, pipelines } = randomPipelines(seed);
    const options = { environment: 'production', parameters: { region: 'x' } };
    const plain = render(template, { ...options, pipelines });
    const random = seededRandom(seed * 7919);
    const shuffled = render(shuffledMembers(template, random), {
      ...options,
      pipelines: new Map(
        [...pipelines].reverse().map(([name, each]) => [name, shuffledMembers(each, random)]),
      ),
    });
    expect({ seed, text: JSON.stringify(shuffled) }).toEqual({ seed, text: JSON.stringify(plain) });
  }
});

test('resolving what is resolved changes nothing, and expanded ids are unique', () => {
  let renderedOnes = 0;
  let expanded = 0;
  for (let seed = 1; seed <= 300; seed += 1) {
    const { template, pipelines } = randomPipelines(seed);
    const first = render(template, { pipelines, environment: 'production' });
    if (!first.ok) throw new Error(`seed ${seed}: ${JSON.stringify(first.problems)}`);
    renderedOnes += 1;
    const ids = first.pipeline.steps.map(({ id }) => id);
    expanded += ids.filter((id) => id.includes('--')).length;
    expect({ seed, unique: new Set(ids).size }).toEqual({ seed, unique: ids.length });
    for (const [at, step] of first.pipeline.steps.entries()) {
      for (const { 1: id } of JSON.stringify(step).matchAll(/steps(?:\[\\"|\.)([a-z0-9-]+)/g)) {
        expect({ seed, at, known: ids.includes(id as string) }).toEqual({ seed, at, known: true });
      }
    }
    const again = resolved(first.pipeline);
    expect({ seed, text: JSON.stringify(again.pipeline) }).toEqual({
      seed,
      text: JSON.stringify(first.pipeline),
    });
    expect(resolvedPipelineDigest(again.pipeline)).toBe(resolvedPipelineDigest(first.pipeline));
  }
  expect(renderedOnes).toBe(300);
  expect(expanded).toBeGreaterThan(300);
});

test('needs that lead nowhere or in a circle, no steps, too many steps', () => {
  const { steps } = DIAMOND;
  expect(codes(samplePipeline('p', [sampleStep('a', 'script', ['b'])]))).toEqual([
    'step-need-unknown steps.a.needs',
  ]);
  const ring = [sampleStep('a', 'script', ['b']), sampleStep('b', 'script', ['a'])];
  expect(codes(samplePipeline('p', [...steps, ...ring]))).toEqual(['pipeline-cycle steps']);
  expect(codes(samplePipeline('p', []))).toEqual(['pipeline-without-steps steps']);
  const many = Array.from({ length: 5001 }, (_, at) => sampleStep(`s${at}`, 'script'));
  expect(codes(samplePipeline('p', many))).toEqual(['pipeline-too-many-steps ']);
  expect(resolved(samplePipeline('p', many.slice(1))).pipeline.steps).toHaveLength(5000);
});
