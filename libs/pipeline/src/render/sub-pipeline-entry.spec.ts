import { describe, expect, test } from '@jest/globals';
import {
  type PipelineTemplate,
  type ResolvedPipeline,
  Schedule,
  type StepOutcome,
  type StepTemplate,
} from '@sluice/domain';
import { compileCel, evaluateCondition } from '@sluice/pure';
import {
  callOf,
  SAMPLE_STEP_TYPES,
  samplePipeline,
  samplePipelines,
  sampleStep,
} from './pipeline-samples.ts';
import { renderPipeline } from './render-pipeline.ts';

type Fate = 'failed' | 'cancel' | 'halt';

function rendered(
  template: PipelineTemplate,
  ...pipelines: readonly PipelineTemplate[]
): ResolvedPipeline {
  const options = { pipelines: samplePipelines(...pipelines), stepTypes: SAMPLE_STEP_TYPES };
  const result = renderPipeline(template, options);
  if (!result.ok) throw new Error(JSON.stringify(result.problems, null, 1));
  return result.pipeline;
}

/** Outcomes by id. A fate comes when its step has begun: `cancel` and `halt` come to the promotion, and the step succeeds. */
function outcomesOf(
  pipeline: ResolvedPipeline,
  fates: Readonly<Record<string, Fate>>,
): Readonly<Record<string, StepOutcome>> {
  const schedule = new Schedule(pipeline.steps, pipeline);
  const outcomes = () =>
    Object.fromEntries([...schedule.standings()].map(([id, { state }]) => [id, state]));
  const isWanted = (condition: string): boolean => {
    const compiled = compileCel(condition, { variables: ['steps', 'environment'] });
    if (!('run' in compiled)) throw new Error(`${condition}: ${compiled.message}`);
    const steps = Object.fromEntries(
      Object.entries(outcomes()).map(([id, outcome]) => [id, { outcome }]),
    );
    const result = evaluateCondition(compiled, { steps, environment: { name: 'production' } });
    if (!result.ok) throw new Error(`${condition}: ${result.message}`);
    return result.value;
  };
  while (schedule.phase !== 'ended') {
    schedule.settleSkips();
    const [undone] = schedule.compensationsDue(1);
    if (undone !== undefined) schedule.settleCompensation(undone, true);
    const [id] = schedule.due(1).run;
    if (id === undefined) continue;
    const condition = pipeline.steps.find((step) => step.id === id)?.if;
    if (condition !== undefined && !isWanted(condition)) {
      schedule.skip(id);
      continue;
    }
    const round = schedule.begin(id);
    const fate = fates[id];
    if (fate === 'cancel') schedule.cancel();
    if (fate === 'halt') schedule.halt('outOfTime');
    schedule.settle(id, { outcome: fate === 'failed' ? 'failed' : 'succeeded' }, round);
  }
  return outcomes() as Readonly<Record<string, StepOutcome>>;
}

/** Ids of the steps of `part` that were not skipped, without the name of the call. */
function ranIn(pipeline: ResolvedPipeline, fates: Readonly<Record<string, Fate>>): string {
  const outcomes = Object.entries(outcomesOf(pipeline, fates));
  const ran = outcomes.filter(([id, state]) => id.startsWith('part--') && state !== 'skipped');
  return ran.map(([id]) => id.slice('part--'.length)).join(' ');
}

const ROLLOUT = samplePipeline('rollout', [
  sampleStep('deploy', 'deploy'),
  sampleStep('lint', 'notify', [], { continueOnFailure: true }),
  sampleStep('verify', 'verify', ['deploy']),
  sampleStep('clean', 'notify', ['deploy'], { when: 'always' }),
  sampleStep('after-clean', 'notify', ['clean']),
  sampleStep('tidy', 'notify', [], { when: 'always' }),
  sampleStep('mourn', 'notify', ['verify'], { when: 'onFailure' }),
  sampleStep('page', 'notify', [], { when: 'onFailure' }),
  sampleStep('withdraw', 'notify', [], { when: 'onCancel' }),
]);

const BODY = ['deploy', 'lint', 'verify', 'clean', 'after-clean', 'tidy', 'mourn', 'page'];

function outerOf(
  members: Partial<StepTemplate>,
  more: readonly StepTemplate[] = [],
  failFast = true,
): PipelineTemplate {
  const call = sampleStep('part', 'pipeline', ['make'], { inputs: callOf('rollout'), ...members });
  const steps = [sampleStep('make', 'script'), call, ...more];
  return samplePipeline('outer', steps, { failFast });
}

const next = sampleStep('next', 'notify', ['part']);

