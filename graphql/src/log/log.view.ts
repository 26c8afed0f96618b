import type { StepLogRecord } from '@sluice/persistence';

/** Shows a log without its text. */
export function stepLogView(record: StepLogRecord) {
  const { stepId, memberKey, round, attempt, stream, digest, bytes, truncatedBytes } = record;
  return {
    step: stepId,
    member: memberKey === '' ? null : memberKey,
    round,
    attempt,
    purpose: stream === 'run' ? 'RUN' : 'COMPENSATE',
    bytes: digest === null ? null : bytes,
    droppedBytes: truncatedBytes,
    digest,
    startedAt: record.startedAt,
    endedAt: record.endedAt,
  };
}

/** A log as the schema has it. */
export type StepLogView = ReturnType<typeof stepLogView>;
