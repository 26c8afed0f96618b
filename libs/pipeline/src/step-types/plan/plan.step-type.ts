import type { StepTypeManifest } from '../step-type-manifest.ts';
import { digests, NONE } from '../value-schemas.ts';
import { PLAN_EXAMPLES } from './plan.examples.ts';

/** `plan@1`. */
export const PLAN: StepTypeManifest = {
  place: 30,
  stepType: {
    type: 'plan',
    version: 1,
    title: 'Computes and stores what each target would change.',
    kind: 'activity',
    queue: 'control',
    inputs: NONE,
    outputs: digests({ plan: 'The plan set over all targets.' }),
    timeoutSeconds: 60,
    maxTimeoutSeconds: 600,
    retry: {
      attempts: 5,
      backoffSeconds: 1,
      maxBackoffSeconds: 10,
      terminal: ['target-state-unknown'],
    },
    capabilities: ['records'],
    idempotencyKey: null,
    effect: 'none',
    compensation: null,
    perTarget: false,
    changesTargets: false,
  },
  text:
    'One step for all targets. Its plan set is what `approval@1` asks people about and what `deploy@1` goes by. When a target changes meanwhile ' +
    'the plan is stale, and it and the steps that need it run again in the next round.',
  effectText: null,
  examples: PLAN_EXAMPLES,
};
