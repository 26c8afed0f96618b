import type { StepTypeManifest } from '../step-type-manifest.ts';
import { digests, NONE } from '../value-schemas.ts';
import { GATE_EXAMPLES } from './gate.examples.ts';

/** `gate@1`. */
export const GATE: StepTypeManifest = {
  place: 20,
  stepType: {
    type: 'gate',
    version: 1,
    title: 'Asks the policy whether the release may go on.',
    kind: 'activity',
    queue: 'gate',
    inputs: NONE,
    outputs: digests({ decision: "The decision's determinism hash." }),
    timeoutSeconds: 60,
    maxTimeoutSeconds: 600,
    retry: { attempts: 5, backoffSeconds: 1, maxBackoffSeconds: 10 },
    capabilities: ['records', 'evidence', 'policy'],
    idempotencyKey: null,
    effect: 'none',
    compensation: null,
    perTarget: false,
    changesTargets: false,
  },
  text:
    'Evaluates the policy bundle that the promotion froze over the outputs of the steps that it needs, in most pipelines those of ' +
    '`scan@1`. A deny ends the promotion as denied. A retry takes the decision that is stored.',
  effectText: null,
  examples: GATE_EXAMPLES,
};
