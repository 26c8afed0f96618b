import { PIPELINE_TEMPLATE_SCHEMA, type PipelineTemplate } from '@sluice/domain';

const pipeline = (
  name: string,
  own: Pick<PipelineTemplate, 'steps'> & Partial<PipelineTemplate>,
): PipelineTemplate => ({ schema: PIPELINE_TEMPLATE_SCHEMA, name, version: 1, ...own });

/** Pipelines for specs, to extend and to contain. */
export const SAMPLE_PIPELINES: ReadonlyMap<string, PipelineTemplate> = new Map(
  [
    pipeline('base', {
      steps: [
        { id: 'scan', type: 'scan@1' },
        { id: 'build', type: 'build@1', needs: ['scan'], inputs: { source: 'x' } },
      ],
    }),
    pipeline('inner', {
      parameters: { region: { schema: { type: 'string' } } },
      steps: [{ id: 'build', type: 'build@1', inputs: { source: { ref: 'parameters.region' } } }],
    }),
    pipeline('teller', {
      parameters: { what: { schema: { type: 'string' } } },
      steps: [{ id: 'tell', type: 'notify@1', inputs: { text: { ref: 'parameters.what' } } }],
    }),
    pipeline('counter', {
      parameters: { jobs: { schema: { type: 'integer' } } },
      steps: [
        {
          id: 'build',
          type: 'build@1',
          inputs: { source: 'x', jobs: { ref: 'parameters.jobs' } },
        },
      ],
      failFast: false,
    }),
    pipeline('slow', { steps: [{ id: 'rest', type: 'wait@1', inputs: { seconds: 60 } }] }),
    pipeline('loop', {
      steps: [
        { id: 'again', type: 'pipeline@1', inputs: { pipeline: { name: 'loop', version: 1 } } },
      ],
    }),
  ].map((template) => [`${template.name}@${template.version}`, template]),
);
