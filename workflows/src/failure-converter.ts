import { DefaultFailureConverter } from '@temporalio/common';

/**
 * The sandbox's failure converter: messages and stack traces go through the payload codec, so that no failure
 * stands in a history as plain text. `createDataConverter` of the client uses the same setting outside the sandbox.
 */
export const failureConverter = new DefaultFailureConverter({ encodeCommonAttributes: true });
