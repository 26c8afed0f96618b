import type { ObjectSchema, StepType, StepTypes, ValueSchema } from '@sluice/domain';

const object = (
  properties: Readonly<Record<string, ValueSchema>>,
  required: readonly string[] = [],
): ObjectSchema => ({ type: 'object', properties, required });

const text: ValueSchema = { type: 'string' };
const digest: ValueSchema = { type: 'string', format: 'digest' };

function sample(type: string, own: Partial<StepType> = {}): StepType {
  return {
    type,
    version: 1,
    title: `Sample of ${type}.`,
    kind: 'activity',
    queue: 'control',
    inputs: object({}),
    outputs: object({}),
    timeoutSeconds: 60,
    maxTimeoutSeconds: 600,
    retry: { attempts: 1 },
    capabilities: [],
    idempotencyKey: null,
    effect: 'none',
    compensation: null,
    perTarget: false,
    changesTargets: false,
    ...own,
  };
}

const undone = { undoes: 'All.', byHand: 'Look.', timeoutSeconds: 60 };

/** Step types for specs: small ones, one for each thing that a type can say. They don't change when built-in ones do. */
export const SAMPLE_STEP_TYPES: StepTypes = new Map(
  [
    sample('scan'),
    sample('plan'),
    sample('gate'),
    sample('approval', { kind: 'control', queue: null }),
    sample('build', {
      inputs: object(
        {
          source: { type: 'string', minLength: 1 },
          jobs: { type: 'integer', minimum: 1, maximum: 64 },
        },
        ['source'],
      ),
      outputs: object(
        { digest, size: { type: 'integer' }, regions: { type: 'array', items: text } },
        ['digest', 'size', 'regions'],
      ),
    }),
    sample('script', {
      inputs: object({
        source: text,
        file: text,
        undo: text,
        token: text,
        label: { type: 'string', maxLength: 16 },
        digest,
        env: { type: 'object', properties: {}, additional: { type: 'any' } },
        outputs: { type: 'object', properties: {}, additional: { type: 'any' } },
      }),
      outputs: object({ exitCode: { type: 'integer' } }, ['exitCode']),
      choices: [{ inputs: ['source', 'file'], required: true }],
      literalInputs: ['outputs'],
      secretInputs: ['token'],
      declaresOutputs: 'outputs',
      effect: 'at-least-once',
      compensation: { ...undone, onlyWith: 'undo' },
    }),
    sample('notify', { inputs: object({ text }, ['text']), effect: 'at-least-once' }),
    sample('wait', {
      inputs: object({ seconds: { type: 'integer', minimum: 0 } }, ['seconds']),
      durationInput: 'seconds',
    }),
    sample('deploy', {
      effect: 'exactly-once',
      compensation: undone,
      perTarget: true,
      changesTargets: true,
    }),
    sample('pipeline', {
      kind: 'control',
      queue: null,
      inputs: object(
        {
          pipeline: object(
            {
              name: { type: 'string', format: 'name' },
              version: { type: 'integer', minimum: 1 },
            },
            ['name', 'version'],
          ),
          parameters: { type: 'object', properties: {}, additional: { type: 'any' } },
        },
        ['pipeline'],
      ),
      literalInputs: ['pipeline'],
    }),
  ].map((type) => [`${type.type}@${type.version}`, type]),
);
