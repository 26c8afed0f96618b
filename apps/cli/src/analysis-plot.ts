import type { AnalysedMetric, SamplePoint } from '@sluice/domain';
import { MAX_WIDTH } from './text-layout.ts';

const ROWS = 8;
const LABEL_WIDTH = 9;

const MARKS = { canary: '●', baseline: '○', both: '◉' } as const;

/** Columns of points: what is left of a line beside the labels. */
const MAX_COLUMNS = MAX_WIDTH - LABEL_WIDTH - 4;

/**
 * Draws canary against baseline over time: ● canary, ○ baseline, ◉ both. Needs no colour; a column without a mark is a time without a value.
 * @param seconds of the whole range
 * @param stepSeconds between two points
 * @returns lines of at most 80 characters; one that says so where there is nothing to draw
 */
export function plot(
  { canary, baseline }: Pick<AnalysedMetric, 'canary' | 'baseline'>,
  seconds: number,
  stepSeconds: number,
): string {
  const columns = Math.max(1, Math.min(MAX_COLUMNS, Math.ceil(seconds / stepSeconds)));
  const sides = {
    canary: meansOf(canary, seconds, columns),
    baseline: meansOf(baseline, seconds, columns),
  };
  const values = [...sides.canary, ...sides.baseline].filter((one) => one !== null);
  if (values.length === 0) return '  No samples.\n';
  const { low, high } = scaleOf(values);
  const rowOf = (value: number): number => Math.round(((value - low) / (high - low)) * (ROWS - 1));
  const lines: string[] = [];
  for (let row = ROWS - 1; row >= 0; row -= 1) {
    const isLabelled = row === ROWS - 1 || row === 0 || row === Math.floor(ROWS / 2);
    const label = isLabelled ? shortNumber(low + ((high - low) * row) / (ROWS - 1)) : '';
    const cells = Array.from({ length: columns }, (_, column) => {
      const inRow = (value: number | null | undefined): boolean =>
        value !== null && value !== undefined && rowOf(value) === row;
      const isCanary = inRow(sides.canary[column]);
      const isBaseline = inRow(sides.baseline[column]);
      if (isCanary && isBaseline) return MARKS.both;
      return isCanary ? MARKS.canary : isBaseline ? MARKS.baseline : ' ';
    });
    lines.push(
      `${label.padStart(LABEL_WIDTH)} ${isLabelled ? '┤' : '│'} ${cells.join('')}`.trimEnd(),
    );
  }
  const end = `${Math.round(seconds)} s`;
  lines.push(`${' '.repeat(LABEL_WIDTH)} └${'─'.repeat(columns + 1)}`);
  lines.push(
    `${' '.repeat(LABEL_WIDTH + 3)}0 s${end.padStart(Math.max(end.length + 1, columns - 3))}`,
  );
  return `${lines.join('\n')}\n`;
}

/** What the marks mean. */
export const PLOT_LEGEND = `${MARKS.canary} new version   ${MARKS.baseline} old version   ${MARKS.both} both`;

/** The mean of each column; null without a value. */
function meansOf(
  points: readonly SamplePoint[],
  seconds: number,
  columns: number,
): readonly (number | null)[] {
  const sums = Array.from({ length: columns }, () => ({ sum: 0, count: 0 }));
  for (const [at, value] of points) {
    if (value === null) continue;
    const column = Math.min(columns - 1, Math.max(0, Math.floor((at / seconds) * columns)));
    const into = sums[column];
    if (into === undefined) continue;
    into.sum += value;
    into.count += 1;
  }
  return sums.map(({ sum, count }) => (count === 0 ? null : sum / count));
}

/** From zero where that is near, so that a small noise does not look like much. */
function scaleOf(values: readonly number[]): { readonly low: number; readonly high: number } {
  const least = Math.min(...values);
  const most = Math.max(...values);
  const low = least >= 0 && least <= most / 2 ? 0 : least;
  return most > low ? { low, high: most } : { low: low - (Math.abs(low) || 1) / 2, high: most };
}

/** A number in at most nine characters. */
export function shortNumber(value: number | null): string {
  if (value === null) return '-';
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (size >= 1e6 || size < 1e-4) return value.toExponential(1);
  return String(Number(value.toPrecision(size >= 1000 ? 5 : 3)));
}
