/** One line of a panel: a value for each of its moments, null where there is none. */
export type PlotSeries = {
  readonly name: string;
  /** One character. Where two series meet, the later one is seen. */
  readonly sign: string;
  readonly values: readonly (number | null)[];
};

/** Some series over the same moments with one scale. */
export type PlotPanel = {
  readonly title: string;
  readonly unit: string;
  readonly series: readonly PlotSeries[];
  /** What the scale reaches at least. */
  readonly atLeast?: number;
  /** Few values that are far above all others leave the scale at the top, as `^`, instead of making all others small. */
  readonly isClipped?: boolean;
};

/** A moment that is marked in all panels. */
export type PlotMark = { readonly at: number; readonly sign: string; readonly text: string };

/** What {@link toPlot} draws. */
export type Plot = {
  readonly panels: readonly PlotPanel[];
  /** Seconds from one value to the next. */
  readonly seconds: number;
  /** In seconds from the first value on, ascending. */
  readonly marks: readonly PlotMark[];
  /** Widest line, in characters; 100 when absent, at least 40. */
  readonly width?: number;
  /** Lines of a panel; 6 when absent. */
  readonly height?: number;
};

const LABEL_WIDTH = 8;

/**
 * Draws panels below each other over one axis of time, in plain characters, no wider than it may be: where there are more values than
 * columns, each column shows the largest of its values.
 */
export function toPlot({ panels, seconds, marks, width = 100, height = 6 }: Plot): string {
  const columns = Math.max(40, width) - LABEL_WIDTH - 2;
  const count = Math.max(
    1,
    ...panels.flatMap(({ series }) => series.map((one) => one.values.length)),
  );
  const used = Math.min(columns, count);
  const placeOf = (at: number): number =>
    Math.max(0, Math.min(used - 1, Math.floor((at / seconds / count) * used)));
  const markRow = placeMarks(marks, placeOf, used);
  const lines = panels.flatMap((panel) => [
    `${panel.title}, ${panel.unit}: ${panel.series.map(({ sign, name }) => `${sign} ${name}`).join('  ')}`,
    ...drawPanel(panel, used, count, height),
  ]);
  return [
    ...lines,
    ...drawTimeAxis(used, count * seconds),
    ...(markRow === '' ? [] : [`${' '.repeat(LABEL_WIDTH + 2)}${markRow}`]),
    ...marks.map(({ at, sign, text }) =>
      `  ${sign} ${formatSeconds(at)} ${text}`.slice(0, Math.max(40, width)),
    ),
  ].join('\n');
}

function drawPanel(
  { series, atLeast = 0, isClipped = false }: PlotPanel,
  used: number,
  count: number,
  height: number,
): string[] {
  const drawn = series.map(({ sign, values }) => ({ sign, values: squeeze(values, used, count) }));
  const all = drawn.flatMap(({ values }) => values.filter((value) => value !== null));
  const top = niceTop(Math.max(atLeast, isClipped ? usualMost(all) : Math.max(0, ...all)));
  const rows = Array.from({ length: height }, () => Array<string>(used).fill(' '));
  for (const { sign, values } of drawn) {
    for (const [column, value] of values.entries()) {
      if (value === null) continue;
      const row = height - 1 - Math.round((Math.min(value, top) / top) * (height - 1));
      const line = rows[row];
      if (line !== undefined) line[column] = value > top ? '^' : sign;
    }
  }
  return rows.map((row, place) => {
    const isLabelled = place === 0 || place === height - 1 || place * 2 === height - 1;
    const value = (top * (height - 1 - place)) / (height - 1);
    const label = isLabelled ? formatValue(value) : '';
    return `${label.padStart(LABEL_WIDTH)} ${isLabelled ? '┤' : '│'}${row.join('')}`.trimEnd();
  });
}

/** The largest value, or what nine of ten stay below where it is more than twice that. */
function usualMost(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const most = sorted.at(-1) ?? 0;
  const usual = sorted[Math.floor(sorted.length * 0.9)] ?? 0;
  return usual > 0 && most > 2 * usual ? usual : most;
}

/** As many values as there are columns: of those that share one, the largest. */
function squeeze(
  values: readonly (number | null)[],
  used: number,
  count: number,
): (number | null)[] {
  return Array.from({ length: used }, (_, column) => {
    const from = Math.floor((column * count) / used);
    const to = Math.max(from + 1, Math.floor(((column + 1) * count) / used));
    const there = values.slice(from, to).filter((value) => value !== null);
    return there.length === 0 ? null : Math.max(...there);
  });
}

/** The next of 1, 2, 5, 10, 20, … that is not smaller. */
function niceTop(most: number): number {
  if (!(most > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(most));
  const step = [1, 2, 5, 10].find((candidate) => candidate * power >= most * 0.999) ?? 10;
  return step * power;
}

function formatValue(value: number): string {
  return value >= 10 || Number.isInteger(value) ? value.toFixed(0) : value.toFixed(1);
}

function drawTimeAxis(used: number, seconds: number): string[] {
  const labels = Array<string>(used + 8).fill(' ');
  const ticks = Array<string>(used).fill('─');
  const step = niceTop(seconds / Math.max(1, Math.floor(used / 12)));
  for (let at = 0; at <= seconds; at += step) {
    const column = Math.floor((at / seconds) * used);
    if (column >= used) break;
    ticks[column] = '┬';
    for (const [place, sign] of [...`${formatValue(at)}s`].entries()) labels[column + place] = sign;
  }
  const indent = ' '.repeat(LABEL_WIDTH + 1);
  return [`${indent}└${ticks.join('')}`, `${indent} ${labels.slice(0, used).join('')}`.trimEnd()];
}

function placeMarks(
  marks: readonly PlotMark[],
  placeOf: (at: number) => number,
  used: number,
): string {
  const row = Array<string>(used).fill(' ');
  for (const { at, sign } of marks) {
    let column = placeOf(at);
    while (column < used - 1 && row[column] !== ' ') column += 1;
    row[column] = sign;
  }
  return row.join('').trimEnd();
}

function formatSeconds(at: number): string {
  return `${at.toFixed(1)} s`.padStart(8);
}
