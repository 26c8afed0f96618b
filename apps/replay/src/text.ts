import { printable } from '@sluice/pure';

/** A number with its noun: `1 history`, `1,024 histories`. */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count.toLocaleString('en-US')} ${count === 1 ? one : many}`;
}

/** A value as JSON, cut to a line. */
export function shortJson(value: unknown, width = 60): string {
  const text = printable(JSON.stringify(value) ?? 'nothing');
  return text.length <= width ? text : `${text.slice(0, width - 1)}…`;
}

/** A digest as people compare it: its first twelve digits. */
export function shortDigest(digest: string): string {
  return digest.replace(/^(sha256:[0-9a-f]{12})[0-9a-f]*$/, '$1');
}

/** A build as people read it. */
export function describeBuild(build: {
  readonly buildId: string;
  readonly bundleDigest: string;
}): string {
  return `${printable(build.buildId)} (${shortDigest(build.bundleDigest)})`;
}

/** The promotion that a workflow id is of, else the id itself. */
export function shortName(workflowId: string): string {
  return printable(workflowId.replace(/^promotion\/[a-z0-9-]+\//, ''));
}

/** Colours that a terminal is given; each is the text itself where there is none. */
export interface Palette {
  readonly red: (text: string) => string;
  readonly green: (text: string) => string;
  readonly yellow: (text: string) => string;
  readonly dim: (text: string) => string;
}

/** @param isColoured whether the output goes to a terminal that shows colours */
export function openPalette(isColoured: boolean): Palette {
  const paint = (code: number) => (text: string) =>
    isColoured ? `\u001b[${code}m${text}\u001b[0m` : text;
  return { red: paint(31), green: paint(32), yellow: paint(33), dim: paint(2) };
}
