import type { ResolvedPipeline, ResolvedStep } from '@sluice/domain';
import { cutText } from '@sluice/domain';
import { printable } from '@sluice/pure';
import { finaleSteps } from './finale.ts';
import { conditionText, matrixText, type StepKind, stepKind } from './step-facts.ts';

/** UTF-16 units of one part of a label. */
const MAX_PART = 80;

/**
 * The DAG as a Mermaid flowchart. Decisions are rhombs, matrices are framed twice, pauses are round; dotted edges have a condition and
 * say it. Labels are quoted, and all in them that could mean something to Mermaid or to HTML stands as a character entity.
 * @see https://mermaid.js.org/syntax/flowchart.html
 */
export function toMermaid(pipeline: ResolvedPipeline): string {
  const names = new Map(pipeline.steps.map(({ id }, at) => [id, `s${at}`]));
  const nameOf = (id: string): string => names.get(id) as string;
  const { ordinary, finale } = finaleSteps(pipeline.steps);
  const lines = ['flowchart TD'];
  for (const step of ordinary) lines.push(`  ${node(nameOf(step.id), step)}`);
  if (finale.length > 0) {
    lines.push('  subgraph finale["At the end"]');
    for (const step of finale) lines.push(`    ${node(nameOf(step.id), step)}`);
    lines.push('  end');
  }
  for (const step of pipeline.steps) {
    const condition = edgeCondition(step);
    const arrow = condition === null ? '-->' : `-.->|"${condition}"|`;
    for (const need of step.needs) lines.push(`  ${nameOf(need)} ${arrow} ${nameOf(step.id)}`);
  }
  const undone = pipeline.steps.filter(({ compensate }) => compensate).map(({ id }) => nameOf(id));
  if (undone.length > 0) {
    lines.push('  classDef undone stroke-dasharray: 6 3');
    lines.push(`  class ${undone.join(',')} undone`);
  }
  return `${lines.join('\n')}\n`;
}

const SHAPES: Readonly<Record<StepKind, readonly [string, string]>> = {
  step: ['[', ']'],
  decision: ['{', '}'],
  matrix: ['[[', ']]'],
  pause: ['([', '])'],
};

function node(name: string, step: ResolvedStep): string {
  const [open, close] = SHAPES[stepKind(step)];
  const parts = [`<b>${mermaidText(step.id)}</b>`, mermaidText(step.type)];
  if (step.description !== undefined) parts.push(mermaidText(step.description));
  if (step.matrix !== undefined) parts.push(mermaidText(matrixText(step.matrix)));
  // Without an edge there is no other place for a condition.
  const condition = step.needs.length === 0 ? edgeCondition(step) : null;
  if (condition !== null) parts.push(condition);
  if (step.concurrencyGroup !== undefined) {
    parts.push(mermaidText(`one at a time in ${step.concurrencyGroup}`));
  }
  if (step.continueOnFailure) parts.push('its failure stops nothing');
  if (step.compensate) parts.push('put back when the promotion fails');
  return `${name}${open}"${parts.join('<br/>')}"${close}`;
}

/** Escaped. */
function edgeCondition(step: ResolvedStep): string | null {
  const parts: string[] = [];
  const when = conditionText(step);
  if (when !== null) parts.push(mermaidText(when));
  if (step.if !== undefined) parts.push(mermaidText(`if ${step.if}`));
  return parts.length === 0 ? null : parts.join('<br/>');
}

/**
 * A text for a quoted label: everything but letters, digits and a few signs of punctuation becomes `#<code>;`. Colons too: Mermaid takes
 * the last semicolon from a line that has `style`, a colon and a `#`.
 */
export function mermaidText(text: string): string {
  const short = text.length > MAX_PART ? `${cutText(text, MAX_PART - 1)}…` : text;
  return printable(short).replace(/[^\p{L}\p{N}\p{M} @_.,/=+…-]/gu, (character) => {
    return `#${character.codePointAt(0) as number};`;
  });
}
