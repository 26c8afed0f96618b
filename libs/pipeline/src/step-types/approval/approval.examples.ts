import type { StepTypeExamples } from '../step-type-manifest.ts';

/** Examples of `approval@1`. */
export const APPROVAL_EXAMPLES: StepTypeExamples = {
  runs: [{ inputs: {}, outputs: { plan: `sha256:${'5'.repeat(64)}` } }],
  refused: [{ why: "who approves is the environment's rule", path: 'count', inputs: { count: 1 } }],
};
