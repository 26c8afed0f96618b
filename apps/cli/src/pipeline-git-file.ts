import { execFile } from 'node:child_process';
import { childEnvironment } from '@sluice/pure';
import { CliError, EXIT_CODES } from './exit-codes.ts';
import { clause } from './text-layout.ts';

const TIMEOUT_MILLISECONDS = 10_000;

/** Names, tags, digests, `HEAD~2`, `main@{1}`; nothing that git could take for an option or for a range. */
const REF = /^(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._/@{}~^+-]{0,249}$/;

// biome-ignore lint/suspicious/noControlCharactersInRegex: no path of a pipeline has them
const PATH = /^[^\u0000-\u001f\u007f]{1,1024}$/;

/** How git is set up. Its repository is the one around the working folder, whatever the environment says. */
const GIT_VARIABLES = /^GIT_CONFIG_(?:GLOBAL|SYSTEM|NOSYSTEM)$/;

/**
 * Reads a file as a git ref has it. Only the content: no filter, pager or hook runs, and nothing is fetched.
 * @param word `<ref>:<path>`, the path from the repository's top, or from here when it begins with `./`
 * @throws CliError `git-ref-invalid`, `git-missing`, `git-failed`, `file-too-large`
 */
export async function readGitFile(word: string, maxBytes: number): Promise<Uint8Array> {
  const colon = word.indexOf(':');
  const [ref, path] = [word.slice(0, colon), word.slice(colon + 1)];
  if (!REF.test(ref) || !PATH.test(path)) {
    const message = `"${word}" is neither a file that is there nor a file of a git ref.`;
    const next = 'Write a path, or <ref>:<path> such as main:pipelines/deploy.yaml.';
    throw new CliError(EXIT_CODES.usage, 'git-ref-invalid', message, next);
  }
  const outcome = await git(['cat-file', 'blob', `${ref}:${path}`], maxBytes);
  if (outcome.bytes !== null) return outcome.bytes;
  throw failure(word, outcome.error, maxBytes);
}

interface GitFailure {
  /** `ENOENT`, or the exit code. */
  readonly code: unknown;
  readonly isTimeout: boolean;
  readonly said: string;
}

type GitOutcome =
  | { readonly bytes: Uint8Array; readonly error: null }
  | { readonly bytes: null; readonly error: GitFailure };

function git(args: readonly string[], maxBytes: number): Promise<GitOutcome> {
  const env = {
    ...childEnvironment(process.env, GIT_VARIABLES),
    GIT_TERMINAL_PROMPT: '0',
    GIT_NO_LAZY_FETCH: '1',
    GIT_OPTIONAL_LOCKS: '0',
  };
  return new Promise((settle) => {
    const child = execFile(
      'git',
      [...args],
      {
        env,
        encoding: 'buffer',
        maxBuffer: maxBytes,
        timeout: TIMEOUT_MILLISECONDS,
        killSignal: 'SIGKILL',
      },
      (error, stdout, stderr) => {
        if (error === null) return settle({ bytes: stdout, error: null });
        const { code, killed } = error as { code?: unknown; killed?: boolean };
        const said = stderr.toString('utf8').trim().split('\n').at(-1) ?? '';
        settle({
          bytes: null,
          error: { code, isTimeout: killed === true && code === null, said: said.slice(0, 500) },
        });
      },
    );
    child.stdin?.end();
  });
}

function failure(word: string, { code, isTimeout, said }: GitFailure, maxBytes: number): CliError {
  const fail = (name: string, message: string, next: string): CliError =>
    new CliError(EXIT_CODES.usage, name, message, next);
  if (code === 'ENOENT') {
    const message = `${word} is in git, and there is no program git.`;
    return fail('git-missing', message, 'Install git, or name a file.');
  }
  if (code === 'ERR_CHILD_PROCESS_STDIO_MAXBUFFER') {
    return fail('file-too-large', `${word} has more than ${maxBytes} bytes.`, 'Check the path.');
  }
  const why = isTimeout
    ? `git did not answer within ${TIMEOUT_MILLISECONDS / 1000} seconds`
    : clause(said.replace(/^fatal: /, '')) || `git ended with ${String(code)}`;
  const next = 'Check the ref and the path; the path is from the top of the repository.';
  return fail('git-failed', `${word} cannot be read: ${why}.`, next);
}
