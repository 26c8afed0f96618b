import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** How a block ended, and what it printed on both streams. */
export interface BlockEnd {
  readonly status: number;
  readonly output: string;
}

/** One bash to which blocks are given one after the other, as a reader types them. */
export interface ShellSession {
  run(commands: string): Promise<BlockEnd>;
  /** Ends it with everything that it still runs. */
  close(): Promise<void>;
}

const END = '--end-of-block--';
// Whatever ends the shell ends what it started in the background, in order.
const PREAMBLE = `trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT\nset -uo pipefail\n`;

/**
 * Starts a bash that ends at the first command of a block that fails.
 *
 * @param folder - for files of the session.
 */
export function startShell(
  cwd: string,
  env: Readonly<Record<string, string>>,
  folder: string,
): ShellSession {
  const shell = spawn('bash', ['--noprofile', '--norc'], { cwd, env, stdio: 'pipe' });
  let output = '';
  let hear: () => void = () => undefined;
  for (const stream of [shell.stdout, shell.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      hear();
    });
  }
  const closed = once(shell, 'close').then(() => hear());
  shell.stdin.write(PREAMBLE);
  return {
    run: async (commands) => {
      output = '';
      // Not over standard input: a command of the block could read it.
      const file = join(folder, 'block.sh');
      await writeFile(file, commands);
      shell.stdin.write(`set -e\n. '${file}' < /dev/null\nset +e\necho '${END}'\n`);
      await new Promise<void>((resolve) => {
        hear = () => {
          if (output.includes(END) || shell.exitCode !== null) resolve();
        };
        hear();
      });
      const status = output.includes(END) ? 0 : (shell.exitCode ?? 1);
      return { status, output: output.replace(`${END}\n`, '') };
    },
    close: async () => {
      shell.stdin.end();
      await closed;
    },
  };
}
