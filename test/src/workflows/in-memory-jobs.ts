import { defaultPayloadConverter, type Payload } from '@temporalio/common';
import type proto from '@temporalio/proto';

/** What a workflow task brings. */
export type Job = proto.coresdk.workflow_activation.IWorkflowActivationJob;

/** Somebody tells a workflow something. */
export function jobOfSignal(signalName: string, input: Payload[]): Job {
  return { signalWorkflow: { signalName, input } };
}

/** Somebody asks a workflow for something; its validator is asked first. */
export function jobOfUpdate(id: string, name: string, input: unknown): Job {
  const payload = defaultPayloadConverter.toPayload(input);
  const doUpdate = { id, protocolInstanceId: id, name, input: [payload], headers: {} };
  const meta = { identity: 'test', updateId: id };
  return { doUpdate: { ...doUpdate, runValidator: true, meta } } as unknown as Job;
}

/** An activity that was cancelled, and whose end nobody waits for. */
export function jobOfCancelled(seq: number): Job {
  const cancelled = {
    failure: {
      message: 'Activity cancelled',
      activityFailureInfo: { activityType: { name: 'cancelled' }, activityId: `${seq}` },
      cause: { message: 'Activity cancelled', canceledFailureInfo: {} },
    },
  };
  return { resolveActivity: { seq, result: { cancelled } } } as unknown as Job;
}

/** Failures are encoded like everything that histories have. */
export function messageOf(
  failure: proto.temporal.api.failure.v1.IFailure | null | undefined,
): string {
  const { encodedAttributes: encoded, message } = failure ?? {};
  if (encoded == null) return message ?? 'no reason';
  return defaultPayloadConverter.fromPayload<{ readonly message: string }>(encoded).message;
}

/** Bytes of payloads. */
export function sizeOf(payloads: readonly { readonly data?: Uint8Array | null }[]): number {
  return payloads.reduce((sum, { data }) => sum + (data?.length ?? 0), 0);
}

/** An activity failed for good. @param error an `ApplicationFailure` */
export function jobOfFailure(seq: number, activityType: string, error: Error): Job {
  const { type = null } = error as { readonly type?: string | null };
  const failure = {
    message: 'Activity task failed',
    activityFailureInfo: {
      activityType: { name: activityType },
      activityId: `${seq}`,
      retryState: NON_RETRYABLE,
    },
    cause: { message: error.message, applicationFailureInfo: { type, nonRetryable: true } },
  };
  return { resolveActivity: { seq, result: { failed: { failure } } } } as unknown as Job;
}

/** `RETRY_STATE_NON_RETRYABLE_FAILURE`. */
const NON_RETRYABLE = 2;
