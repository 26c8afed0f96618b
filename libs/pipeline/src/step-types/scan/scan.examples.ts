import type { StepTypeExamples } from '../step-type-manifest.ts';

/** Examples of `scan@1`. */
export const SCAN_EXAMPLES: StepTypeExamples = {
  runs: [
    {
      inputs: {},
      outputs: {
        findings: `sha256:${'1'.repeat(64)}`,
        report: `sha256:${'2'.repeat(64)}`,
        sbom: `sha256:${'3'.repeat(64)}`,
      },
    },
  ],
  refused: [
    { why: 'what is scanned is the release, not an input', path: 'image', inputs: { image: 'a' } },
  ],
};
