import type { StepTypeManifest } from '../step-type-manifest.ts';
import { digestOf } from '../value-schemas.ts';
import { SCRIPT_EXAMPLES } from './script.examples.ts';
import { SCRIPT_INPUTS } from './script.inputs.ts';

/** `script@1`. */
export const SCRIPT: StepTypeManifest = {
  place: 110,
  stepType: {
    type: 'script',
    version: 1,
    title: 'Runs a script in a sandbox.',
    kind: 'activity',
    queue: 'script',
    inputs: SCRIPT_INPUTS,
    outputs: {
      type: 'object',
      properties: {
        exitCode: { type: 'integer', description: 'Always 0 of a step that succeeded.' },
        artifacts: {
          type: 'object',
          description: 'Kept files: name → digest.',
          properties: {},
          additional: digestOf('Of the file.'),
        },
      },
      required: ['exitCode', 'artifacts'],
    },
    choices: [{ inputs: ['source', 'file'], required: true }],
    literalInputs: ['outputs', 'undo'],
    declaresOutputs: 'outputs',
    durationInput: 'limits.seconds',
    timeoutSeconds: 600,
    maxTimeoutSeconds: 86_400,
    retry: { attempts: 1, terminal: ['network-not-granted', 'sandbox-unavailable'] },
    capabilities: ['evidence', 'sandbox', 'secrets'],
    idempotencyKey: 'promotion/step/member',
    effect: 'at-least-once',
    compensation: {
      undoes: 'Runs `undo`, and so puts back whatever that script puts back.',
      byHand: 'Read the log of `undo`, and do by hand what it did not come to.',
      timeoutSeconds: 600,
      onlyWith: 'undo',
    },
    perTarget: false,
    changesTargets: false,
  },
  text:
    'Without network unless granted, with a read-only root, and with no environment but the declared one and some of our own ' +
    '([guides/scripts.md](guides/scripts.md)). It succeeds when it exits with 0 and gives all outputs that it declares, each by its schema, and no others. It is not tried again by itself; allow `retry` where running twice does no harm.',
  effectText:
    'A worker that dies while the script runs has it run again from its beginning, with the same key in its environment, when a retry is allowed. Whether ' +
    'that does harm is for the script to know.',
  examples: SCRIPT_EXAMPLES,
};
