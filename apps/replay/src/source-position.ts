import { SourceMap, type SourceMapPayload } from 'node:module';
import { resolve } from 'node:path';

/** A place in a source file. Line and column count from 1. */
export interface SourcePosition {
  /** Relative to the repository that the bundle was built in, where that can be told. */
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** Finds sources of a bundle in stacks. */
export interface SourceFinder {
  /**
   * Places in this repository's own code that a stack goes through, innermost first; libraries and the probe are left out.
   */
  placesOf(stack: string): readonly SourcePosition[];
}

const FRAME = /^\s+at (?:.* \()?(.+?):(\d+):(\d+)\)?$/;
const MAX_PLACES = 6;
const WORKFLOWS_ENTRY = '/workflows/src/index.ts';

/** @throws Error when the bundle has no readable source map */
export function openSources(code: string): SourceFinder {
  const text = code.slice(code.lastIndexOf('base64,') + 'base64,'.length).trimEnd();
  const payload = JSON.parse(Buffer.from(text, 'base64').toString('utf8')) as SourceMapPayload;
  const map = new SourceMap(payload);
  // The SDK names a bundle so; it maps stacks by itself where the process is its own.
  const bundleFile = resolve(process.cwd(), payload.file);
  const sources = new Set(payload.sources);
  const root = rootOf(payload.sources);
  const toPosition = (frame: string): SourcePosition | undefined => {
    const match = FRAME.exec(frame);
    if (match === null) return undefined;
    const [, file = '', line = '', column = ''] = match;
    if (sources.has(file)) {
      // The SDK's columns count from 0.
      return { file, line: Number(line), column: Number(column) + 1 };
    }
    if (file !== bundleFile) return undefined;
    const entry = map.findEntry(Number(line) - 1, Number(column) - 1);
    if (!('originalSource' in entry) || entry.originalSource === undefined) return undefined;
    const { originalSource, originalLine, originalColumn } = entry;
    return { file: originalSource, line: originalLine + 1, column: originalColumn + 1 };
  };
  return {
    placesOf: (stack) =>
      stack
        .split('\n')
        .map(toPosition)
        .filter((place) => place !== undefined)
        .filter(({ file }) => isOwn(file))
        .map((place) => ({ ...place, file: relativeTo(root, place.file) }))
        .slice(0, MAX_PLACES),
  };
}

function isOwn(file: string): boolean {
  return !file.includes('node_modules/') && !file.includes('webpack') && /\.[jt]s$/.test(file);
}

/** Where the workflows lie in it, or else the folder that packages were installed in, is the repository's. */
function rootOf(sources: readonly string[]): string {
  const own = sources.find((file) => file.endsWith(WORKFLOWS_ENTRY));
  if (own !== undefined) return own.slice(0, 1 - WORKFLOWS_ENTRY.length);
  const library = sources.find((file) => file.includes('/node_modules/@temporalio/'));
  return library === undefined
    ? ''
    : library.slice(0, library.indexOf('node_modules/@temporalio/'));
}

function relativeTo(root: string, file: string): string {
  return root !== '' && file.startsWith(root) ? file.slice(root.length) : file;
}
