import type { StepTypeExamples } from '../step-type-manifest.ts';

/** Examples of `noop@1`. */
export const NOOP_EXAMPLES: StepTypeExamples = {
  runs: [{ inputs: {}, outputs: {} }],
  refused: [{ why: 'it does nothing with anything', path: 'message', inputs: { message: 'hi' } }],
};
