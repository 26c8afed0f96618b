import type { JsonValue, ResolvedStep } from '@sluice/domain';
import { displayWidth } from '../explain/display-width.ts';
import type { Symbols } from '../explain/symbols.ts';
import { differenceOfLines } from './line-difference.ts';
import type { MemberChange, StepChange } from './pipeline-difference.ts';

/** Equal lines around a changed one. */
const CONTEXT = 2;

/** Lines of one changed text. */
const MAX_TEXT_LINES = 60;

/** Where a difference is shown. */
export interface DifferenceView {
  readonly width: number;
  readonly symbols: Symbols;
}

/** Details of a changed step. Lines may be too long yet. */
export function changeLines(change: StepChange, view: DifferenceView): readonly string[] {
  const lines = [`~ ${change.id}`];
  for (const need of change.needsRemoved) lines.push(`    - needs ${need}`);
  for (const need of change.needsAdded) lines.push(`    + needs ${need}`);
  return [...lines, ...change.members.flatMap((member) => memberLines(member, view))];
}

/** All that is to be known of a step that only one side has. */
export function wholeStepLines(
  step: ResolvedStep,
  sign: '-' | '+',
  { symbols }: DifferenceView,
): readonly string[] {
  const lines = [`type ${step.type}`];
  if (step.needs.length > 0) lines.push(`needs ${step.needs.join(', ')}`);
  if (step.when !== 'success') lines.push(`when ${step.when}`);
  if (step.if !== undefined) lines.push(`if ${step.if}`);
  if (step.matrix !== undefined) lines.push(`matrix ${JSON.stringify(step.matrix)}`);
  for (const [name, value] of Object.entries(step.inputs)) {
    lines.push(`inputs.${name} ${JSON.stringify(value)}`);
  }
  return [`${sign} ${step.id}`, ...lines.map((line) => `    ${sign} ${symbols.shown(line)}`)];
}

/** Old and new value of a member: in one line where it fits, texts of several lines line by line. */
export function memberLines(change: MemberChange, view: DifferenceView): readonly string[] {
  const { symbols, width } = view;
  const path = symbols.shown(change.path);
  const { before, after } = change;
  if (typeof before === 'string' && typeof after === 'string' && isLong(before, after)) {
    return [`    ${path}`, ...textLines(before, after, view)];
  }
  const shown = (value: JsonValue) => symbols.shown(JSON.stringify(value));
  if (before === undefined) return [`    + ${path} ${shown(after as JsonValue)}`];
  if (after === undefined) return [`    - ${path} ${shown(before)}`];
  const line = `    ${path}  ${shown(before)} ${symbols.arrow} ${shown(after)}`;
  if (displayWidth(line) <= width) return [line];
  return [`    ${path}`, `      - ${shown(before)}`, `      + ${shown(after)}`];
}

function isLong(before: string, after: string): boolean {
  return before.trimEnd().includes('\n') || after.trimEnd().includes('\n');
}

function textLines(before: string, after: string, { symbols }: DifferenceView): readonly string[] {
  const all = differenceOfLines(before, after);
  const isNear = (at: number) =>
    all.slice(Math.max(0, at - CONTEXT), at + CONTEXT + 1).some(({ sign }) => sign !== ' ');
  const lines: string[] = [];
  let skipped = false;
  for (const [at, line] of all.entries()) {
    if (!isNear(at)) {
      skipped = true;
      continue;
    }
    if (skipped && lines.length > 0) lines.push(`        ${symbols.cut}`);
    skipped = false;
    if (lines.length >= MAX_TEXT_LINES) return [...lines, `        ${symbols.cut} and more`];
    lines.push(`      ${line.sign} ${symbols.shown(line.text)}`);
  }
  return lines.length > 0 ? lines : ['      ~ the line break at its end'];
}
