import { spawn } from 'node:child_process';
import { childEnvironment } from '@sluice/pure';

/** Kept of what a child says, for its error. */
const MAX_OUTPUT = 64 * 1024;
const TAIL_LINES = 20;
/** Between asking a child to end and ending it. */
const GRACE_MS = 5000;

/** What a child may take. */
export interface ChildOptions {
  readonly cwd: string;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
  /** Default: what any program needs, and no credential. */
  readonly env?: NodeJS.ProcessEnv;
}

/** A child that did not end well. */
export class ChildCommandError extends Error {
  /** Last lines of what it said. */
  readonly tail: string;

  constructor(message: string, tail: string) {
    super(message);
    this.name = 'ChildCommandError';
    this.tail = tail;
  }
}

/**
 * Runs a program to its end; it and whatever it starts are ended at the time limit and when the signal fires.
 * @returns its standard output, trimmed
 * @throws ChildCommandError
 */
export function runChild(
  program: string,
  args: readonly string[],
  { cwd, timeoutMs, signal, env = childEnvironment(process.env) }: ChildOptions,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const what = `${program} ${args.slice(0, 3).join(' ')}`;
    if (signal?.aborted === true) {
      reject(new ChildCommandError(`${what} was not started: it was interrupted.`, ''));
      return;
    }
    // A group of its own, so that what npm and builds start ends with it.
    const child = spawn(program, args, {
      cwd,
      env,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let out = '';
    let said = '';
    let ending = '';
    let kill: NodeJS.Timeout | undefined;
    const end = (why: string): void => {
      if (ending !== '') return;
      ending = why;
      signalGroup(child.pid, 'SIGTERM');
      kill = setTimeout(() => signalGroup(child.pid, 'SIGKILL'), GRACE_MS);
    };
    const interrupt = (): void => end('was interrupted');
    const timer = setTimeout(
      () => end(`did not end within ${Math.round(timeoutMs / 1000)} s`),
      timeoutMs,
    );
    signal?.addEventListener('abort', interrupt, { once: true });
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      if (out.length < MAX_OUTPUT) out += text;
      said = (said + text).slice(-MAX_OUTPUT);
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-MAX_OUTPUT);
    });
    const settle = (problem: string | undefined): void => {
      clearTimeout(timer);
      clearTimeout(kill);
      signal?.removeEventListener('abort', interrupt);
      const tail = said.trim().split('\n').slice(-TAIL_LINES).join('\n');
      if (problem === undefined) resolve(out.trim());
      else reject(new ChildCommandError(`${what} ${problem}.`, tail));
    };
    child.once('error', (error) => settle(`cannot be started: ${error.message}`));
    child.once('close', (status, name) => {
      if (ending !== '') settle(ending);
      else settle(status === 0 ? undefined : `ended with ${name ?? `status ${status}`}`);
    });
  });
}

function signalGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // It has ended by itself.
  }
}