describe('a sub-pipeline that never begins', () => {
  test.each<[string, Fate, boolean]>([
    ['what its call needs failed', 'failed', true],
    ['what its call needs failed, and the rest goes on', 'failed', false],
    ['the promotion was cancelled before', 'cancel', true],
    ['the promotion ran out of time before, though what it needs is good', 'halt', true],
  ])('does nothing: %s', (_why, fate, failFast) => {
    const pipeline = rendered(outerOf({}, [next], failFast), ROLLOUT);
    expect(ranIn(pipeline, { make: fate })).toBe('');
    expect(outcomesOf(pipeline, { make: fate }).next).toBe('skipped');
  });

  test('does nothing where its condition is false, and what comes after it goes on', () => {
    const pipeline = rendered(outerOf({ if: 'environment.name == "staging"' }, [next]), ROLLOUT);
    expect(ranIn(pipeline, {})).toBe('');
    expect(outcomesOf(pipeline, {}).next).toBe('succeeded');
  });

  test('keeps what comes after it back, though none of its steps waits for success', () => {
    const always = samplePipeline('rollout', [
      sampleStep('tidy', 'notify', [], { when: 'always' }),
      sampleStep('more', 'notify', ['tidy']),
    ]);
    const pipeline = rendered(outerOf({}, [next], false), always);
    expect(ranIn(pipeline, { make: 'failed' })).toBe('');
    expect(outcomesOf(pipeline, { make: 'failed' }).next).toBe('skipped');
    expect(ranIn(pipeline, {})).toBe('begin tidy more');
  });

  test('does nothing within another one either', () => {
    const middle = samplePipeline('middle', [
      sampleStep('first', 'script'),
      sampleStep('at-once', 'pipeline', [], { inputs: callOf('rollout') }),
      sampleStep('later', 'pipeline', ['first'], { inputs: callOf('rollout') }),
      sampleStep('done', 'notify', [], { when: 'always' }),
    ]);
    const pipeline = rendered(outerOf({ inputs: callOf('middle') }, [next]), middle, ROLLOUT);
    expect(ranIn(pipeline, { make: 'failed' })).toBe('');
    const ran = ranIn(pipeline, { 'part--first': 'failed' }).split(' ');
    expect(ran).toEqual(expect.arrayContaining(['begin', 'first', 'done', 'at-once--tidy']));
    expect(ran.filter((id) => id.startsWith('later--'))).toEqual([]);
  });
});

describe('a sub-pipeline that has begun', () => {
  const ran = (...without: readonly string[]): string =>
    ['begin', ...BODY].filter((id) => !without.includes(id)).join(' ');

  test.each<[string, Partial<StepTemplate>]>([
    ['after a step', {}],
    ['by a condition', { needs: [], if: 'environment.name == "production"' }],
  ])('%s', (_how, members) => {
    const pipeline = rendered(outerOf(members, [next]), ROLLOUT);
    expect(ranIn(pipeline, {})).toBe(ran('mourn', 'page'));
    expect(ranIn(pipeline, { 'part--deploy': 'failed' })).toBe(
      ran('lint', 'verify', 'after-clean'),
    );
    const cancelled = `${ran('lint', 'verify', 'after-clean')} withdraw`;
    expect(ranIn(pipeline, { 'part--deploy': 'cancel' })).toBe(cancelled);
  });

  test('has not failed when a failure in it was taken', () => {
    const pipeline = rendered(outerOf({}, [next]), ROLLOUT);
    expect(ranIn(pipeline, { 'part--lint': 'failed' })).toBe(ran('mourn', 'page'));
  });
});

test('nobody asks where it begins with the pipeline around it, or where all wait for success', () => {
  const ids = (members: Partial<StepTemplate>, called: PipelineTemplate) =>
    rendered(outerOf(members), called).steps.map(({ id }) => id);
  expect(ids({ needs: [] }, ROLLOUT)).not.toContain('part--begin');
  const plain = samplePipeline('rollout', [sampleStep('deploy', 'deploy')]);
  expect(ids({}, plain)).toEqual(['make', 'part--deploy']);
});

test('a step of it may have the name of its beginning', () => {
  const begin = sampleStep('begin', 'notify', [], { when: 'always' });
  const pipeline = rendered(outerOf({}), samplePipeline('rollout', [begin]));
  expect(pipeline.steps.map(({ id }) => id)).toEqual(['make', 'part--begin-2', 'part--begin']);
  expect(ranIn(pipeline, {})).toBe('begin-2 begin');
  expect(ranIn(pipeline, { make: 'failed' })).toBe('');
});
