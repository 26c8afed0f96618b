import type { StepTypeManifest } from '../step-type-manifest.ts';
import { SOAK_EXAMPLES } from './soak.examples.ts';

/** `soak@1`. */
export const SOAK: StepTypeManifest = {
  place: 70,
  stepType: {
    type: 'soak',
    version: 1,
    title: 'Lets time pass, in which everything must stay healthy.',
    kind: 'activity',
    queue: 'outbound',
    inputs: {
      type: 'object',
      properties: {
        seconds: { type: 'integer', description: 'How long.', minimum: 1, maximum: 604_800 },
        everySeconds: {
          type: 'integer',
          description: 'Between two rounds of asking; 15 when absent.',
          minimum: 1,
          maximum: 3600,
        },
        failures: {
          type: 'integer',
          description:
            'Consecutive failures of one probe after which the step fails; 1 when absent.',
          minimum: 1,
          maximum: 100,
        },
        probes: {
          type: 'array',
          description: "What must stay healthy; each target's own health probe when absent.",
          items: {
            type: 'object',
            properties: {
              url: { type: 'string', format: 'url', description: 'Asked with GET.' },
              status: {
                type: 'integer',
                description: '200 when absent.',
                minimum: 100,
                maximum: 599,
              },
            },
            required: ['url'],
          },
          minItems: 1,
          maxItems: 100,
        },
      },
      required: ['seconds'],
    },
    outputs: {
      type: 'object',
      properties: {
        rounds: { type: 'integer', description: 'How often all were asked.', minimum: 1 },
      },
      required: ['rounds'],
    },
    durationInput: 'seconds',
    timeoutSeconds: 604_860,
    maxTimeoutSeconds: 604_860,
    retry: {
      attempts: 5,
      backoffSeconds: 1,
      maxBackoffSeconds: 10,
      terminal: ['address-refused', 'soak-unhealthy'],
    },
    capabilities: ['records', 'network'],
    idempotencyKey: null,
    effect: 'none',
    compensation: null,
    perTarget: false,
    changesTargets: false,
  },
  text:
    'Stands after `verify@1`: that says that a release came up, this that it stays up. A probe that fails so often in a row as `failures` says ends the step ' +
    'at once, so that what was deployed is put back.',
  effectText: null,
  examples: SOAK_EXAMPLES,
};
