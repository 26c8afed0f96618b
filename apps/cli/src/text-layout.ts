import { printable } from '@sluice/pure';

/** Widest line that is printed. Characters. */
export const MAX_WIDTH = 80;

/** A column of {@link table}. */
export interface Column {
  readonly title: string;
  /** Gives way first when the table is too wide; the rest of the text becomes an ellipsis. */
  readonly shrinks?: boolean;
}

/** A table of at most {@link MAX_WIDTH} characters a line, with a heading line; ends in a line feed. */
export function table(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const cells = [columns.map(({ title }) => title), ...rows].map((row) => row.map(printable));
  const widths = columns.map((_, at) =>
    Math.max(...cells.map((row) => [...(row[at] ?? '')].length)),
  );
  const total = (): number => widths.reduce((sum, width) => sum + width + 2, -2);
  for (const hard of [false, true]) {
    for (;;) {
      const candidates = widths
        .map((width, at) => ({ width, at }))
        .filter(({ width, at }) => width > 8 && (hard || columns[at]?.shrinks === true));
      const widest = candidates.sort((a, b) => b.width - a.width)[0];
      if (total() <= MAX_WIDTH || widest === undefined) break;
      widths[widest.at] = widest.width - 1;
    }
  }
  return cells
    .map(
      (row) =>
        `${row
          .map((cell, at) => fit(cell, widths[at] ?? 0))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('');
}

/** Lines of at most so many characters, broken at blanks; the first keeps its leading blanks, the others are indented. */
export function wrapped(text: string, indent = 0, width = MAX_WIDTH): string {
  const lines: string[] = [];
  let line = '';
  const clean = printable(text);
  const lead = /^ */.exec(clean)?.[0] ?? '';
  for (const word of clean.slice(lead.length).split(' ')) {
    const room = width - (lines.length === 0 ? lead.length : indent);
    if (line !== '' && line.length + 1 + word.length > room) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  lines.push(line);
  return lines.map((part, at) => `${at === 0 ? lead : ' '.repeat(indent)}${part}\n`).join('');
}

function fit(text: string, width: number): string {
  const characters = [...text];
  if (characters.length <= width) return text + ' '.repeat(width - characters.length);
  return `${characters.slice(0, width - 1).join('')}…`;
}

/** A message without its final stop or colon, so that it can stand inside a sentence. */
export function clause(message: string): string {
  return message.replace(/[\s.:;,]+$/, '');
}
