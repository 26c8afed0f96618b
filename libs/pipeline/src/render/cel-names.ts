import { MAX_CEL_LENGTH } from '@sluice/pure';

/** What becomes of a name in an expression: the same form with another name, or an expression that takes its place. */
export type CelReplacement =
  | { readonly name: string }
  | {
      readonly expression: string;
      /** Stands for `has()` of the name, which takes no other expression than the selection of a member. */
      readonly present: string;
    }
  | { readonly problem: string };

/**
 * Replaces the names that follow `steps` and `parameters` in a CEL expression: `steps.build.outputs.digest` and
 * `steps["build"].outputs.digest` are the same. Texts and comments stay as they are, and so does all else, byte for byte.
 * @param replace is asked for each; null leaves it as it stands
 * @returns the expression, or what is in the way: a use that names nothing, such as `size(steps)`
 */
export function replaceCelNames(
  expression: string,
  replace: (root: 'steps' | 'parameters', name: string) => CelReplacement | null,
): { readonly ok: true; readonly cel: string } | { readonly ok: false; readonly problem: string } {
  // Each parameter may stand for an expression with parameters: without a limit they grow into the memory.
  const tooLong = { ok: false, problem: `it has more than ${MAX_CEL_LENGTH} characters` } as const;
  if (expression.length > MAX_CEL_LENGTH) return tooLong;
  const tokens = tokensOf(expression);
  let cel = '';
  let copied = 0;
  for (let at = 0; at < tokens.length; at += 1) {
    const root = tokens[at] as Token;
    if (root.text !== 'steps' && root.text !== 'parameters') continue;
    if (tokens[at - 1]?.text === '.') continue;
    const named = nameAfter(tokens, at);
    if (named === null) {
      return { ok: false, problem: `write the name behind \`${root.text}\`: \`${root.text}.a\`` };
    }
    const replacement = replace(root.text, named.name);
    if (replacement === null) continue;
    if ('problem' in replacement) return { ok: false, problem: replacement.problem };
    const asked = hasAround(tokens, at, named.end);
    if ('expression' in replacement && asked !== null) {
      cel += `${expression.slice(copied, asked.start)}${replacement.present}`;
      copied = asked.end;
    } else {
      cel += expression.slice(copied, root.start);
      cel +=
        'expression' in replacement
          ? replacement.expression
          : `${root.text}${celMember(replacement.name)}`;
      copied = named.end;
    }
    if (cel.length > MAX_CEL_LENGTH) return tooLong;
  }
  cel += expression.slice(copied);
  return cel.length > MAX_CEL_LENGTH ? tooLong : { ok: true, cel };
}

/** `.name`, or `["na-me"]` where CEL would take the name apart. */
export function celMember(name: string): string {
  const plain = /^[A-Za-z_][A-Za-z0-9_]*$/.test(name) && !RESERVED.has(name);
  return plain ? `.${name}` : `[${JSON.stringify(name)}]`;
}

/** `has(…)` of what a reference points to; true for one that is always there. */
export function celHasRef(ref: string): string {
  const [root, ...members] = ref.split('.');
  const last = members.pop();
  if (last === undefined) return 'true';
  const rest = celOfRef([root, ...members].join('.'));
  const selected = celMember(last);
  return selected.startsWith('.')
    ? `has(${rest}${selected})`
    : `(${JSON.stringify(last)} in ${rest})`;
}

/** `steps["a-b"].outputs.x` for `steps.a-b.outputs.x`. */
export function celOfRef(ref: string): string {
  const [root, ...members] = ref.split('.');
  return `${root}${members.map(celMember).join('')}`;
}

// https://github.com/google/cel-spec/blob/master/doc/langdef.md#syntax
const RESERVED: ReadonlySet<string> = new Set(
  (
    'as break const continue else false for function if import in let loop namespace null package return ' +
    'true var void while'
  ).split(' '),
);

interface Token {
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

// In a raw text (`r"\"`) a backslash is a backslash.
const TOKEN = new RegExp(
  [
    /(?<skip>\s+|\/\/[^\n]*)/,
    /(?:[bB]?[rR]|[rR][bB])(?:"""[^]*?"""|'''[^]*?'''|"[^"]*"|'[^']*')/,
    /[bB]?(?:"""(?:\\[^]|[^\\])*?"""|'''(?:\\[^]|[^\\])*?'''|"(?:\\[^]|[^"\\])*"|'(?:\\[^]|[^'\\])*')/,
    /[A-Za-z_][A-Za-z0-9_]*/,
    /[0-9][0-9A-Za-z]*/,
    /[^]/,
  ]
    .map(({ source }) => source)
    .join('|'),
  'gy',
);

function tokensOf(expression: string): readonly Token[] {
  const tokens: Token[] = [];
  for (const match of expression.matchAll(TOKEN)) {
    if (match.groups?.skip !== undefined) continue;
    const [text] = match;
    tokens.push({ text, start: match.index, end: match.index + text.length });
  }
  return tokens;
}

/** Where the `has(…)` stands that asks for the name from the root on, and for nothing within it; null without one. */
function hasAround(
  tokens: readonly Token[],
  root: number,
  end: number,
): { readonly start: number; readonly end: number } | null {
  const [has, open] = [tokens[root - 2], tokens[root - 1]];
  if (has?.text !== 'has' || open?.text !== '(' || tokens[root - 3]?.text === '.') return null;
  const close = tokens.slice(root, root + 6).find(({ start }) => start >= end);
  return close?.text === ')' ? { start: has.start, end: close.end } : null;
}

function nameAfter(
  tokens: readonly Token[],
  root: number,
): { readonly name: string; readonly end: number } | null {
  const [first, second, third] = tokens.slice(root + 1, root + 4);
  // `steps.map(…)` asks all of them, and names none.
  if (third?.text === '(') return null;
  if (first?.text === '.' && second !== undefined && /^[A-Za-z_]/.test(second.text)) {
    return { name: second.text, end: second.end };
  }
  if (first?.text === '[' && second !== undefined && third?.text === ']') {
    const quoted = /^(["'])([^\\]*)\1$/.exec(second.text);
    if (quoted?.[2] !== undefined) return { name: quoted[2], end: third.end };
  }
  return null;
}
