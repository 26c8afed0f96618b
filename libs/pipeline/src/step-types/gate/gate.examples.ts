import type { StepTypeExamples } from '../step-type-manifest.ts';

/** Examples of `gate@1`. */
export const GATE_EXAMPLES: StepTypeExamples = {
  runs: [{ inputs: {}, outputs: { decision: `sha256:${'4'.repeat(64)}` } }],
  refused: [
    { why: "the policy is the environment's", path: 'policy', inputs: { policy: 'release-gate' } },
  ],
};
