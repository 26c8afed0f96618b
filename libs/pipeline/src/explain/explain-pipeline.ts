import type { ResolvedPipeline, ResolvedStep } from '@sluice/domain';
import { fitText, wrapText } from './display-width.ts';
import { drawSteps } from './draw-steps.ts';
import { type FinaleSteps, finaleSteps } from './finale.ts';
import { layersOf } from './layers.ts';
import { type StepKind, stepKind } from './step-facts.ts';
import { ASCII_SYMBOLS, type Symbols, UNICODE_SYMBOLS } from './symbols.ts';

/** How a pipeline is drawn. */
export interface ExplainOptions {
  /** Columns of the terminal; 80 when absent, and never fewer than 40. */
  readonly width?: number;
  /** Only characters that every terminal has. */
  readonly ascii?: boolean;
}

/** Parameters that the heading shows. */
const MAX_SHOWN_PARAMETERS = 10;

/**
 * Draws a pipeline for a terminal: its steps from top to bottom in layers (steps of one layer can run at the same time), lines for needs,
 * and beside each step what is to be known of it. A graph that is too wide for lines is listed, with the needs as words. Nothing in it
 * steers a terminal.
 */
export function explainPipeline(pipeline: ResolvedPipeline, options: ExplainOptions = {}): string {
  const symbols = options.ascii === true ? ASCII_SYMBOLS : UNICODE_SYMBOLS;
  const width = Math.max(options.width ?? 80, 40);
  const parts = finaleSteps(pipeline.steps);
  const { ordinary, finale } = parts;
  const lines = heading(pipeline, parts, symbols, width);
  if (ordinary.length > 0) lines.push('', ...drawSteps(ordinary, symbols, width));
  if (finale.length > 0) lines.push('', 'At the end', '', ...drawSteps(finale, symbols, width));
  lines.push('', ...legend(pipeline.steps, symbols, width));
  return `${lines.map((line) => line.trimEnd()).join('\n')}\n`;
}

function heading(
  pipeline: ResolvedPipeline,
  { ordinary, finale }: FinaleSteps,
  symbols: Symbols,
  width: number,
): string[] {
  const lines = [`${pipeline.name}@${pipeline.version}`];
  if (pipeline.description !== undefined) {
    lines.push(...wrapText(symbols.shown(pipeline.description), width, 3, symbols.cut));
  }
  const layers = counted(layersOf(ordinary).layers.length, 'layer');
  const end = finale.length === 0 ? '' : `, ${finale.length} more at the end`;
  const failure = pipeline.failFast
    ? 'after a failure nothing more begins'
    : 'after a failure other branches go on';
  const facts = `${counted(ordinary.length, 'step')} in ${layers}${end}; ${failure}`;
  lines.push(...wrapText(facts, width, 2, symbols.cut));
  const parameters = Object.entries(pipeline.parameters);
  for (const [name, parameter] of parameters.slice(0, MAX_SHOWN_PARAMETERS)) {
    const text = `parameter ${name} = ${JSON.stringify(parameter.default)}`;
    lines.push(fitText(symbols.shown(text), width, symbols.cut));
  }
  const hidden = parameters.length - MAX_SHOWN_PARAMETERS;
  if (hidden > 0) lines.push(`and ${counted(hidden, 'more parameter')}`);
  return lines;
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

const LEGEND: readonly (readonly [StepKind, string])[] = [
  ['step', 'step'],
  ['decision', 'gate or approval'],
  ['matrix', 'once for each'],
  ['pause', 'time passes'],
];

function legend(steps: readonly ResolvedStep[], symbols: Symbols, width: number): string[] {
  const kinds = new Set(steps.map(stepKind));
  const parts = LEGEND.filter(([kind]) => kinds.has(kind)).map(
    ([kind, text]) => `${symbols.nodes[kind]} ${text}`,
  );
  if (steps.some(({ compensate }) => compensate)) {
    parts.push(`${symbols.undone} put back when the promotion fails`);
  }
  const lines: string[] = [];
  for (const part of parts) {
    const joined = `${lines.at(-1) ?? ''}   ${part}`;
    if (lines.length > 0 && joined.length <= width) lines[lines.length - 1] = joined;
    else lines.push(part);
  }
  return lines;
}
