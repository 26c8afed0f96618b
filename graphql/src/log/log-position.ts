import type { StepLogRecord } from '@sluice/persistence';
import { badPosition } from '../subscription/position.ts';

/** How far somebody has read the logs of a step. */
export interface LogPosition {
  readonly log: Pick<StepLogRecord, 'round' | 'stream' | 'attempt'>;
  /** Of the next byte; null when the log's end was told. */
  readonly offset: number | null;
}

const FORM = /^([1-9][0-9]{0,8})\.(run|compensation)\.([1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,9}|end)$/;

/** A position as text: `1.run.2.4096`, `1.run.2.end`. */
export function logPositionText({ log, offset }: LogPosition): string {
  return `${log.round}.${log.stream}.${log.attempt}.${offset ?? 'end'}`;
}

/** Reads what a client hands over; undefined when it gave none. Throws a `BAD_USER_INPUT` error. */
export function readLogPosition(text: string | null | undefined): LogPosition | undefined {
  if (text === null || text === undefined) return undefined;
  const [, round, stream, attempt, offset] = FORM.exec(text) ?? [];
  if (round === undefined) throw badPosition();
  return {
    log: {
      round: Number(round),
      stream: stream === 'run' ? 'run' : 'compensation',
      attempt: Number(attempt),
    },
    offset: offset === 'end' ? null : Number(offset),
  };
}
