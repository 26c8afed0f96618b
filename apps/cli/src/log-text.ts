import { printable } from '@sluice/pure';
import type { CliIo } from './cli-io.ts';
import type { StepLogView } from './log-operations.ts';

/** Writes the text of a log piece by piece, without what would steer a terminal. */
export interface LogWriter {
  write(text: string): void;
  /** Ends the last line, where it is open. */
  end(): void;
}

/** Begins to write a log to the result. */
export function openLogWriter(io: CliIo): LogWriter {
  let isOpen = false;
  return {
    write: (text) => {
      if (text === '') return;
      io.out(harmless(text));
      isOpen = !text.endsWith('\n');
    },
    end: () => {
      if (isOpen) io.out('\n');
      isOpen = false;
    },
  };
}

/** Which log it is: `migrate`, `deploy/eu-1, attempt 2`. */
export function headOf({ step, member, attempt, purpose, round }: StepLogView): string {
  const name = member === null ? step : `${step}/${member}`;
  const parts = [
    name,
    ...(purpose === 'COMPENSATE' ? ['undo'] : []),
    ...(round > 1 ? [`round ${round}`] : []),
    ...(attempt > 1 ? [`attempt ${attempt}`] : []),
  ];
  return parts.join(', ');
}

/** Lines and tabs stay; a return at a line's end is part of its end. */
function harmless(text: string): string {
  return text
    .replace(/\r\n/g, '\n')
    .split(/([\n\t])/)
    .map((part) => (part === '\n' || part === '\t' ? part : printable(part)))
    .join('');
}
