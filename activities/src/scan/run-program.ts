import { type ChildProcess, spawn } from 'node:child_process';

/** How a child process is run: never through a shell, in its own process group. */
export interface ProgramRun {
  readonly file: string;
  readonly args: readonly string[];
  readonly cwd: string;
  /** The whole environment; nothing is inherited. */
  readonly env: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  /** Bytes kept of each output stream; more of standard output is an error, of standard error the last are kept. */
  readonly maxOutputBytes: number;
  readonly cancellation: AbortSignal;
}

/** How a program ended. */
export interface ProgramResult {
  /** Exit status; null when a signal ended it. */
  readonly status: number | null;
  readonly stdout: string;
  /** The last lines of standard error. */
  readonly stderrTail: string;
}

/** Codes: `program-missing`, `program-timeout`, `program-cancelled`, `program-output-too-large`. */
export class ProgramError extends Error {
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'ProgramError';
    this.code = code;
  }
}

const KILL_GRACE_MS = 2000;
const STDERR_TAIL_BYTES = 4096;

/**
 * Runs a program to its end; a non-zero status is a result. On timeout and cancellation the whole
 * process group is ended (SIGTERM, then SIGKILL) before the promise settles.
 * @throws ProgramError
 */
export function runProgram(run: ProgramRun): Promise<ProgramResult> {
  return new Promise((resolve, reject) => {
    if (run.cancellation.aborted) {
      reject(new ProgramError('program-cancelled', `${run.file} was cancelled before it started.`));
      return;
    }
    const child = spawn(run.file, [...run.args], {
      cwd: run.cwd,
      env: { ...run.env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    let stdout = Buffer.alloc(0);
    let stderr = Buffer.alloc(0);
    let problem: ProgramError | undefined;
    let killTimer: NodeJS.Timeout | undefined;

    const stop = (error: ProgramError): void => {
      if (problem !== undefined) return;
      problem = error;
      signalGroup(child, 'SIGTERM');
      killTimer = setTimeout(() => signalGroup(child, 'SIGKILL'), KILL_GRACE_MS);
    };
    const deadline = setTimeout(
      () =>
        stop(
          new ProgramError(
            'program-timeout',
            `${run.file} did not end within ${Math.round(run.timeoutMs / 100) / 10} s and was stopped.`,
          ),
        ),
      run.timeoutMs,
    );
    const onCancel = (): void =>
      stop(new ProgramError('program-cancelled', `${run.file} was cancelled.`));
    run.cancellation.addEventListener('abort', onCancel, { once: true });

    child.stdout.on('data', (chunk: Buffer) => {
      if (stdout.length + chunk.length > run.maxOutputBytes) {
        stop(
          new ProgramError(
            'program-output-too-large',
            `${run.file} printed more than ${run.maxOutputBytes} bytes and was stopped.`,
          ),
        );
        return;
      }
      stdout = Buffer.concat([stdout, chunk]);
    });
    child.stderr.on('data', (chunk: Buffer) => {
      stderr = Buffer.concat([stderr, chunk]).subarray(-STDERR_TAIL_BYTES);
    });

    const settle = (finish: () => void): void => {
      clearTimeout(deadline);
      clearTimeout(killTimer);
      run.cancellation.removeEventListener('abort', onCancel);
      // Children of the program that outlive it would hold the temporary folder.
      signalGroup(child, 'SIGKILL');
      finish();
    };
    child.once('error', (cause: NodeJS.ErrnoException) =>
      settle(() =>
        reject(
          new ProgramError(
            'program-missing',
            `${run.file} cannot be started (${cause.code ?? cause.message}).`,
            { cause },
          ),
        ),
      ),
    );
    child.once('exit', () => {
      // A grandchild may keep the pipes open for ever: `close` would then never come.
      killTimer ??= setTimeout(() => signalGroup(child, 'SIGKILL'), KILL_GRACE_MS);
    });
    child.once('close', (status) =>
      settle(() => {
        if (problem !== undefined) reject(problem);
        else {
          resolve({ status, stdout: stdout.toString('utf8'), stderrTail: stderr.toString('utf8') });
        }
      }),
    );
  });
}

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    // The group is gone already.
  }
}
