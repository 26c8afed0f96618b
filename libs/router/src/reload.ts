import { readFile } from 'node:fs/promises';
import { lastLines } from './marks.ts';
import { RouterError } from './router-error.ts';
import { runProgram } from './run-program.ts';

/** How a proxy is told to read its files again: a signal to the process of a pid file, or a program. */
export type ReloadWay =
  | { readonly pidFile: string }
  /** Such as `["systemctl", "reload", "haproxy"]`. */
  | { readonly command: readonly [string, ...string[]] };

/**
 * Tells a proxy to read its files again.
 * @throws RouterError `router-down` when it does not run, `route-unserved` when the program failed
 */
export async function reload(
  label: string,
  way: ReloadWay,
  name: NodeJS.Signals,
  signal: AbortSignal,
): Promise<void> {
  if ('pidFile' in way) {
    const pid = await findPid(way.pidFile);
    if (pid === undefined) {
      throw new RouterError(
        'router-down',
        `${label} does not run: ${way.pidFile} names no process; start it.`,
      );
    }
    process.kill(pid, name);
    return;
  }
  const [program, ...args] = way.command;
  const { status, output } = await runProgram(program, args, signal);
  if (status === 0) return;
  throw new RouterError(
    'route-unserved',
    `${label} could not be told: "${way.command.join(' ')}" failed: ${lastLines(output)}`,
  );
}

/** The process that a pid file names, when it runs; undefined otherwise. */
export async function findPid(pidFile: string): Promise<number | undefined> {
  try {
    const pid = Number.parseInt((await readFile(pidFile, 'utf8')).trim(), 10);
    if (!Number.isInteger(pid) || pid < 2) return undefined;
    const status = await readFile(`/proc/${pid}/stat`, 'utf8');
    return /\) [ZX] /.test(status) ? undefined : pid;
  } catch {
    return undefined;
  }
}

/** Child processes of a process that run; empty when it is gone. */
export async function listChildren(pid: number): Promise<readonly number[]> {
  try {
    const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
    return text
      .split(' ')
      .map(Number)
      .filter((child) => child > 0);
  } catch {
    return [];
  }
}
