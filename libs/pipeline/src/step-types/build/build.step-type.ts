import type { StepTypeManifest } from '../step-type-manifest.ts';
import { COMPONENT, digestOf, VERSION } from '../value-schemas.ts';
import { BUILD_EXAMPLES } from './build.examples.ts';

/** `build@1`. */
export const BUILD: StepTypeManifest = {
  place: 90,
  stepType: {
    type: 'build',
    version: 1,
    title: 'Evaluates and builds with Nix, and gives the result as a component.',
    kind: 'activity',
    queue: 'build',
    inputs: {
      type: 'object',
      properties: {
        flake: {
          type: 'string',
          description: 'Flake reference, without the attribute; name a revision.',
          minLength: 1,
          maxLength: 2048,
        },
        expression: {
          type: 'string',
          description: 'Nix expression, in place of a flake.',
          minLength: 1,
          maxLength: 65_536,
        },
        attribute: {
          type: 'string',
          description: "What to build of it; the flake's default package when absent.",
          minLength: 1,
          maxLength: 512,
        },
        component: {
          type: 'string',
          format: 'name',
          description: 'What the component will be called.',
        },
        version: VERSION,
      },
      required: ['component', 'version'],
    },
    outputs: {
      type: 'object',
      properties: {
        storePath: {
          type: 'string',
          description: 'Path in the Nix store.',
          minLength: 12,
          maxLength: 512,
        },
        narHash: digestOf("Of the store path's NAR form."),
        narSize: { type: 'integer', description: 'Bytes of the NAR form.', minimum: 0 },
        closure: digestOf('The closure as one archive in the evidence store.'),
        component: {
          ...COMPONENT,
          description: 'Of kind `nix`: its digest binds store path, NAR hash and closure.',
        },
      },
      required: ['storePath', 'narHash', 'narSize', 'closure', 'component'],
    },
    choices: [{ inputs: ['flake', 'expression'], required: true }],
    timeoutSeconds: 3600,
    maxTimeoutSeconds: 86_400,
    retry: {
      attempts: 2,
      backoffSeconds: 10,
      terminal: [
        'build-failed',
        'build-evaluation-failed',
        'build-memory-exceeded',
        'build-processes-exceeded',
      ],
    },
    capabilities: ['evidence', 'nix'],
    idempotencyKey: null,
    effect: 'none',
    compensation: null,
    perTarget: false,
    changesTargets: false,
  },
  text:
    'A real `nix build`: its log is streamed and kept, and cancelling ends its whole process group. What comes out is known by store path and NAR hash, and its ' +
    'whole closure is kept; what is in the store already is not built again. Memory, processors and processes are bounded where the worker can: the first line of ' +
    'its log says by what. Put `component` into `release@1`.',
  effectText: null,
  examples: BUILD_EXAMPLES,
};
