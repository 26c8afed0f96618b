import { fitText, wrapText } from '../explain/display-width.ts';
import type { ExplainOptions } from '../explain/explain-pipeline.ts';
import { ASCII_SYMBOLS, UNICODE_SYMBOLS } from '../explain/symbols.ts';
import { changeLines, type DifferenceView, memberLines, wholeStepLines } from './member-text.ts';
import {
  type ChangeScope,
  gravestScope,
  type PipelineDifference,
  type StepChange,
  stepChangeScope,
} from './pipeline-difference.ts';

const SCOPE_TEXTS: Readonly<Record<ChangeScope, string>> = {
  effects: 'What is done may change.',
  course:
    'Steps do the same after the same steps; how often, how long or how many at a time changes.',
  drawing: 'Only what people read changes.',
};

/** A difference for a terminal: one line for each step, then the details. Nothing in it steers a terminal. */
export function differenceText(
  difference: PipelineDifference,
  options: ExplainOptions = {},
): string {
  const symbols = options.ascii === true ? ASCII_SYMBOLS : UNICODE_SYMBOLS;
  const view: DifferenceView = { width: Math.max(options.width ?? 80, 40), symbols };
  const { before, after, scope } = difference;
  const title = `${before.name}@${before.version} ${symbols.arrow} ${after.name}@${after.version}`;
  const lines = [title];
  if (scope === null) {
    lines.push(
      before.digest === after.digest ? 'No difference.' : 'No difference but name or version.',
    );
  } else {
    lines.push('', ...summary(difference, view), '', ...verdict(difference, scope, view));
    lines.push(...details(difference, view));
  }
  const fitted = lines.map((line) => fitText(line, view.width, symbols.cut).trimEnd());
  return `${fitted.join('\n')}\n`;
}

function details(difference: PipelineDifference, view: DifferenceView): readonly string[] {
  const blocks: (readonly string[])[] = [];
  if (difference.members.length > 0) {
    blocks.push([
      '~ pipeline',
      ...difference.members.flatMap((change) => memberLines(change, view)),
    ]);
  }
  blocks.push(...difference.removed.map((step) => wholeStepLines(step, '-', view)));
  blocks.push(...difference.added.map((step) => wholeStepLines(step, '+', view)));
  blocks.push(...difference.changed.map((change) => changeLines(change, view)));
  return blocks.flatMap((block) => ['', ...block]);
}

function summary(
  difference: PipelineDifference,
  { width, symbols }: DifferenceView,
): readonly string[] {
  const rows: [string, string, string, string][] = [];
  if (difference.members.length > 0) {
    const scopes = difference.members.map(({ scope }) => scope);
    const names = difference.members.map(({ path }) => path).join(', ');
    const scope = gravestScope(scopes) ?? 'drawing';
    rows.push(['~', 'pipeline', scope, names]);
  }
  for (const { id, type } of difference.removed) rows.push(['-', id, 'effects', type]);
  for (const { id, type } of difference.added) rows.push(['+', id, 'effects', type]);
  for (const change of difference.changed) {
    rows.push(['~', change.id, stepChangeScope(change), changedNames(change).join(', ')]);
  }
  const widest = rows.reduce((most, [, id]) => Math.max(most, id.length), 0);
  const ids = Math.min(widest, Math.floor(width / 2));
  return rows.map(([sign, id, scope, names]) => {
    const name = fitText(id, ids, symbols.cut).padEnd(ids);
    return `${sign} ${name}  ${scope.padEnd(7)}  ${symbols.shown(names)}`;
  });
}

function changedNames(change: StepChange): readonly string[] {
  const needs = change.needsAdded.length + change.needsRemoved.length > 0 ? ['needs'] : [];
  return [...needs, ...change.members.map(({ path }) => path)];
}

function verdict(
  difference: PipelineDifference,
  scope: ChangeScope,
  { width, symbols }: DifferenceView,
): readonly string[] {
  const counts = [
    [difference.removed.length, 'removed'],
    [difference.added.length, 'added'],
    [difference.changed.length, 'changed'],
  ] as const;
  const parts = counts
    .filter(([count]) => count > 0)
    .map(([count, what]) => `${count} step${count === 1 ? '' : 's'} ${what}`);
  if (difference.reordered) parts.push('steps in another order');
  const text = parts.length === 0 ? '' : `${parts.join(', ')}. `;
  return wrapText(`${text}${SCOPE_TEXTS[scope]}`, width, 4, symbols.cut);
}
