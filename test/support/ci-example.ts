import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { ProgramEnd } from './cli.ts';

/** The checkout. */
export const CHECKOUT = fileURLToPath(new URL('../..', import.meta.url));

/** The script of the CI example; from the checkout. */
export const EXAMPLE_SCRIPT = 'examples/ci/replay-histories.sh';

/** Runs the CI example's script in this checkout, with nothing of our environment but PATH and HOME. */
export function runExample(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<ProgramEnd> {
  return new Promise((resolve, reject) => {
    const { PATH = '', HOME = '' } = process.env;
    const child = spawn('bash', [EXAMPLE_SCRIPT, ...args], {
      cwd: CHECKOUT,
      env: { PATH, HOME, ...env },
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.once('error', reject);
    child.once('close', (status) => resolve({ status, stdout, stderr }));
  });
}
