import { type Document, isAlias, isMap, isScalar, isSeq, type LineCounter, type Node } from 'yaml';
import type { ConfigurationProblem } from './configuration.ts';

/** A place in a text; both from 1. */
export interface TextPlace {
  readonly line: number;
  readonly column: number;
}

/**
 * Where a problem's path leads in the text: to the value, to the name of a member that is unknown or holds more than one value, and for what is
 * missing to what it is missing in. Undefined for the file as a whole.
 */
export function locateProblem(
  document: Document,
  lines: LineCounter,
  { path, isUnknown }: Pick<ConfigurationProblem, 'path' | 'isUnknown'>,
): TextPlace | undefined {
  let node = document.contents as Node | null;
  let offset = node?.range?.[0];
  for (let rest = path; rest !== ''; ) {
    const target = isAlias(node) ? node.resolve(document) : node;
    const step = isMap(target) || isSeq(target) ? stepInto(target, rest) : undefined;
    if (step === undefined) break;
    node = step.value;
    rest = step.rest;
    const isWhole = isScalar(node) && node.range?.[0] !== node.range?.[1];
    const isKeyMeant = rest === '' && (isUnknown === true || !isWhole);
    offset = (isKeyMeant ? step.keyOffset : undefined) ?? node?.range?.[0] ?? step.keyOffset;
  }
  if (path === '' || offset === undefined) return undefined;
  const { line, col } = lines.linePos(offset);
  return line === 0 ? undefined : { line, column: col };
}

interface Step {
  readonly value: Node | null;
  readonly keyOffset: number | undefined;
  /** What is left of the path. */
  readonly rest: string;
}

/** The member that a path begins with. A name may hold dots and brackets itself: the longest that fits is meant. */
function stepInto(node: Node, path: string): Step | undefined {
  if (isSeq(node)) {
    const [whole, index] = /^\[(\d{1,7})\]/.exec(path) ?? [];
    const value = index === undefined ? undefined : (node.items[Number(index)] as Node | undefined);
    if (whole === undefined || value === undefined) return undefined;
    return { value, keyOffset: value?.range?.[0], rest: withoutDot(path.slice(whole.length)) };
  }
  if (!isMap(node)) return undefined;
  let found: (Step & { readonly length: number }) | undefined;
  for (const { key, value } of node.items) {
    const name = isScalar(key) ? String(key.value) : undefined;
    if (name === undefined || !path.startsWith(name) || name.length <= (found?.length ?? 0))
      continue;
    const rest = path.slice(name.length);
    if (rest !== '' && !rest.startsWith('.') && !rest.startsWith('[')) continue;
    const keyOffset = (key as Node).range?.[0];
    found = { value: value as Node | null, keyOffset, rest: withoutDot(rest), length: name.length };
  }
  return found;
}

function withoutDot(path: string): string {
  return path.startsWith('.') ? path.slice(1) : path;
}
