import { MAX_COMPONENTS } from '@sluice/domain';
import type { StepTypeManifest } from '../step-type-manifest.ts';
import { COMPONENT, digestOf, VERSION } from '../value-schemas.ts';
import { RELEASE_EXAMPLES } from './release.examples.ts';

/** `release@1`. */
export const RELEASE: StepTypeManifest = {
  place: 100,
  stepType: {
    type: 'release',
    version: 1,
    title: 'Makes the release of this promotion.',
    kind: 'activity',
    queue: 'control',
    inputs: {
      type: 'object',
      properties: {
        name: { type: 'string', format: 'name', description: "The release's name." },
        version: VERSION,
        components: {
          type: 'array',
          description: 'What is in it: outputs of `build@1`, or written out.',
          items: COMPONENT,
          minItems: 1,
          maxItems: MAX_COMPONENTS,
        },
      },
      required: ['name', 'version', 'components'],
    },
    outputs: {
      type: 'object',
      properties: {
        release: digestOf('The release: its id.'),
        name: { type: 'string', format: 'name', description: "The release's name." },
        version: VERSION,
      },
      required: ['release', 'name', 'version'],
    },
    timeoutSeconds: 60,
    maxTimeoutSeconds: 600,
    retry: {
      attempts: 5,
      backoffSeconds: 1,
      maxBackoffSeconds: 10,
      terminal: [
        'release-version-taken',
        'release-name-invalid',
        'release-version-invalid',
        'release-component-invalid',
        'release-given',
      ],
    },
    capabilities: ['records', 'evidence', 'releases'],
    idempotencyKey: 'promotion/step',
    effect: 'exactly-once',
    compensation: null,
    perTarget: false,
    changesTargets: false,
  },
  text:
    'The same components under the same name and version are the same release; others under a version that is taken fail the step ' +
    '(`release-version-taken`). The promotion is asked for without a release, and is of this one from then on: scan, gate, plan, approval, deploy and ' +
    'verify come after it. Components, and all that they name, must belong to the tenant. ' +
    'A pipeline has one such step. A release is never undone: one that is not deployed does nothing.',
  effectText:
    'Release, event and effect record are written in one transaction under its key; its id is the digest of what is in it.',
  examples: RELEASE_EXAMPLES,
};
