import type { PipelineProblem } from '@sluice/pipeline';
import { printable } from '@sluice/pure';
import type { PipelineSource } from './pipeline-sources.ts';
import { wrapped } from './text-layout.ts';

/** Problems that are written as text; all of them are in the JSON document. */
const MAX_SHOWN = 200;

/** UTF-16 units of a message that are shown. */
const MAX_MESSAGE = 1000;

/** Columns of a source line that are shown, and how many of them stand before the place. */
const EXCERPT = 72;
const BEFORE = 40;

/** The problems of one text. */
export interface FileProblems {
  readonly source: PipelineSource;
  readonly problems: readonly PipelineProblem[];
}

/** How many there are of each. */
export interface ProblemCounts {
  readonly errors: number;
  readonly warnings: number;
}

/** Counts problems by severity. */
export function countProblems(problems: readonly PipelineProblem[]): ProblemCounts {
  const errors = problems.filter(({ severity }) => severity === 'error').length;
  return { errors, warnings: problems.length - errors };
}

/** `2 errors, 1 warning`; `no errors`. */
export function countsText({ errors, warnings }: ProblemCounts): string {
  const said = (count: number, noun: string) => `${count} ${noun}${count === 1 ? '' : 's'}`;
  const parts = [errors === 0 ? 'no errors' : said(errors, 'error')];
  if (warnings > 0) parts.push(said(warnings, 'warning'));
  return parts.join(', ');
}

/**
 * Problems as compilers write them: `file:line:column: error: message [code]`, the line of the text with a mark under the place, and what to
 * write instead. Nothing in it steers a terminal.
 */
export function problemsText(files: readonly FileProblems[]): string {
  const parts: string[] = [];
  let hidden = 0;
  for (const { source, problems } of files) {
    const shown = problems.slice(0, Math.max(0, MAX_SHOWN - parts.length));
    hidden += problems.length - shown.length;
    if (shown.length === 0) continue;
    const lines = linesOf(source);
    parts.push(...shown.map((problem) => problemText(problem, lines)));
  }
  if (hidden > 0) parts.push(`… and ${hidden} more (--json has them all)\n`);
  return parts.join('');
}

function problemText(problem: PipelineProblem, lines: readonly string[]): string {
  const { at, severity, code, suggestion } = problem;
  const message = cut(printable(problem.message), MAX_MESSAGE);
  const file = printable(at.file);
  const head = `${file}:${at.line}:${at.column}: ${severity}: ${message} [${printable(code)}]\n`;
  const help =
    suggestion === null ? '' : wrapped(`  help: ${cut(printable(suggestion), MAX_MESSAGE)}`, 8);
  return head + excerpt(lines[at.line - 1], at.line, at.column) + help;
}

function excerpt(line: string | undefined, number: number, column: number): string {
  if (line === undefined || line.trim() === '') return '';
  const place = Math.min(column - 1, line.length);
  const begin = place > EXCERPT - 12 ? place - BEFORE : 0;
  const lead = begin > 0 ? '…' : '';
  const tail = line.length - begin > EXCERPT ? '…' : '';
  const text = lead + line.slice(begin, begin + EXCERPT) + tail;
  const before = lead + line.slice(begin, place);
  const token = /^(?:"[^"]*"|'[^']*'|[^\s,[\]{}#]+)/.exec(line.slice(place, begin + EXCERPT));
  const length = Math.max(1, (token?.[0] ?? '').replace(/:$/, '').length);
  const gutter = String(number).padStart(5);
  const mark = `${blanksFor(before)}^${'~'.repeat(length - 1)}`;
  // A tab is one blank here, so that the mark stands under its place.
  const shown = printable(text.replaceAll('\t', ' ')).trimEnd();
  return `${gutter} | ${shown}\n${' '.repeat(gutter.length)} | ${mark}\n`;
}

const WIDE =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}/u;

/** As many blanks as a text takes columns. */
function blanksFor(text: string): string {
  return [...text]
    .map((character) => (/\p{Mn}/u.test(character) ? '' : WIDE.test(character) ? '  ' : ' '))
    .join('');
}

function linesOf({ bytes }: PipelineSource): readonly string[] {
  return new TextDecoder().decode(bytes).split(/\r?\n/);
}

function cut(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length - 1)}…`;
}
