import type { StepTypeExamples } from '../step-type-manifest.ts';

/** Examples of `verify@1`. */
export const VERIFY_EXAMPLES: StepTypeExamples = {
  runs: [{ inputs: {}, outputs: {} }],
  refused: [{ why: "the probe is the target's", path: 'path', inputs: { path: '/healthz' } }],
};
