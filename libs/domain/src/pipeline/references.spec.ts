import { expect, test } from '@jest/globals';
import { pipelineRefText, referencedPipelines } from './references.ts';
import type { PipelineTemplate } from './template.ts';

const template = (rest: Partial<PipelineTemplate>): PipelineTemplate => ({
  schema: 'sluice.pipeline/v2',
  name: 'deploy',
  version: 1,
  steps: [],
  ...rest,
});

const names = (rest: Partial<PipelineTemplate>) =>
  referencedPipelines(template(rest)).map(pipelineRefText);

test('what a pipeline extends and what its steps run, each once, those of environments too', () => {
  expect(
    names({
      extends: { name: 'base', version: 3 },
      steps: [
        { id: 'a', type: 'pipeline@1', inputs: { pipeline: { name: 'smoke', version: 2 } } },
        {
          id: 'b',
          type: 'pipeline@1',
          inputs: { pipeline: { literal: { name: 'load', version: 1 } } },
        },
        { id: 'c', type: 'pipeline@1', inputs: { pipeline: { name: 'smoke', version: 2 } } },
      ],
      environments: {
        prod: {
          steps: [
            { id: 'a', inputs: { pipeline: { name: 'smoke', version: 3 } } },
            { id: 'b', remove: true },
          ],
        },
      },
    }),
  ).toEqual(['base@3', 'smoke@2', 'load@1', 'smoke@3']);
});

test.each([
  ['a step of another type', 'script@1', { name: 'smoke', version: 2 }],
  ['a wired name', 'pipeline@1', { ref: 'parameters.pipeline' }],
  ['no version', 'pipeline@1', { name: 'smoke' }],
  ['a version that is no number', 'pipeline@1', { name: 'smoke', version: 'newest' }],
  ['a text', 'pipeline@1', 'smoke@2'],
  ['nothing', 'pipeline@1', null],
] as const)('%s names none', (_why, type, pipeline) => {
  expect(names({ steps: [{ id: 'a', type, inputs: { pipeline } }] })).toEqual([]);
});

test('without anything that names another there is none', () => {
  expect(names({ steps: [{ id: 'a', type: 'pipeline@1' }] })).toEqual([]);
});
