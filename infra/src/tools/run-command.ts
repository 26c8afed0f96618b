import { spawn } from 'node:child_process';

/** What a finished command left; output is cut to its last 64 KiB. */
export type CommandResult = {
  /** Absent when it was ended by a signal, timed out or could not be started. */
  readonly status: number | undefined;
  readonly output: string;
};

/** How a command runs. */
export type CommandOptions = {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly timeoutMs: number;
  /** Called every five seconds with the seconds that have passed. */
  readonly onTick?: (seconds: number) => void;
};

const KEPT_OUTPUT = 65_536;

/**
 * Runs a command without a shell and never throws: a command that cannot be started has no status
 * and the reason as output.
 */
export function runCommand(
  file: string,
  args: readonly string[],
  options: CommandOptions,
): Promise<CommandResult> {
  return new Promise((resolve) => {
    const started = Date.now();
    let output = '';
    const child = spawn(file, args, {
      env: options.env as NodeJS.ProcessEnv,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    const keep = (chunk: Buffer): void => {
      output = (output + chunk.toString('utf8')).slice(-KEPT_OUTPUT);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    const ticker = setInterval(
      () => options.onTick?.(Math.round((Date.now() - started) / 1000)),
      5_000,
    );
    const endGroup = (): void => {
      try {
        process.kill(-(child.pid ?? 0), 'SIGKILL');
      } catch {
        // It ended in the meantime.
      }
    };
    const timeout = setTimeout(endGroup, options.timeoutMs);
    // Its own group keeps Ctrl-C from reaching it, so it must not outlive us.
    process.once('exit', endGroup);
    const finish = (status: number | undefined): void => {
      clearInterval(ticker);
      clearTimeout(timeout);
      process.removeListener('exit', endGroup);
      resolve({ status, output });
    };
    child.once('error', (error) => {
      output += error.message;
      finish(undefined);
    });
    child.once('close', (status) => finish(status ?? undefined));
  });
}
