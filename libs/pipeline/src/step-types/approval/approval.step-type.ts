import type { StepTypeManifest } from '../step-type-manifest.ts';
import { digests, NONE } from '../value-schemas.ts';
import { APPROVAL_EXAMPLES } from './approval.examples.ts';

/** `approval@1`. */
export const APPROVAL: StepTypeManifest = {
  place: 40,
  stepType: {
    type: 'approval',
    version: 1,
    title: 'Waits until enough people have approved the plan.',
    kind: 'control',
    queue: null,
    inputs: NONE,
    outputs: digests({ plan: 'The plan set that was approved.' }),
    timeoutSeconds: 86_400,
    maxTimeoutSeconds: 604_800,
    retry: { attempts: 1 },
    capabilities: ['records'],
    idempotencyKey: null,
    effect: 'none',
    compensation: null,
    perTarget: false,
    changesTargets: false,
  },
  text:
    "How many people of which roles, and until when, is the environment's approval rule; whoever asked for the promotion never counts. It needs " +
    "`plan@1` before it. One rejection, or the rule's deadline, ends the promotion as denied.",
  effectText: null,
  examples: APPROVAL_EXAMPLES,
};
