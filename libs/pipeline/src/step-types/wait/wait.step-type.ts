import type { StepTypeManifest } from '../step-type-manifest.ts';
import { NONE } from '../value-schemas.ts';
import { WAIT_EXAMPLES } from './wait.examples.ts';

/** `wait@1`. */
export const WAIT: StepTypeManifest = {
  place: 80,
  stepType: {
    type: 'wait',
    version: 1,
    title: 'Waits for a while, or until a time.',
    kind: 'control',
    queue: null,
    inputs: {
      type: 'object',
      properties: {
        seconds: { type: 'integer', description: 'How long.', minimum: 1, maximum: 2_592_000 },
        until: {
          type: 'string',
          format: 'time',
          description: 'Until when; over at once when it has passed.',
        },
      },
    },
    outputs: NONE,
    choices: [{ inputs: ['seconds', 'until'], required: true }],
    durationInput: 'seconds',
    timeoutSeconds: 2_592_060,
    maxTimeoutSeconds: 2_592_060,
    retry: { attempts: 1 },
    capabilities: [],
    idempotencyKey: null,
    effect: 'none',
    compensation: null,
    perTarget: false,
    changesTargets: false,
  },
  text:
    "A durable timer of the interpreter: it survives restarts and costs no worker. The promotion's own deadline goes on meanwhile. To watch health " +
    'while time passes take `soak@1`.',
  effectText: null,
  examples: WAIT_EXAMPLES,
};
