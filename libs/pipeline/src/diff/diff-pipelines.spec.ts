import { describe, expect, test } from '@jest/globals';
import type { PipelineTemplate, ResolvedPipeline, StepTemplate } from '@sluice/domain';
import {
  FAN_OUT,
  MIGRATION,
  randomPipelines,
  SAMPLE_STEP_TYPES,
  samplePipeline,
  sampleStep,
  seededRandom,
  shuffledMembers,
  textParameter,
} from '../render/pipeline-samples.ts';
import { type RenderOptions, renderPipeline } from '../render/render-pipeline.ts';
import { diffPipelines } from './diff-pipelines.ts';
import { differenceText } from './difference-text.ts';
import { differenceOfLines } from './line-difference.ts';

function resolved(
  template: PipelineTemplate,
  options: Partial<RenderOptions> = {},
): ResolvedPipeline {
  const result = renderPipeline(template, {
    pipelines: new Map(),
    stepTypes: SAMPLE_STEP_TYPES,
    ...options,
  });
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return result.pipeline;
}

/** A pipeline of which some steps are otherwise. */
function changed(
  template: PipelineTemplate,
  steps: Readonly<Record<string, Partial<StepTemplate> | null>>,
  members: Partial<PipelineTemplate> = {},
): PipelineTemplate {
  const kept = template.steps.flatMap((step) => {
    const change = steps[step.id];
    return change === null ? [] : [{ ...step, ...change }];
  });
  return { ...template, version: template.version + 1, ...members, steps: kept };
}

const MIGRATION_2 = changed(
  MIGRATION,
  {
    migrate: {
      timeoutSeconds: 3600,
      inputs: { script: 'set -eu\nsqitch deploy --verify --mode change\n', undo: 'sqitch revert' },
    },
    approve: { description: 'Ask the owner of the data' },
    plan: { needs: ['approve', 'migrate'], retry: { attempts: 5 } },
    withdrawn: null,
  },
  {
    failFast: false,
    steps: [],
  },
);

describe('a difference', () => {
  const after = {
    ...MIGRATION_2,
    steps: [...MIGRATION_2.steps, sampleStep('soak', 'soak', ['verify'])],
  };
  const difference = diffPipelines(resolved(MIGRATION), resolved(after));

  test('as data', () => {
    expect(difference).toMatchObject({
      before: { name: 'migration', version: 1 },
      after: { name: 'migration', version: 2 },
      members: [{ path: 'failFast', before: true, after: false, scope: 'effects' }],
      added: [{ id: 'soak' }],
      removed: [{ id: 'withdrawn' }],
      changed: [
        { id: 'approve', members: [{ path: 'description', before: undefined, scope: 'drawing' }] },
        {
          id: 'migrate',
          members: [
            { path: 'inputs.script', scope: 'effects' },
            { path: 'timeoutSeconds', before: 1800, after: 3600, scope: 'course' },
          ],
        },
        {
          id: 'plan',
          needsAdded: ['approve'],
          needsRemoved: [],
          members: [{ path: 'retry.attempts', before: 3, after: 5, scope: 'course' }],
        },
      ],
      reordered: false,
      scope: 'effects',
    });
  });

  test('as text', () => {
    expect(`\n${differenceText(difference)}`).toBe(`
migration@1 → migration@2

~ pipeline   effects  failFast
- withdrawn  effects  notify@1
+ soak       effects  soak@1
~ approve    drawing  description
~ migrate    effects  inputs.script, timeoutSeconds
~ plan       effects  needs, retry.attempts

1 step removed, 1 step added, 3 steps changed. What is done may change.

~ pipeline
    failFast  true → false

- withdrawn
    - type notify@1
    - when onCancel

+ soak
    + type soak@1
    + needs verify

~ approve
    + description "Ask the owner of the data"

~ migrate
    inputs.script
        set -eu
      - sqitch deploy --verify
      + sqitch deploy --verify --mode change
    timeoutSeconds  1800 → 3600

~ plan
    + needs approve
    retry.attempts  3 → 5
`);
  });

  test('the other way round', () => {
    const back = diffPipelines(resolved(after), resolved(MIGRATION));
    expect(back.added.map(({ id }) => id)).toEqual(['withdrawn']);
    expect(back.removed.map(({ id }) => id)).toEqual(['soak']);
    expect(back.changed.map(({ id }) => id)).toEqual(difference.changed.map(({ id }) => id));
  });
});

test('what changes: nothing, what people read, the course, the effects', () => {
  const scopeOf = (after: PipelineTemplate) =>
    diffPipelines(resolved(FAN_OUT), resolved(after)).scope;
  expect(scopeOf(changed(FAN_OUT, {}))).toBeNull();
  expect(scopeOf(changed(FAN_OUT, {}, { description: 'Other words' }))).toBe('drawing');
  expect(scopeOf(changed(FAN_OUT, { gate: { timeoutSeconds: 1 } }))).toBe('course');
  expect(scopeOf(changed(FAN_OUT, { plan: { needs: [] } }))).toBe('effects');
  expect(scopeOf(changed(FAN_OUT, { gate: { type: 'scan@1' } }))).toBe('effects');
  expect(scopeOf(changed(FAN_OUT, { announce: { when: 'always' } }))).toBe('effects');
  const [first, second, ...rest] = FAN_OUT.steps;
  const reordered = { ...FAN_OUT, steps: [second, first, ...rest] as readonly StepTemplate[] };
  expect(scopeOf(reordered)).toBe('drawing');
  expect(differenceText(diffPipelines(resolved(FAN_OUT), resolved(reordered)))).toContain(
    'steps in another order. Only what people read changes.',
  );
});

