import type { RunProgress } from './run-histories.ts';
import { counted } from './text.ts';

/** Where progress is shown. */
export interface ProgressOutput {
  write(text: string): void;
  /** Characters in a line; undefined where it is no terminal. */
  readonly columns: number | undefined;
}

const REDRAW_MS = 100;
const PLAIN_MS = 10_000;
const BAR = 24;
const ERASE_LINE = '\r\u001b[2K';

/** Shows nothing. */
export const SILENT: RunProgress = {
  replayed: () => undefined,
  searching: () => undefined,
  close: () => undefined,
};

/** A bar that is drawn over itself on a terminal; elsewhere a plain line now and then. */
export function openProgress(
  total: number,
  output: ProgressOutput,
  now: () => number = () => performance.now(),
): RunProgress {
  const started = now();
  const isTerminal = output.columns !== undefined;
  let done = 0;
  let bad = 0;
  let note = '';
  let shownAt = isTerminal ? -Infinity : started;
  const line = (): string => {
    const seconds = (now() - started) / 1000;
    const rate = seconds > 0 ? done / seconds : 0;
    const left = rate > 0 ? Math.ceil((total - done) / rate) : undefined;
    const problems = bad > 0 ? `, ${counted(bad, 'problem')}` : '';
    const rest = left === undefined || done === total ? '' : `, ${left} s left`;
    return (
      note ||
      `${done} of ${counted(total, 'history', 'histories')}, ${rate.toFixed(1)}/s${rest}${problems}`
    );
  };
  const show = (isDue = false): void => {
    const time = now();
    if (!isDue && time - shownAt < (isTerminal ? REDRAW_MS : PLAIN_MS)) return;
    shownAt = time;
    if (!isTerminal) {
      output.write(`${line()}\n`);
      return;
    }
    const filled = Math.round((BAR * done) / Math.max(total, 1));
    const bar = `${'█'.repeat(filled)}${'░'.repeat(BAR - filled)}`;
    // The last column stays free: some terminals break the line there.
    output.write(ERASE_LINE + `${bar} ${line()}`.slice(0, (output.columns ?? 80) - 1));
  };
  if (isTerminal) show(true);
  return {
    replayed: ({ outcome }) => {
      done += 1;
      if (outcome !== 'deterministic') bad += 1;
      show(isTerminal && done === total);
    },
    searching: (count) => {
      note = `Searching the build that broke ${count === 1 ? 'it' : `them: ${counted(count, 'search', 'searches')}`} …`;
      show(true);
    },
    close: () => {
      if (isTerminal) output.write(ERASE_LINE);
    },
  };
}
