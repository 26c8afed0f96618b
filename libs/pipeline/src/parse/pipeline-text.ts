import type { PipelineProblem } from '../problem.ts';
import { createLineIndex } from './line-index.ts';

/** Bytes of a pipeline's text: more are refused before anything is read. */
export const MAX_PIPELINE_BYTES = 1024 * 1024;

/** Characters of one kind that are reported one by one. */
const MAX_CHARACTERS_SHOWN = 20;

// Lone CR is a line break for some readers and none for others. Direction marks let a text read otherwise than it runs.
const FORBIDDEN =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what a pipeline must not hold
  /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u0084\u0086-\u009f\u202a-\u202e\u2066-\u2069\ufeff]|\r(?!\n)|\p{Surrogate}/gu;

/** A text that can be read as YAML, or why not. */
export type PipelineText =
  | { readonly ok: true; readonly text: string }
  | { readonly ok: false; readonly problems: readonly PipelineProblem[] };

/** Bounds and decodes what came; a byte order mark is dropped. */
export function readPipelineText(source: string | Uint8Array, file: string): PipelineText {
  const bytes = typeof source === 'string' ? Buffer.byteLength(source) : source.byteLength;
  if (bytes > MAX_PIPELINE_BYTES) {
    return refuse(file, '', 0, {
      code: 'text-too-large',
      message: `The text has ${bytes} bytes; a pipeline has at most ${MAX_PIPELINE_BYTES}.`,
      suggestion: 'Make sub-pipelines of it, or let a script or an output hold the data.',
    });
  }
  const decoded = typeof source === 'string' ? source : decode(source);
  if (typeof decoded !== 'string') {
    return refuse(file, decoded.before, decoded.before.length, {
      code: 'text-not-utf8',
      message: `Byte ${decoded.before.length === 0 ? 0 : Buffer.byteLength(decoded.before)} is not UTF-8.`,
      suggestion: 'Save the file as UTF-8.',
    });
  }
  const text = decoded.startsWith('\ufeff') ? decoded.slice(1) : decoded;
  const problems: PipelineProblem[] = [];
  const lineColumn = createLineIndex(text);
  for (const match of text.matchAll(FORBIDDEN)) {
    if (problems.length >= MAX_CHARACTERS_SHOWN) break;
    const code = (match[0].codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0');
    problems.push({
      code: 'text-character-forbidden',
      severity: 'error',
      message: `The text holds the character U+${code}, which is not taken in a pipeline.`,
      suggestion: code === '000D' ? 'End lines with LF or CRLF.' : 'Take it out.',
      at: { file, ...lineColumn(match.index), path: '' },
    });
  }
  return problems.length === 0 ? { ok: true, text } : { ok: false, problems };
}

function refuse(
  file: string,
  text: string,
  offset: number,
  problem: Pick<PipelineProblem, 'code' | 'message' | 'suggestion'>,
): PipelineText {
  const at = { file, ...createLineIndex(text)(offset), path: '' };
  return { ok: false, problems: [{ ...problem, severity: 'error', at }] };
}

function decode(bytes: Uint8Array): string | { readonly before: string } {
  const prefix = (length: number): string | undefined => {
    try {
      const stream = length < bytes.length;
      return new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(0, length), {
        stream,
      });
    } catch {
      return undefined;
    }
  };
  const whole = prefix(bytes.length);
  if (whole !== undefined) return whole;
  let good = 0;
  let bad = bytes.length;
  while (bad - good > 1) {
    const middle = (good + bad) >> 1;
    if (prefix(middle) === undefined) bad = middle;
    else good = middle;
  }
  return { before: prefix(good) ?? '' };
}
