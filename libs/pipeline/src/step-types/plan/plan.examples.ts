import type { StepTypeExamples } from '../step-type-manifest.ts';

/** Examples of `plan@1`. */
export const PLAN_EXAMPLES: StepTypeExamples = {
  runs: [{ inputs: {}, outputs: { plan: `sha256:${'5'.repeat(64)}` } }],
  refused: [
    { why: 'it plans for all targets', path: 'targets', inputs: { targets: ['dev-host-1'] } },
  ],
};
