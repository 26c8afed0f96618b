import { execFile } from 'node:child_process';

const MAX_OUTPUT_BYTES = 256 * 1024;

/** What a program that ended said and returned. */
export interface ProgramEnd {
  /** Null when it was ended by a signal or could not be started. */
  readonly status: number | null;
  /** Standard output and error, one after the other. */
  readonly output: string;
}

/** Runs a program to its end, without a shell; never throws. */
export function runProgram(
  program: string,
  args: readonly string[],
  signal: AbortSignal,
): Promise<ProgramEnd> {
  return new Promise((resolve) => {
    execFile(
      program,
      [...args],
      { signal, maxBuffer: MAX_OUTPUT_BYTES, encoding: 'utf8' },
      (error, stdout, stderr) => {
        const output = `${stdout}${stderr}`;
        if (error === null) resolve({ status: 0, output });
        else if (typeof error.code === 'number') resolve({ status: error.code, output });
        else resolve({ status: null, output: `${output}${error.message}` });
      },
    );
  });
}
