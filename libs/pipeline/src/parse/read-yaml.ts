import { Composer, type CST, Lexer, Parser } from 'yaml';
import { buildNode, type NodeBuilder } from './build-node.ts';
import type { PositionedNode } from './positioned-node.ts';

/** Lists and objects within one another: deeper ones are refused. */
export const MAX_YAML_DEPTH = 64;

/** Values and keys of one text: more are refused. */
export const MAX_YAML_VALUES = 200_000;

/** Faults of the form of one text that are reported; what comes after them is seldom more than their echo. */
const MAX_FORM_FAULTS = 100;

/** Something wrong with the text itself. */
export interface TextFault {
  readonly code: string;
  readonly severity?: 'warning';
  readonly message: string;
  readonly suggestion: string | null;
  /** UTF-16 units from the text's start. */
  readonly offset: number;
  /** A second place that belongs to it, such as that of the first of two equal keys. */
  readonly other?: number;
}

/** The one document of a text; `root` is null where there is none to go on with. */
export interface YamlText {
  readonly root: PositionedNode | null;
  readonly faults: readonly TextFault[];
}

/**
 * Reads one document of YAML 1.2 (core schema) or JSON. Work and memory grow with the text's length only: there are no anchors, aliases,
 * merge keys, tags or directives, and depth is bounded before anything is composed.
 */
export function readYaml(text: string): YamlText {
  const scan = scanTokens(text);
  if (scan.fatal !== null) return { root: null, faults: [...scan.faults, scan.fatal] };
  const composer = new Composer({
    version: '1.2',
    schema: 'core',
    merge: false,
    stringKeys: true,
    strict: true,
    // The library compares each key with each other; ours is found by a map.
    uniqueKeys: false,
    prettyErrors: false,
    logLevel: 'silent',
  });
  const faults: TextFault[] = [...scan.faults];
  if (faults.length >= MAX_FORM_FAULTS) return { root: null, faults };
  const documents = [...composer.compose(scan.tokens, true, text.length)];
  const document = documents[0];
  for (const error of document?.errors ?? []) {
    if (faults.length >= MAX_FORM_FAULTS) break;
    // Reported already, with what to do instead.
    if (scan.refused.has(error.pos[0])) continue;
    faults.push({
      code: error.code === 'TAB_AS_INDENT' ? 'yaml-tab' : 'yaml-invalid',
      message: `This is no YAML: ${error.message.slice(0, 300)}.`.replace(/\.\.$/, '.'),
      suggestion: SUGGESTIONS[error.code] ?? null,
      offset: error.pos[0],
    });
  }
  const second = documents[1];
  if (second !== undefined) faults.push({ ...SECOND, offset: second.range[0] });
  if (faults.length > 0) return { root: null, faults };
  const contents = document?.contents ?? null;
  if (contents === null || scan.values === 0) {
    const suggestion = 'Begin with `schema: sluice.pipeline/v2`.';
    const message = 'The text holds no pipeline.';
    return { root: null, faults: [{ code: 'text-empty', message, suggestion, offset: 0 }] };
  }
  const builder: NodeBuilder = { text, faults };
  return { root: buildNode(contents, builder), faults };
}

const SECOND = {
  code: 'yaml-documents',
  message: 'A second document begins here; a pipeline is one document.',
  suggestion: 'Put the other one into a file of its own.',
};

const SUGGESTIONS: Readonly<Record<string, string>> = {
  TAB_AS_INDENT: 'Indent with spaces.',
  BAD_DQ_ESCAPE: 'Write \\\\ for a backslash, or use single quotes.',
  BAD_SCALAR_START: 'Put the text in quotes.',
  NON_STRING_KEY: 'Use texts as keys.',
  MULTILINE_IMPLICIT_KEY: 'Look for a missing colon, or put the text in quotes.',
  BLOCK_AS_IMPLICIT_KEY: 'Put the text in quotes where it holds a colon.',
  BAD_INDENT: 'Indent the members of one list or object alike.',
};

interface Scan {
  readonly tokens: readonly CST.Token[];
  readonly faults: readonly TextFault[];
  readonly refused: ReadonlySet<number>;
  readonly fatal: TextFault | null;
  readonly values: number;
}

