import type { ResolvedStep } from '@sluice/domain';
import { displayWidth, fitText, wrapText } from './display-width.ts';
import { drawLanes, type GraphRow, groupsByNeeds, type LaneGraph } from './lanes.ts';
import { layersOf } from './layers.ts';
import { conditionText, durationText, matrixText, stepKind } from './step-facts.ts';
import type { Symbols } from './symbols.ts';

/** Columns of the number of the layer, and the space behind. */
const GUTTER = 5;

/** Lanes that names stand in line behind; they move to the right behind more. */
const ALIGNED_LANES = 8;

/** Graphs of more steps are drawn without rows that only part the steps. */
const ROOMY_STEPS = 16;

interface Drawing {
  readonly symbols: Symbols;
  readonly width: number;
  /** Columns in front of the names. */
  readonly margin: number;
  /** Columns of the names, and of the types. */
  readonly names: number;
  readonly types: number;
  readonly layers: readonly (readonly ResolvedStep[])[];
}

/** Lines of a graph: with lanes where they fit into half of the width, else as a list. */
export function drawSteps(
  steps: readonly ResolvedStep[],
  symbols: Symbols,
  width: number,
): readonly string[] {
  const graph = drawLanes(steps, Math.floor((width / 2 - GUTTER) / 2));
  const { layers } = layersOf(steps);
  const margin = GUTTER + Math.min(graph?.lanes ?? 1, ALIGNED_LANES) * 2 + 1;
  const longest = (lengths: readonly number[]) => lengths.reduce((a, b) => Math.max(a, b), 0);
  const drawing: Drawing = {
    symbols,
    width,
    margin,
    names: Math.min(longest(steps.map(({ id }) => id.length)), Math.floor((width - margin) / 2)),
    types: Math.min(longest(steps.map(({ type }) => type.length)), 16),
    layers,
  };
  return graph === null ? listLines(layers, drawing) : graphLines(graph, steps.length, drawing);
}

type NodeRow = GraphRow<ResolvedStep> & { kind: 'node' };
type LinesRow = GraphRow<ResolvedStep> & { kind: 'lines' };

function graphLines(graph: LaneGraph<ResolvedStep>, steps: number, drawing: Drawing): string[] {
  const lines: string[] = [];
  const { symbols } = drawing;
  const bar = (held: boolean) => (held ? (symbols.lines[3] as string) : ' ');
  let above: NodeRow | null = null;
  for (const [at, row] of graph.rows.entries()) {
    if (row.kind === 'lines') {
      const below = graph.rows[at + 1] as NodeRow;
      if (isNeeded(row, above as NodeRow, below, steps)) lines.push(linesText(row, symbols));
      continue;
    }
    const cells = row.passing.map(bar);
    cells[row.lane] = symbols.nodes[stepKind(row.node)];
    // One layer alone needs no number.
    const numbered = graph.layers > 1 && row.layer !== above?.layer;
    const layer = numbered ? String(row.layer) : '';
    const front = `${layer.padStart(GUTTER - 2)}  ${cells.join(' ')}`;
    const under = `${' '.repeat(GUTTER)}${row.below.map(bar).join(' ')}`;
    const needs = row.tangled ? row.node.needs : [];
    lines.push(stepLine(row.node, front, drawing), ...detailLines(row.node, needs, under, drawing));
    above = row;
  }
  return lines;
}

/** Rows of which every line is straight only part the steps above and below; where those are not joined, they must. */
function isNeeded(row: LinesRow, above: NodeRow, below: NodeRow, steps: number): boolean {
  if (row.gaps.includes(true)) return true;
  const joined = below.node.needs.includes(above.node.id);
  if (above.lane === below.lane && !joined) return true;
  if (above.layer === below.layer) return false;
  return steps <= ROOMY_STEPS || !joined;
}

function linesText(row: LinesRow, symbols: Symbols): string {
  const cells = row.cells.map((cell, lane) => {
    return `${symbols.lines[cell]}${row.gaps[lane] === true ? symbols.lines[12] : ' '}`;
  });
  return `${' '.repeat(GUTTER)}${cells.join('')}`;
}

/** Layers one under the other, steps that need the same under the words for it. */
function listLines(layers: Drawing['layers'], drawing: Drawing): string[] {
  const lines: string[] = [];
  for (const [at, layer] of layers.entries()) {
    if (at > 0) lines.push('');
    const block: string[] = [];
    for (const group of groupsByNeeds(layer)) {
      const needs = group[0]?.needs ?? [];
      block.push(...needsLines(needs, drawing.width - GUTTER, drawing).map(indented));
      for (const step of group) {
        const front = indented(drawing.symbols.nodes[stepKind(step)]);
        block.push(stepLine(step, front, drawing));
        block.push(...detailLines(step, [], indented(''), drawing));
      }
    }
    const number = layers.length > 1 ? String(at + 1) : '';
    block[0] = `${number.padStart(GUTTER - 2)}${(block[0] as string).slice(GUTTER - 2)}`;
    for (const line of block) lines.push(line);
  }
  return lines;
}

function indented(text: string): string {
  return `${' '.repeat(GUTTER)}${text}`;
}

function stepLine(step: ResolvedStep, front: string, drawing: Drawing): string {
  const { symbols, width, margin, names, types } = drawing;
  const name = fitText(step.id, names, symbols.cut).padEnd(names);
  const facts = [durationText(step.timeoutSeconds)];
  if (step.retry.attempts > 1) facts.push(`${step.retry.attempts} attempts`);
  if (step.compensate) facts.push(symbols.undone);
  const text = `${name}  ${step.type.padEnd(types)}  ${facts.join(symbols.separator)}`;
  return fitText(`${`${front}  `.padEnd(margin)}${text}`, width, symbols.cut);
}

function detailLines(
  step: ResolvedStep,
  needs: readonly string[],
  lanes: string,
  drawing: Drawing,
): readonly string[] {
  const under = lanes.padEnd(drawing.margin + 2);
  const room = Math.max(20, drawing.width - displayWidth(under));
  const lines = details(step).flatMap((text) => {
    return wrapText(drawing.symbols.shown(text), room, 2, drawing.symbols.cut);
  });
  return [...lines, ...needsLines(needs, room, drawing)].map((text) => `${under}${text}`);
}

function details(step: ResolvedStep): readonly string[] {
  const lines: string[] = [];
  if (step.description !== undefined) lines.push(step.description);
  if (step.matrix !== undefined) lines.push(matrixText(step.matrix));
  const condition = conditionText(step);
  if (condition !== null) lines.push(condition);
  if (step.if !== undefined) lines.push(`only if ${step.if}`);
  if (step.concurrencyGroup !== undefined) lines.push(`one at a time in ${step.concurrencyGroup}`);
  if (step.continueOnFailure) lines.push('its failure stops nothing');
  return lines;
}

/** `after plan`, `after all of layer 2`; nothing for a step that needs nothing. */
function needsLines(needs: readonly string[], columns: number, drawing: Drawing): string[] {
  if (needs.length === 0) return [];
  const named = new Set(needs);
  const whole = drawing.layers.findIndex(
    (layer) => layer.length === needs.length && layer.every(({ id }) => named.has(id)),
  );
  const isLong = needs.length > 3 && whole >= 0;
  const text = isLong ? `after all of layer ${whole + 1}` : `after ${needs.join(', ')}`;
  return wrapText(text, columns, 2, drawing.symbols.cut);
}
