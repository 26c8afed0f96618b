import type { StepTypeManifest } from '../step-type-manifest.ts';
import { NONE } from '../value-schemas.ts';
import { NOTIFY_EXAMPLES } from './notify.examples.ts';

/** `notify@1`. */
export const NOTIFY: StepTypeManifest = {
  place: 130,
  stepType: {
    type: 'notify',
    version: 1,
    title: 'Tells people through a channel.',
    kind: 'activity',
    queue: 'outbound',
    inputs: {
      type: 'object',
      properties: {
        channel: {
          type: 'string',
          format: 'name',
          description: 'Name of a channel of the configuration.',
        },
        message: { type: 'string', description: 'Plain text.', minLength: 1, maxLength: 4000 },
      },
      required: ['channel', 'message'],
    },
    outputs: NONE,
    timeoutSeconds: 30,
    maxTimeoutSeconds: 300,
    retry: {
      attempts: 5,
      backoffSeconds: 2,
      maxBackoffSeconds: 60,
      terminal: ['channel-unknown'],
    },
    capabilities: ['network', 'secrets'],
    idempotencyKey: 'promotion/step/member',
    effect: 'at-least-once',
    compensation: null,
    perTarget: false,
    changesTargets: false,
  },
  text:
    'Where a channel leads is configuration, so that a pipeline holds no address and no token. With `when: onFailure` it is said after the targets were put ' +
    'back; with `continueOnFailure` a channel that is down stops nothing.',
  effectText:
    'The message is sent again, with the same key, when its answer was lost: people may read it twice.',
  examples: NOTIFY_EXAMPLES,
};