/** Tokens of the text; stops at the first thing that would make more of it than it is long. */
function scanTokens(text: string): Scan {
  const parser = new Parser();
  const tokens: CST.Token[] = [];
  const faults: TextFault[] = [];
  const refused = new Set<number>();
  let offset = 0;
  let documents = 0;
  let scalars = 0;
  let marks = 0;
  let values = 0;
  let errors = 0;
  let scalar = false;
  let flowDepth = 0;
  let onLine = 0;
  const end = (code: string, message: string, suggestion: string): Scan => {
    const fatal = { code, message, suggestion, offset };
    return { tokens, faults, refused, fatal, values };
  };
  for (const lexeme of new Lexer().lex(text)) {
    const mark = lexeme[0] ?? '';
    if (lexeme.length === 1 && MARKS.has(mark)) {
      // No part of the text.
    } else if (!scalar && mark in REFUSED && isRefusable(mark, lexeme)) {
      refused.add(offset);
      if (faults.length < MAX_FORM_FAULTS) faults.push(refusal(mark, lexeme, offset));
    }
    if (!scalar && (mark === '[' || mark === '{')) flowDepth += 1;
    if (!scalar && (mark === ']' || mark === '}')) flowDepth = Math.max(0, flowDepth - 1);
    // Outside of brackets the library looks for the line's end at each lexeme.
    onLine = lexeme === '\n' || lexeme === '\r\n' || flowDepth > 0 ? 0 : onLine + 1;
    if (onLine > MAX_ON_LINE || errors > MAX_FORM_FAULTS) {
      return end('yaml-invalid', 'What stands here is no YAML.', 'Put texts in quotes.');
    }
    for (const token of parser.next(lexeme)) {
      if (token.type === 'error') errors += 1;
      // A document is given when the next one begins, or when all has been read.
      if (token.type === 'document' || token.type === 'doc-end') documents += 1;
      tokens.push(token);
    }
    const begins = lexeme === '---' || lexeme === '...' || lexeme === SCALAR;
    if (documents > (lexeme === '...' ? 2 : 0) && begins) {
      return end(SECOND.code, SECOND.message, SECOND.suggestion);
    }
    // The fault that is already noted is enough; the rest is its echo.
    if (refused.size >= MAX_FORM_FAULTS) break;
    scalar = lexeme === SCALAR;
    if (scalar || mark === '"' || mark === "'" || mark === '[' || mark === '{') scalars += 1;
    else if (OPENS.has(mark)) marks += 1;
    // Empty values have no lexeme of their own, only the mark before them.
    values = Math.max(scalars, marks);
    if (parser.stack.length > MAX_YAML_DEPTH + 2) {
      const message = `More than ${MAX_YAML_DEPTH} lists and objects stand within one another here.`;
      return end('yaml-too-deep', message, 'Make it flatter.');
    }
    if (values > MAX_YAML_VALUES) {
      const message = `The text holds more than ${MAX_YAML_VALUES} values.`;
      return end('yaml-too-many-values', message, 'Make sub-pipelines of it.');
    }
    if (!(lexeme.length === 1 && MARKS.has(mark))) offset += lexeme.length;
  }
  for (const token of parser.end()) tokens.push(token);
  return { tokens, faults, refused, fatal: null, values };
}

/** Marks that the lexer puts between lexemes; the text itself can't hold them. */
const DOCUMENT = '\u0002';
const SCALAR = '\u001f';
const MARKS: ReadonlySet<string> = new Set([DOCUMENT, '\u0018', SCALAR]);
const OPENS: ReadonlySet<string> = new Set(['-', ':', ',', '?']);

/** Lexemes of one line outside of brackets. */
const MAX_ON_LINE = 1000;

const REFUSED: Readonly<Record<string, readonly [string, string, string]>> = {
  '&': ['yaml-anchor', 'Anchors', 'Take it out; share by `extends`, parameters or a sub-pipeline.'],
  '*': ['yaml-alias', 'Aliases', 'Write the value here; share by `extends` or a sub-pipeline.'],
  '!': ['yaml-tag', 'Tags', 'Take it out; write texts in quotes where they look like numbers.'],
  '%': ['yaml-directive', 'Directives', 'Take it out; pipelines are YAML 1.2.'],
};

/** `%` is a directive only where the lexer has found a whole line of it. */
function isRefusable(mark: string, lexeme: string): boolean {
  return mark !== '%' || lexeme.length > 1;
}

function refusal(mark: string, lexeme: string, offset: number): TextFault {
  const [code, what, suggestion] = REFUSED[mark] ?? ['yaml-invalid', 'These', ''];
  return {
    code,
    message: `${what} such as ${lexeme.slice(0, 60)} are not taken.`,
    suggestion,
    offset,
  };
}