test('what changes whether a step runs, or what its failure means, is an effect', () => {
  const matrix = { over: { values: [1, 2] } };
  const over = (own: Partial<StepTemplate>, members: Partial<PipelineTemplate> = {}) =>
    samplePipeline(
      'p',
      [sampleStep('a', 'plan'), sampleStep('b', 'script', ['a'], { matrix, ...own })],
      members,
    );
  const scopeOf = (after: PipelineTemplate) =>
    diffPipelines(resolved(over({})), resolved(after)).scope;
  const effects: readonly Partial<StepTemplate>[] = [
    { needs: [] },
    { when: 'always' },
    { if: 'release.name == "x"' },
    { continueOnFailure: true },
    { matrix: { ...matrix, policy: 'partial' } },
    { matrix: { ...matrix, policy: 'minimum', minimum: 1 } },
    { matrix: { ...matrix, failFast: true } },
  ];
  for (const own of effects) expect([own, scopeOf(over(own))]).toEqual([own, 'effects']);
  expect(scopeOf(over({}, { failFast: false }))).toBe('effects');
  const course: readonly Partial<StepTemplate>[] = [
    { timeoutSeconds: 1 },
    { retry: { attempts: 7 } },
    { concurrencyGroup: 'one' },
    { matrix: { ...matrix, maxParallel: 1 } },
  ];
  for (const own of course) expect([own, scopeOf(over(own))]).toEqual([own, 'course']);
});

test('targets of a matrix, and values of parameters, are effects', () => {
  const template = (region: string) =>
    samplePipeline('p', [
      sampleStep('a', 'script', [], { matrix: { over: { targets: { region } } } }),
    ]);
  const { changed: steps, scope } = diffPipelines(
    resolved(template('eu')),
    resolved(template('us')),
  );
  expect({ steps, scope }).toMatchObject({
    steps: [{ members: [{ path: 'matrix.over' }] }],
    scope: 'effects',
  });
  const parameter = samplePipeline('p', [sampleStep('a', 'script')], {
    parameters: { region: textParameter('eu') },
  });
  const other = resolved(parameter, { parameters: { region: 'us' } });
  expect(diffPipelines(resolved(parameter), other)).toMatchObject({
    members: [{ path: 'parameters.region', before: 'eu', after: 'us', scope: 'effects' }],
    scope: 'effects',
  });
});

test('a pipeline and itself in another order of members do not differ', () => {
  for (let seed = 1; seed <= 50; seed += 1) {
    const { template, pipelines } = randomPipelines(seed);
    const pipeline = resolved(template, { pipelines });
    const other = shuffledMembers(pipeline, seededRandom(seed));
    const difference = diffPipelines(pipeline, other);
    expect({ seed, scope: difference.scope }).toEqual({ seed, scope: null });
    expect(differenceText(difference)).toContain('No difference.');
  }
});

test('nothing in a difference steers a terminal, and no line is too wide', () => {
  const hostile = '\u001b[2J\u202e\r'.repeat(40);
  const step = (text: string) =>
    sampleStep('a', 'script', [], { inputs: { [text]: text, many: `${text}\nx\n`, list: [text] } });
  const before = resolved(samplePipeline('p', [step('plain'), step('b')].slice(0, 1)));
  const after = resolved(samplePipeline('p', [step(hostile)]));
  const text = differenceText(diffPipelines(before, after), { width: 60 });
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be there
  expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e]/);
  expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThanOrEqual(60);
});

test('ASCII is ASCII; a changed end of a text is said', () => {
  const template = (script: string) =>
    samplePipeline('p', [sampleStep('a', 'script', [], { inputs: { script } })]);
  const difference = diffPipelines(resolved(template('a\nü\n')), resolved(template('a\nü')));
  const text = differenceText(difference, { ascii: true });
  expect(text).toMatch(/^[\n -~]*$/);
  expect(text).toContain('~ the line break at its end');
});

test('lines of two texts', () => {
  const texts = (before: string, after: string) =>
    differenceOfLines(before, after).map(({ sign, text }) => `${sign}${text}`);
  expect(texts('a\nb\nc\n', 'a\nx\nc\nd\n')).toEqual([' a', '-b', '+x', ' c', '+d']);
  expect(texts('', 'a')).toEqual(['-', '+a']);
  for (let seed = 1; seed <= 200; seed += 1) {
    const random = seededRandom(seed);
    const text = () =>
      Array.from({ length: 1 + random() * 9 }, () => 'abc'[Math.floor(random() * 3)]).join('\n');
    const [before, after] = [text(), text()];
    const lines = differenceOfLines(before, after);
    const side = (sign: string) =>
      lines.filter((line) => line.sign === ' ' || line.sign === sign).map((line) => line.text);
    expect({ seed, before: side('-'), after: side('+') }).toEqual({
      seed,
      before: before.split('\n'),
      after: after.split('\n'),
    });
  }
});
