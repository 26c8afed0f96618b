import type { ValueSchema } from '@sluice/domain';
import type { StepTypeManifest } from '../step-type-manifest.ts';
import { digestOf, SECRET_NAME } from '../value-schemas.ts';
import { HTTP_EXAMPLES } from './http.examples.ts';

function statuses(description: string): ValueSchema {
  const items: ValueSchema = { type: 'integer', minimum: 100, maximum: 599 };
  return { type: 'array', description, items, minItems: 1, maxItems: 100 };
}

function headers(description: string, value: ValueSchema): ValueSchema {
  return { type: 'object', description, properties: {}, additional: value };
}

/** `http@1`. */
export const HTTP: StepTypeManifest = {
  place: 120,
  stepType: {
    type: 'http',
    version: 1,
    title: 'Makes one HTTP request and looks at its answer.',
    kind: 'activity',
    queue: 'outbound',
    inputs: {
      type: 'object',
      properties: {
        method: {
          type: 'string',
          description: '`GET` when absent.',
          enum: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
        },
        url: { type: 'string', format: 'url', description: 'Redirects are not followed.' },
        headers: headers('Name → value.', { type: 'string', maxLength: 8192 }),
        secretHeaders: headers('Name → name of the secret that is its value.', SECRET_NAME),
        body: { type: 'string', description: 'As it is sent.', maxLength: 1_048_576 },
        json: { type: 'any', description: 'Sent as JSON, in place of `body`.' },
        status: statuses('What counts as success; every 2xx when absent.'),
        retryStatus: statuses(
          'What is worth another attempt; 408, 425, 429, 500, 502, 503, 504 when absent.',
        ),
        maxResponseBytes: {
          type: 'integer',
          description: 'A longer answer fails the step; 1048576 when absent.',
          minimum: 0,
          maximum: 10_485_760,
        },
      },
      required: ['url'],
    },
    outputs: {
      type: 'object',
      properties: {
        status: { type: 'integer', description: 'HTTP status.', minimum: 100, maximum: 599 },
        headers: headers('Names in lower case.', { type: 'string', maxLength: 8192 }),
        body: {
          type: 'any',
          description:
            'The value of a JSON answer, else its text; absent when empty or over 64 KiB.',
        },
        bodyDigest: digestOf("The answer's bytes in the evidence store."),
      },
      required: ['status', 'headers', 'bodyDigest'],
    },
    choices: [{ inputs: ['body', 'json'], required: false }],
    secretInputs: ['url', 'body'],
    timeoutSeconds: 30,
    maxTimeoutSeconds: 3600,
    retry: {
      attempts: 3,
      backoffSeconds: 2,
      maxBackoffSeconds: 30,
      terminal: ['address-refused', 'http-status-unexpected', 'http-answer-too-large'],
    },
    capabilities: ['evidence', 'network', 'secrets'],
    idempotencyKey: 'promotion/step/member',
    effect: 'at-least-once',
    compensation: null,
    perTarget: false,
    changesTargets: false,
  },
  text:
    'No answer, or a status of `retryStatus`, is tried again as `retry` says; any other status that is no success fails the step at once. What the request ' +
    'changed elsewhere is not undone: a step with `when: onFailure` can do that.',
  effectText:
    'The request is sent again with the same `Idempotency-Key` when its answer was lost. A service that does not know that header sees it twice: set ' +
    '`retry: {attempts: 1}` there.',
  examples: HTTP_EXAMPLES,
};
