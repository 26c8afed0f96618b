import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { childEnvironment, INSTALLER_VARIABLES } from '@sluice/pure';
import { type ChildCommandError, type ChildOptions, runChild } from './child-command.ts';
import { hasSamePackages, linkPackages } from './link-packages.ts';
import { moveSources } from './move-sources.ts';

const GIT_TIMEOUT_MS = 120_000;
const INSTALL_TIMEOUT_MS = 15 * 60_000;
const BUILD_TIMEOUT_MS = 10 * 60_000;

/** Where the build leaves the workflow code. */
const BUNDLE = 'workflows/dist/workflow-bundle.js';
const BUNDLE_METADATA = 'workflows/dist/workflow-bundle.json';

/** What is built, and where to. */
export interface BuildRefInput {
  /** Root of the checkout whose history has the ref and whose packages are used. */
  readonly checkout: string;
  /** Branch, tag or commit. */
  readonly ref: string;
  /** Folder that gets `workflow-bundle.js` and `.json`; made when missing. */
  readonly to: string;
  readonly signal?: AbortSignal;
  /** What is being done, a line each. */
  readonly log: (line: string) => void;
}

/** The workflow code of a ref. */
export interface BuiltRef {
  readonly ref: string;
  readonly commit: string;
  /** Path of the code. */
  readonly bundle: string;
  readonly buildId: string;
  /** `sha256:<hex>`; another than a full checkout's where packages are links, for their paths are in the code. */
  readonly digest: string;
}

/** Why a ref could not be built. */
export type BuildRefErrorCode =
  | 'no-checkout'
  | 'ref-unknown'
  | 'ref-without-workflows'
  | 'ref-build-failed'
  | 'interrupted';

/** A ref that could not be built. */
export class BuildRefError extends Error {
  readonly code: BuildRefErrorCode;

  constructor(code: BuildRefErrorCode, message: string) {
    super(message);
    this.name = 'BuildRefError';
    this.code = code;
  }
}

/**
 * Builds the workflow code of a git ref in a worktree of its own, which is gone afterwards, however it went. Nothing in
 * the checkout is touched. The ref's build runs on this machine: build only what you would check out.
 * @throws BuildRefError
 */
export async function buildRef(input: BuildRefInput): Promise<BuiltRef> {
  const { checkout, ref, log } = input;
  const commit = await findCommit(input);
  const folder = await mkdtemp(join(await realpath(tmpdir()), 'sluice-ref-'));
  const tree = join(folder, 'tree');
  try {
    log(`Checking out ${ref} (${commit.slice(0, 12)}) …`);
    await git(input, ['worktree', 'add', '--quiet', '--detach', tree, commit]);
    if (!existsSync(join(tree, 'infra/build/build.mjs'))) {
      const message = `${ref} has no infra/build/build.mjs: it is older than the workflows, or no version of Sluice.`;
      throw new BuildRefError('ref-without-workflows', message);
    }
    await givePackages(input, tree);
    log('Building …');
    // A ref that does not know the second option builds everything.
    const build = ['infra/build/build.mjs', '--quiet', '--workflows'];
    await run(input, `Building ${ref} failed`, process.execPath, build, {
      cwd: tree,
      timeoutMs: BUILD_TIMEOUT_MS,
    });
    return { ref, commit, ...(await takeBundle(input, tree)) };
  } finally {
    await removeTree(checkout, tree, folder);
  }
}

async function findCommit(input: BuildRefInput): Promise<string> {
  const { checkout, ref } = input;
  const next =
    'Run this in a clone of the repository, or build the ref yourself and name --bundle.';
  const options = { cwd: checkout, timeoutMs: GIT_TIMEOUT_MS, env: installerEnvironment() };
  const root = await runChild('git', ['rev-parse', '--show-toplevel'], options).catch(() => '');
  if (root === '' || (await realpath(root)) !== (await realpath(checkout))) {
    throw new BuildRefError('no-checkout', `${checkout} is no git checkout. ${next}`);
  }
  try {
    const name = `${ref}^{commit}`;
    return await runChild('git', ['rev-parse', '--verify', '--end-of-options', name], options).then(
      // Older versions of git repeat the option.
      (text) => text.split('\n').at(-1) ?? text,
    );
  } catch {
    const message = `There is no commit "${ref}" in ${checkout}. Fetch it (git fetch origin), or check its name.`;
    throw new BuildRefError('ref-unknown', message);
  }
}

async function givePackages(input: BuildRefInput, tree: string): Promise<void> {
  const { checkout, ref, log } = input;
  if (await hasSamePackages(tree, checkout)) {
    await linkPackages(tree, checkout);
    return;
  }
  log('Its packages are others than the installed ones: npm ci …');
  const args = ['ci', '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error'];
  await run(input, `Installing the packages of ${ref} failed`, 'npm', args, {
    cwd: tree,
    timeoutMs: INSTALL_TIMEOUT_MS,
    env: installerEnvironment(),
  });
}

async function takeBundle(
  { checkout, ref, to }: BuildRefInput,
  tree: string,
): Promise<Pick<BuiltRef, 'bundle' | 'buildId' | 'digest'>> {
  try {
    const metadata = JSON.parse(await readFile(join(tree, BUNDLE_METADATA), 'utf8'));
    const { buildId, digest } = metadata as { buildId: string; digest: string };
    await mkdir(to, { recursive: true, mode: 0o700 });
    const bundle = join(to, 'workflow-bundle.js');
    const code = await readFile(join(tree, BUNDLE), 'utf8');
    await writeFile(bundle, moveSources(code, `${tree}/`, `${await realpath(checkout)}/`));
    await copyFile(join(tree, BUNDLE_METADATA), join(to, 'workflow-bundle.json'));
    return { bundle, buildId, digest: digest.startsWith('sha256:') ? digest : `sha256:${digest}` };
  } catch (error) {
    const message = `The build of ${ref} left no workflow code (${(error as Error).message}).`;
    throw new BuildRefError('ref-without-workflows', message);
  }
}

/** Not ended by the signal: what was begun is cleaned up in any case. */
async function removeTree(checkout: string, tree: string, folder: string): Promise<void> {
  const options = { cwd: checkout, timeoutMs: GIT_TIMEOUT_MS, env: installerEnvironment() };
  await runChild('git', ['worktree', 'remove', '--force', tree], options).catch(() => undefined);
  await rm(folder, { recursive: true, force: true });
  await runChild('git', ['worktree', 'prune'], options).catch(() => undefined);
}

function git(input: BuildRefInput, args: readonly string[]): Promise<string> {
  // Hooks of the checkout are for people's checkouts.
  const all = ['-c', 'core.hooksPath=/dev/null', ...args];
  const options = { cwd: input.checkout, timeoutMs: GIT_TIMEOUT_MS, env: installerEnvironment() };
  return run(input, `Checking out ${input.ref} failed`, 'git', all, options);
}

async function run(
  { signal }: BuildRefInput,
  what: string,
  program: string,
  args: readonly string[],
  options: ChildOptions,
): Promise<string> {
  try {
    return await runChild(program, args, { ...options, ...(signal && { signal }) });
  } catch (error) {
    if (signal?.aborted === true) throw new BuildRefError('interrupted', `${what}: interrupted.`);
    const { message, tail } = error as ChildCommandError;
    throw new BuildRefError('ref-build-failed', `${what}: ${message}${tail && `\n${tail}`}`);
  }
}

/** With the user's settings, and without what a git hook sets, which would make every git here speak of another repository. */
function installerEnvironment(): NodeJS.ProcessEnv {
  return childEnvironment(process.env, INSTALLER_VARIABLES);
}
