import type { StepTypeManifest } from '../step-type-manifest.ts';
import { digests, NONE } from '../value-schemas.ts';
import { SCAN_EXAMPLES } from './scan.examples.ts';

/** `scan@1`. */
export const SCAN: StepTypeManifest = {
  place: 10,
  stepType: {
    type: 'scan',
    version: 1,
    title: 'Looks for secrets, misconfigurations and packages in every image of the release.',
    kind: 'activity',
    queue: 'scan',
    inputs: NONE,
    outputs: digests({
      findings: 'Findings of all images in the normal form.',
      report: "The scanner's report; of several images a list of their reports.",
      sbom: 'The bill of materials (CycloneDX); of several images a list.',
    }),
    timeoutSeconds: 300,
    maxTimeoutSeconds: 3600,
    retry: {
      attempts: 3,
      backoffSeconds: 1,
      maxBackoffSeconds: 10,
      terminal: ['component-kind-unsupported'],
    },
    capabilities: ['records', 'evidence', 'scanner'],
    idempotencyKey: null,
    effect: 'none',
    compensation: null,
    perTarget: false,
    changesTargets: false,
  },
  text:
    'Scans each image as it lies in the evidence store, and signs a statement of what was found. It judges nothing: ' +
    'that is for `gate@1`. A release with a component that is no image fails it.',
  effectText: null,
  examples: SCAN_EXAMPLES,
};
