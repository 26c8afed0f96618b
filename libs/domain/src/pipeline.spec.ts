import { describe, expect, test } from '@jest/globals';
import type { Pipeline, PipelineStep, StepTypeRef } from './pipeline.ts';
import {
  assertPipeline,
  MAX_STEPS,
  PIPELINE_SCHEMA,
  parseStepType,
  readySteps,
  STANDARD_PIPELINE,
} from './pipeline.ts';
import type { StepState } from './step-state.ts';
import { STEP_STATES } from './step-state.ts';

function step(id: string, needs: readonly string[] = [], type = 'scan@1'): PipelineStep {
  return { id, type: type as StepTypeRef, needs, inputs: {} };
}

function pipeline(...steps: readonly PipelineStep[]): Pipeline {
  return { schema: PIPELINE_SCHEMA, name: 'of-a-test', version: 1, steps };
}

describe('a step type', () => {
  test('has a name and a version', () => {
    expect(parseStepType('agent-task@12')).toEqual({ type: 'agent-task', version: 12 });
  });

  test.each(['', 'scan', 'scan@', 'scan@0', 'scan@01', 'scan@-1', 'scan@1.5', 'Scan@1', '@1'])(
    '"%s" is none',
    (ref) => {
      expect(() => parseStepType(ref)).toThrow(
        expect.objectContaining({ code: 'step-type-invalid' }),
      );
    },
  );

  test.each(['scan@1\n', ' scan@1', 'scan@1@2'])('%j is none either', (ref) => {
    expect(() => parseStepType(ref)).toThrow();
  });
});

describe('assertPipeline', () => {
  test('takes the built-in pipeline, and a diamond', () => {
    expect(() => assertPipeline(STANDARD_PIPELINE)).not.toThrow();
    const diamond = pipeline(step('d', ['b', 'c']), step('b', ['a']), step('c', ['a']), step('a'));
    expect(() => assertPipeline(diamond)).not.toThrow();
  });

  const many = Array.from({ length: MAX_STEPS + 1 }, (_, index) => step(`s-${index}`));
  test.each([
    ['pipeline-without-steps', []],
    ['pipeline-too-many-steps', many],
    ['step-id-invalid', [step('Scan')]],
    ['step-id-invalid', [step('')]],
    ['step-id-twice', [step('a'), step('a')]],
    ['step-type-invalid', [step('a', [], 'scan')]],
    ['step-need-unknown', [step('a', ['b'])]],
    ['pipeline-cycle', [step('a', ['a'])]],
    ['pipeline-cycle', [step('a', ['c']), step('b', ['a']), step('c', ['b'])]],
    ['pipeline-cycle', [step('fine'), step('a', ['b', 'fine']), step('b', ['a'])]],
  ])('refuses with %s', (code, steps) => {
    expect(() => assertPipeline(pipeline(...steps))).toThrow(
      expect.objectContaining({ name: 'DomainError', code }),
    );
  });

  test('takes as many steps as are allowed', () => {
    expect(() => assertPipeline(pipeline(...many.slice(1)))).not.toThrow();
  });

  test('a cycle is named without the steps that are fine', () => {
    const knot = pipeline(step('fine'), step('a', ['b']), step('b', ['a']));
    expect(() => assertPipeline(knot)).toThrow('These steps need each other: a, b.');
  });
});

describe('readySteps', () => {
  const ids = (states: Readonly<Record<string, StepState>>, of = STANDARD_PIPELINE) =>
    readySteps(of, new Map(Object.entries(states))).map(({ id }) => id);

  test('begins with what needs nothing, and goes on one by one', () => {
    expect(ids({})).toEqual(['scan']);
    expect(ids({ scan: 'running' })).toEqual([]);
    expect(ids({ scan: 'succeeded' })).toEqual(['gate']);
    const planned = { scan: 'succeeded', gate: 'succeeded', plan: 'succeeded' } as const;
    expect(ids({ ...planned, plan: 'pending' })).toEqual(['plan']);
    expect(ids({ ...planned, deploy: 'succeeded' })).toEqual(['verify']);
  });

  test.each(STEP_STATES)('a need that is %s', (state) => {
    const two = pipeline(step('a'), step('b', ['a']));
    const expected = state === 'succeeded' ? ['b'] : state === 'pending' ? ['a'] : [];
    expect(ids({ a: state }, two)).toEqual(expected);
  });

  test.each(['failed', 'cancelled', 'reverted'] as const)(
    'one step %s stops all others',
    (state) => {
      expect(ids({ a: state }, pipeline(step('a'), step('b')))).toEqual([]);
    },
  );

  test.each(['running', 'waiting', 'succeeded', 'skipped'] as const)(
    'one step %s stops no independent one',
    (state) => {
      expect(ids({ a: state }, pipeline(step('a'), step('b')))).toEqual(['b']);
    },
  );

  test('all ready ones are given, in the order of the pipeline', () => {
    const wide = pipeline(step('z'), step('m', ['z']), step('a', ['z']), step('k', ['a', 'm']));
    expect(ids({ z: 'succeeded' }, wide)).toEqual(['m', 'a']);
    expect(ids({ z: 'succeeded', m: 'succeeded' }, wide)).toEqual(['a']);
    expect(ids({ z: 'succeeded', m: 'succeeded', a: 'succeeded' }, wide)).toEqual(['k']);
  });
});
