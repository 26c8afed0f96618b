import type { StepTypeManifest } from '../step-type-manifest.ts';
import { NONE } from '../value-schemas.ts';
import { NOOP_EXAMPLES } from './noop.examples.ts';

/** `noop@1`. */
export const NOOP: StepTypeManifest = {
  place: 150,
  stepType: {
    type: 'noop',
    version: 1,
    title: 'Does nothing and succeeds.',
    kind: 'activity',
    queue: 'control',
    inputs: NONE,
    outputs: NONE,
    timeoutSeconds: 60,
    maxTimeoutSeconds: 600,
    retry: { attempts: 5, backoffSeconds: 1, maxBackoffSeconds: 10 },
    capabilities: [],
    idempotencyKey: null,
    effect: 'none',
    compensation: null,
    perTarget: false,
    changesTargets: false,
  },
  text: 'Stands in for a step in a pipeline that is being tried out, and joins branches that nothing else joins.',
  effectText: null,
  examples: NOOP_EXAMPLES,
};
