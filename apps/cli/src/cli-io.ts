import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline/promises';
import { type NodeEnd, type NodeRun, runNode } from './node-run.ts';

/** A terminal that is looked at. Characters. */
export interface Terminal {
  readonly columns: number;
  readonly rows: number;
}

/** Everything around a command that a test may replace. */
export interface CliIo {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly fetch: typeof globalThis.fetch;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly sleep: (milliseconds: number) => Promise<void>;
  /** Does something again and again, until what it returns is called. */
  readonly every: (milliseconds: number, work: () => void) => () => void;
  /** Result text; to standard output. */
  readonly out: (text: string) => void;
  /** Progress and errors; to standard error. */
  readonly err: (text: string) => void;
  /** The terminal that results go to, as wide as it is now; undefined when they go elsewhere. */
  readonly terminal: () => Terminal | undefined;
  /** Asks the person at the terminal for a line; undefined where nobody reads and answers. */
  readonly ask: ((question: string) => Promise<string>) | undefined;
  /** Runs another program of Node at this terminal until it has ended; signals go to it. */
  readonly runNode: (run: NodeRun) => Promise<NodeEnd>;
  /** True when a program's file is there. */
  readonly hasProgram: (path: string) => boolean;
}

/** The real surroundings. */
export function processIo(): CliIo {
  const { stdin, stdout, stderr, env } = process;
  const isTerminal = stdout.isTTY === true && env['TERM'] !== 'dumb';
  return {
    env,
    fetch: globalThis.fetch,
    now: Date.now,
    sleep: (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds)),
    every: (milliseconds, work) => {
      const timer = setInterval(work, milliseconds);
      return () => clearInterval(timer);
    },
    out: (text) => void stdout.write(text),
    err: (text) => void stderr.write(text),
    terminal: () =>
      isTerminal ? { columns: stdout.columns || 80, rows: stdout.rows || 24 } : undefined,
    ask: stdin.isTTY === true && stdout.isTTY === true ? askOnTerminal : undefined,
    runNode,
    hasProgram: existsSync,
  };
}

/** The person's line; empty when they end the input instead. */
async function askOnTerminal(question: string): Promise<string> {
  const lines = createInterface({ input: process.stdin, output: process.stdout });
  try {
    const ended = new Promise<string>((resolve) => lines.once('close', () => resolve('')));
    return await Promise.race([lines.question(question), ended]);
  } finally {
    lines.close();
  }
}
