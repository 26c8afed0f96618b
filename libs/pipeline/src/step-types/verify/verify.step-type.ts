import type { StepTypeManifest } from '../step-type-manifest.ts';
import { NONE } from '../value-schemas.ts';
import { VERIFY_EXAMPLES } from './verify.examples.ts';

/** `verify@1`. */
export const VERIFY: StepTypeManifest = {
  place: 60,
  stepType: {
    type: 'verify',
    version: 1,
    title: 'Asks the health of what runs on each target.',
    kind: 'activity',
    queue: 'verify',
    inputs: NONE,
    outputs: NONE,
    timeoutSeconds: 120,
    maxTimeoutSeconds: 3600,
    retry: {
      attempts: 3,
      backoffSeconds: 1,
      maxBackoffSeconds: 10,
      terminal: ['target-unhealthy'],
    },
    capabilities: ['records', 'network'],
    idempotencyKey: null,
    effect: 'none',
    compensation: null,
    perTarget: true,
    changesTargets: false,
  },
  text:
    "The worker itself asks over HTTP, by the target's health probe, whatever the agent said before. Healthy is HTTP 200 so often in a row as the " +
    'probe wants. For a longer look take `soak@1`.',
  effectText: null,
  examples: VERIFY_EXAMPLES,
};
