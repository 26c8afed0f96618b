'use strict';
// Loaded by the SDK by its path. CommonJS, because the SDK requires it. Messages and stack traces of
// failures go through the payload codec; the workflow bundle has the same converter inside the sandbox.
const { DefaultFailureConverter } = require('@temporalio/common');

exports.failureConverter = new DefaultFailureConverter({ encodeCommonAttributes: true });
