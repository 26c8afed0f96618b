import type { NearestName } from '../parse/nearest.ts';

/** What a reference points to. */
export type Reference =
  | { readonly kind: 'output'; readonly step: string; readonly name: string }
  | { readonly kind: 'outcome'; readonly step: string }
  | { readonly kind: 'parameter'; readonly name: string }
  | { readonly kind: 'matrix'; readonly member: string | null }
  /** `promotion.id`, `release.version`, `environment.name`. */
  | { readonly kind: 'fact'; readonly of: string; readonly name: string };

/** Why a text is no reference. */
export interface ReferenceFault {
  readonly kind: 'fault';
  readonly message: string;
  readonly suggestion: string;
  /** UTF-16 units from the text's start. */
  readonly offset: number;
}

/** Facts of a promotion that pipelines can read. */
export const FACTS: Readonly<Record<string, readonly string[]>> = {
  promotion: ['id', 'environment', 'kind'],
  release: ['id', 'name', 'version'],
  environment: ['name'],
};

/** What references and expressions can begin with. */
export const REFERENCE_ROOTS: readonly string[] = [
  'steps',
  'parameters',
  'matrix',
  ...Object.keys(FACTS),
];

/** Reads `steps.build.outputs.digest` and its like. */
export function parseReference(text: string, nearest: NearestName): Reference | ReferenceFault {
  return readPath(text.split('.'), text, nearest);
}

function readPath(
  parts: readonly string[],
  text: string,
  nearest: NearestName,
): Reference | ReferenceFault {
  const [root = '', first = '', second = '', third = ''] = parts;
  const offsetOf = (index: number): number =>
    parts.slice(0, index).reduce((sum, part) => sum + part.length + 1, 0);
  const fault = (index: number, message: string, suggestion: string): ReferenceFault => ({
    kind: 'fault',
    message,
    suggestion,
    offset: Math.min(offsetOf(index), text.length),
  });
  const among = (index: number, known: readonly string[]): ReferenceFault => {
    const found = parts[index] ?? '';
    const best = nearest(found, known);
    const where =
      index === 0 ? 'A reference begins with' : `Behind ${parts.slice(0, index).join('.')} stands`;
    const message = `${where} ${known.join(', ')}; ${found === '' ? 'nothing is there' : `${found} is none of them`}.`;
    const before = parts.slice(0, index);
    const mended =
      best === undefined
        ? known.map((name) => [...before, name].join('.')).join(' or ')
        : [...before, best, ...parts.slice(index + 1)].join('.');
    const verb = best === undefined && index === 0 ? 'Begin with' : 'Write';
    return fault(index, message, `${verb} ${mended}.`);
  };
  const length = (wanted: number): ReferenceFault | null =>
    parts.length === wanted
      ? null
      : fault(
          wanted,
          `${text.slice(0, 100)} goes deeper than a reference can.`,
          `Write ${parts.slice(0, wanted).join('.')}, or use cel.`,
        );
  if (root === 'steps') {
    if (first === '') {
      const next = 'Write steps.<id>.outputs.<name>.';
      return fault(1, 'Behind steps stands the id of a step.', next);
    }
    if (second === 'outcome') return length(3) ?? { kind: 'outcome', step: first };
    if (second !== 'outputs') return among(2, ['outputs', 'outcome']);
    if (third === '') {
      const outputs = parts.slice(0, 3).join('.');
      return fault(
        3,
        `Behind ${outputs} stands the name of an output.`,
        `Write ${outputs}.<name>.`,
      );
    }
    return length(4) ?? { kind: 'output', step: first, name: third };
  }
  if (root === 'parameters') {
    if (first === '') {
      const next = 'Write parameters.<name>.';
      return fault(1, 'Behind parameters stands the name of a parameter.', next);
    }
    return length(2) ?? { kind: 'parameter', name: first };
  }
  if (root === 'matrix') {
    if (parts.length === 1) return { kind: 'matrix', member: null };
    return length(2) ?? { kind: 'matrix', member: first };
  }
  const facts = Object.hasOwn(FACTS, root) ? FACTS[root] : undefined;
  if (facts === undefined) return among(0, REFERENCE_ROOTS);
  if (!facts.includes(first)) return among(1, facts);
  return length(2) ?? { kind: 'fact', of: root, name: first };
}

/**
 * What an expression's path points to, as far as it goes: what is behind an output or a parameter is seen only when the values are there.
 * Null for a path that is too short to name anything, such as `steps`.
 */
export function referenceOfPath(
  path: readonly string[],
  nearest: NearestName,
): Reference | ReferenceFault | null {
  const [root, , member] = path;
  const most = root === 'steps' ? (member === 'outcome' ? 3 : 4) : 2;
  const short = path.slice(0, most);
  const isWhole =
    root === 'matrix' ||
    (root === 'steps' ? short.length === most || isOdd(path) : short.length === 2);
  if (!isWhole) {
    // The whole of a step is read: what holds for its outcome holds for that.
    return root === 'steps' && path[1] !== undefined ? { kind: 'outcome', step: path[1] } : null;
  }
  return readPath(short, short.join('.'), nearest);
}

/** A step's member that is neither of the two there are. */
function isOdd(path: readonly string[]): boolean {
  return path.length >= 3 && path[2] !== 'outputs' && path[2] !== 'outcome';
}
