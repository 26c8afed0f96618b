import { expect, test } from '@jest/globals';
import type { PipelineTemplate } from '@sluice/domain';
import { textPath } from './pipeline-place.ts';

const template: PipelineTemplate = {
  schema: 'sluice.pipeline/v2',
  name: 'x',
  version: 1,
  extends: { name: 'base', version: 1 },
  parameters: { region: { schema: { type: 'string' } } },
  steps: [
    { id: 'plan', type: 'plan@1' },
    { id: 'deploy', type: 'deploy@1', timeoutSeconds: 5 },
  ],
  environments: {
    production: {
      parameters: { region: 'eu' },
      steps: [
        { id: 'deploy', timeoutSeconds: 50 },
        { id: 'extra', type: 'noop@1' },
      ],
    },
  },
};

test.each([
  ['', undefined, []],
  ['failFast', undefined, ['failFast']],
  ['steps', undefined, ['steps']],
  ['steps.deploy.timeoutSeconds', undefined, ['steps', 1, 'timeoutSeconds']],
  ['steps.deploy', 'production', ['steps', 1]],
  ['steps.deploy.needs', 'production', ['steps', 1, 'needs']],
  [
    'steps.deploy.timeoutSeconds',
    'production',
    ['environments', 'production', 'steps', 0, 'timeoutSeconds'],
  ],
  ['steps.extra.type', 'production', ['environments', 'production', 'steps', 1, 'type']],
  ['steps.deploy--inner--most.if', undefined, ['steps', 1]],
  ['steps.of-the-base.if', 'production', ['extends']],
  ['parameters.region', undefined, ['parameters', 'region']],
  ['parameters.region', 'production', ['environments', 'production', 'parameters', 'region']],
  ['parameters.other', 'constructor', ['parameters']],
])('%s for %s comes from %j', (path, environment, expected) => {
  expect(textPath(template, path, environment)).toEqual(expected);
});
