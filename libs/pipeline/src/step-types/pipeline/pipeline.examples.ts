import type { StepTypeExamples } from '../step-type-manifest.ts';

/** Examples of `pipeline@1`. */
export const PIPELINE_EXAMPLES: StepTypeExamples = {
  runs: [
    { inputs: { pipeline: { name: 'smoke-test', version: 3 } }, outputs: {} },
    {
      inputs: {
        pipeline: { name: 'roll-out', version: 1 },
        parameters: { region: 'eu', canary: true },
      },
      outputs: {},
    },
  ],
  refused: [
    { why: 'no pipeline', path: 'pipeline', inputs: { parameters: {} } },
    { why: 'no version', path: 'pipeline.version', inputs: { pipeline: { name: 'a' } } },
    {
      why: 'whatever is newest',
      path: 'pipeline.version',
      inputs: { pipeline: { name: 'a', version: 'latest' } },
    },
    {
      why: 'no name',
      path: 'pipeline.name',
      inputs: { pipeline: { name: 'Smoke Test', version: 1 } },
    },
    {
      why: 'parameters by place',
      path: 'parameters',
      inputs: { pipeline: { name: 'a', version: 1 }, parameters: ['eu'] },
    },
  ],
};
