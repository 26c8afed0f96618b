import type { ResolvedPipeline, ResolvedStep } from '@sluice/domain';
import { Document, isScalar, visit } from 'yaml';
import { displayWidth } from '../explain/display-width.ts';
import type { Origin, Origins } from './origin.ts';

/** Comments stand no farther to the right; behind a longer line they follow it directly. Columns. */
const MAX_COMMENT_COLUMN = 64;

interface Line {
  readonly text: string;
  readonly origin: Origin | undefined;
}

/**
 * A resolved pipeline as YAML, with the origin of each member at the end of its line. It is a pipeline that can be parsed, and gives the
 * same values again. Control and direction characters stand as escapes.
 */
export function renderText(pipeline: ResolvedPipeline, origins: Origins = {}): string {
  const lines: Line[] = [];
  const push = (indent: number, name: string, value: unknown, path: string) => {
    for (const [at, text] of yamlLines({ [name]: value }).entries()) {
      lines.push({
        text: pad(indent, text),
        origin: at === 0 ? originAt(origins, path) : undefined,
      });
    }
  };
  push(0, 'schema', pipeline.schema, '');
  push(0, 'name', pipeline.name, '');
  push(0, 'version', pipeline.version, '');
  if (pipeline.description !== undefined) {
    push(0, 'description', pipeline.description, 'description');
  }
  push(0, 'failFast', pipeline.failFast, 'failFast');
  const parameters = Object.entries(pipeline.parameters);
  if (parameters.length === 0) push(0, 'parameters', {}, '');
  else lines.push({ text: 'parameters:', origin: undefined });
  for (const [name, parameter] of parameters) push(2, name, parameter, `parameters.${name}`);
  lines.push({ text: 'steps:', origin: undefined });
  for (const step of pipeline.steps) {
    lines.push({ text: '', origin: undefined });
    for (const line of stepLines(step, origins)) lines.push(line);
  }
  return withComments(lines);
}

function stepLines(step: ResolvedStep, origins: Origins): readonly Line[] {
  const path = `steps.${step.id}`;
  const lines: Line[] = [
    { text: `  - ${yamlLines({ id: step.id })[0]}`, origin: originAt(origins, path) },
  ];
  for (const [member, value] of Object.entries(step)) {
    if (member === 'id' || value === undefined) continue;
    const inputs = member === 'inputs' ? Object.entries(step.inputs) : [];
    if (inputs.length > 0) {
      lines.push({ text: '    inputs:', origin: undefined });
      for (const [name, input] of inputs) {
        const at = originAt(origins, `${path}.inputs.${name}`);
        for (const [index, text] of yamlLines({ [name]: input }).entries()) {
          lines.push({ text: pad(6, text), origin: index === 0 ? at : undefined });
        }
      }
      continue;
    }
    for (const [index, text] of yamlLines({ [member]: value }).entries()) {
      const at = index === 0 ? originAt(origins, `${path}.${member}`) : undefined;
      lines.push({ text: pad(4, text), origin: at });
    }
  }
  return lines;
}

function originAt(origins: Origins, path: string): Origin | undefined {
  return Object.hasOwn(origins, path) ? origins[path] : undefined;
}

function pad(indent: number, text: string): string {
  return text === '' ? '' : `${' '.repeat(indent)}${text}`;
}

function withComments(lines: readonly Line[]): string {
  const widths = lines
    .filter(({ origin }) => origin !== undefined)
    .map(({ text }) => displayWidth(text));
  const column = Math.min(
    MAX_COMMENT_COLUMN,
    widths.reduce((widest, width) => Math.max(widest, width), 0),
  );
  const commented = lines.map(({ text, origin }) => {
    if (origin === undefined) return text;
    return `${text}${' '.repeat(Math.max(0, column - displayWidth(text)))}  # ${origin}`;
  });
  return `${commented.join('\n')}\n`;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not reach a terminal
const UNPRINTABLE =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

/** Lines of a value. Short lists of names stand in one line. */
function yamlLines(value: unknown): readonly string[] {
  const document = new Document(value, { aliasDuplicateObjects: false });
  visit(document, {
    Scalar(_, node) {
      if (typeof node.value === 'string' && node.value.search(UNPRINTABLE) >= 0) {
        node.type = 'QUOTE_DOUBLE';
      }
    },
    Seq(_, node) {
      node.flow = node.items.every((item) => isScalar(item) && isShort(item.value));
    },
    Map(key, node) {
      // A wired input reads as one thing: `image: {ref: steps.build.outputs.digest}`.
      if (node.items.length === 0) node.flow = true;
      else node.flow = key === 'value' && node.items.length === 1 && isShortWired(node.toJSON());
    },
  });
  const text = document.toString({ lineWidth: 0, flowCollectionPadding: false });
  // Only in double quotes: there an escape means the character.
  const safe = text.replace(UNPRINTABLE, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
  return safe.replace(/\n$/, '').split('\n');
}

function isShort(value: unknown): boolean {
  return typeof value !== 'string' || (value.length <= 63 && !value.includes('\n'));
}

function isShortWired(value: unknown): boolean {
  const [name, member] = Object.entries(value as object)[0] ?? [];
  return (name === 'ref' || name === 'secret' || name === 'cel') && isShort(member);
}
