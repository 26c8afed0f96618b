'use strict';
// The part of tracing that runs in the workflow sandbox: a module for the workflow bundle, loaded by nothing else. A run,
// a signal or an update is traced exactly when it came with a trace header, which stands in the history: a replay
// decides the same. Span ids come from a random stream of their own, so that nothing which a workflow does depends on
// them. Queries and update validators are not traced: a replay runs neither, and ids would differ.
//
// CommonJS, because what traces is only evaluated where it is needed: its modules take some 15 ms for each run, and most
// installations trace nothing.

/** As in `@temporalio/interceptors-opentelemetry-v2/lib/instrumentation`. */
const TRACE_HEADER = '_tracer-data';

/** @returns {import('@temporalio/workflow').WorkflowInterceptors} for one workflow run */
exports.interceptors = () => {
  let made;
  const tracing = () => {
    made ??= createTracing();
    return made;
  };
  const inbound = (method) => (input, next) =>
    input.headers[TRACE_HEADER] === undefined
      ? next(input)
      : tracing().inbound[method](input, next);
  const outbound = (method) => (input, next) =>
    made?.isInSpan() ? made.outbound[method](input, next) : next(input);
  return {
    inbound: [
      {
        execute: inbound('execute'),
        handleSignal: inbound('handleSignal'),
        handleUpdate: inbound('handleUpdate'),
      },
    ],
    outbound: [
      {
        scheduleActivity: outbound('scheduleActivity'),
        startChildWorkflowExecution: outbound('startChildWorkflowExecution'),
        signalWorkflow: outbound('signalWorkflow'),
        continueAsNew: outbound('continueAsNew'),
      },
    ],
    internals: [
      {
        dispose: (input, next) => (made ? made.internals.dispose(input, next) : next(input)),
      },
    ],
  };
};

function createTracing() {
  // This one first: it prepares the sandbox for what the others load.
  const {
    OpenTelemetryInboundInterceptor,
    OpenTelemetryInternalsInterceptor,
    OpenTelemetryOutboundInterceptor,
  } = require('@temporalio/interceptors-opentelemetry-v2/lib/workflow');
  const { context, trace } = require('@opentelemetry/api');
  return {
    inbound: new OpenTelemetryInboundInterceptor(),
    outbound: new OpenTelemetryOutboundInterceptor(),
    internals: new OpenTelemetryInternalsInterceptor(),
    isInSpan: () => trace.getSpanContext(context.active()) !== undefined,
  };
}
