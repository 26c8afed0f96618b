import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { childEnvironment, INSTALLER_VARIABLES } from '@sluice/pure';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
/** Kept of what a captured program prints. Characters. */
const MAX_CAPTURED = 1024 * 1024;

/** Another program of Node that takes over this terminal. */
export interface NodeRun {
  /** What Node itself is told, such as `--inspect-brk`. */
  readonly flags?: readonly string[];
  /** Path of the program. */
  readonly program: string;
  readonly args: readonly string[];
  /** True when its standard output is a result for this command, not for the reader. */
  readonly isCaptured?: boolean;
  /** True for one that starts git and npm, which need their servers. */
  readonly isInstaller?: boolean;
  /** Answers a message of the program; what it returns is sent back. */
  readonly answer?: (message: unknown) => Promise<unknown>;
}

/** How it ended. */
export interface NodeEnd {
  /** Its exit code; 128 and the signal's number where a signal ended it. */
  readonly status: number;
  /** Empty unless captured. */
  readonly stdout: string;
}

let running = 0;

/** True while a program that was started here has not ended: it decides then what a signal means. */
export function isProgramRunning(): boolean {
  return running > 0;
}

/**
 * Runs a program of Node at this terminal until it has ended, however many signals arrive meanwhile: they go to it.
 * @throws the error of the operating system when it cannot be started
 */
export function runNode(run: NodeRun): Promise<NodeEnd> {
  const { flags, program, args, isCaptured, answer } = run;
  return new Promise((resolve, reject) => {
    const out = isCaptured === true ? 'pipe' : 'inherit';
    const child = spawn(
      process.execPath,
      ['--enable-source-maps', ...(flags ?? []), program, ...args],
      {
        stdio: ['inherit', out, 'inherit', ...(answer === undefined ? [] : ['ipc' as const])],
        env: environment(run),
      },
    );
    running += 1;
    const pass = (signal: NodeJS.Signals): void => {
      // The terminal has sent Ctrl-C to the program already.
      if (signal !== 'SIGINT' || process.stdin.isTTY !== true) child.kill(signal);
    };
    for (const signal of SIGNALS) process.on(signal, pass);
    let stdout = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      if (stdout.length < MAX_CAPTURED) stdout += text;
    });
    child.on('message', (message) => {
      void answer?.(message).then((reply) => {
        if (child.connected) child.send(reply as object, () => undefined);
      });
    });
    const settle = (): void => {
      running -= 1;
      for (const signal of SIGNALS) process.off(signal, pass);
    };
    child.once('error', (error) => {
      if (child.pid === undefined) settle();
      reject(error);
    });
    child.once('close', (status, signal) => {
      settle();
      resolve({ status: status ?? 128 + (signal ? constants.signals[signal] : 0), stdout });
    });
  });
}

/** What it runs may be a stranger's build: tokens and credentials stay here. */
function environment({ isInstaller, answer }: Partial<NodeRun>): NodeJS.ProcessEnv {
  const kept = childEnvironment(
    process.env,
    isInstaller === true ? INSTALLER_VARIABLES : undefined,
  );
  return answer === undefined ? kept : { ...kept, SLUICE_PARENT_ANSWERS: 'yes' };
}
