import type { StepTypeManifest } from '../step-type-manifest.ts';
import { NONE } from '../value-schemas.ts';
import { PIPELINE_EXAMPLES } from './pipeline.examples.ts';

/** `pipeline@1`. */
export const PIPELINE: StepTypeManifest = {
  place: 140,
  stepType: {
    type: 'pipeline',
    version: 1,
    title: 'Runs the steps of another pipeline in its place.',
    kind: 'control',
    queue: null,
    inputs: {
      type: 'object',
      properties: {
        pipeline: {
          type: 'object',
          description: 'The other pipeline.',
          properties: {
            name: { type: 'string', format: 'name', description: 'Its name.' },
            version: { type: 'integer', description: 'One version of it.', minimum: 1 },
          },
          required: ['name', 'version'],
        },
        parameters: {
          type: 'object',
          description: 'Its parameters: name → value; each may be wired.',
          properties: {},
          additional: { type: 'any' },
        },
      },
      required: ['pipeline'],
    },
    outputs: NONE,
    literalInputs: ['pipeline'],
    timeoutSeconds: 2_592_000,
    maxTimeoutSeconds: 2_592_000,
    retry: { attempts: 1 },
    capabilities: [],
    idempotencyKey: null,
    effect: 'none',
    compensation: null,
    perTarget: false,
    changesTargets: false,
  },
  text:
    'Replaced by those steps before the promotion begins, so that all of them are known and checked: which pipeline and which version stands in the text. They ' +
    'keep their own timeouts, retries, effects and compensations, and the step itself has none.',
  effectText: null,
  examples: PIPELINE_EXAMPLES,
};
