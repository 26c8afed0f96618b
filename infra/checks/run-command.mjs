import { spawn } from 'node:child_process';
import { repositoryRoot } from '../build/workspaces.mjs';

const keptBytes = 200_000;

/**
 * Runs a program to its end and keeps the last of its output.
 *
 * @param {string[]} argv program and arguments; `node` means the Node that runs this
 * @param {{ timeoutMs?: number, env?: Record<string, string>, cwd?: string, echo?: boolean }}
 *   [options] `echo` copies the output to standard error as it comes
 * @returns {Promise<{ ok: boolean, status: number | null, output: string }>} never rejects: a
 *   program that cannot start or is late is `ok: false` with the reason in `output`
 */
export function runCommand(argv, { timeoutMs = 600_000, env, cwd, echo = false } = {}) {
  const [program, ...args] = argv;
  return new Promise((resolve) => {
    const child = spawn(program === 'node' ? process.execPath : program, args, {
      cwd: cwd ?? repositoryRoot,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    const keep = (chunk) => {
      if (echo) process.stderr.write(chunk);
      output = (output + chunk).slice(-keptBytes);
    };
    child.stdout.setEncoding('utf8').on('data', keep);
    child.stderr.setEncoding('utf8').on('data', keep);
    const timer = setTimeout(() => {
      keep(`\n${program} did not end within ${timeoutMs / 1000} s and was ended.\n`);
      child.kill('SIGKILL');
    }, timeoutMs);
    child.once('error', (error) => {
      clearTimeout(timer);
      resolve({
        ok: false,
        status: null,
        output: `${program} cannot be started: ${error.message}`,
      });
    });
    child.once('close', (status) => {
      clearTimeout(timer);
      resolve({ ok: status === 0, status, output });
    });
  });
}
