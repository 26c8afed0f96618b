import type { StepTypeExamples } from '../step-type-manifest.ts';

/** Examples of `deploy@1`. */
export const DEPLOY_EXAMPLES: StepTypeExamples = {
  runs: [
    {
      inputs: {},
      outputs: { plan: `sha256:${'6'.repeat(64)}`, report: `sha256:${'7'.repeat(64)}` },
    },
  ],
  refused: [
    {
      why: "what is deployed is the promotion's release",
      path: 'release',
      inputs: { release: 'a' },
    },
  ],
};
