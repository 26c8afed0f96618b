/**
 * Installs the locked npm packages when they are missing or differ from `package-lock.json`.
 * Uses Node alone, so that it works in a fresh clone:
 *
 *   node infra/build/install.mjs
 */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isEntry, repositoryRoot } from './workspaces.mjs';

/**
 * Says why the installed packages are not those of the lock file.
 *
 * @param {string} [root] absolute path of the repository
 * @returns {string | undefined} one line, or undefined when everything is installed
 */
export function findInstallProblem(root = repositoryRoot) {
  const installedFile = join(root, 'node_modules', '.package-lock.json');
  if (!existsSync(installedFile)) return 'the packages are not installed';
  const locked = readPackages(join(root, 'package-lock.json'));
  const installed = readPackages(installedFile);
  for (const [path, wanted] of Object.entries(locked)) {
    if (!path.includes('node_modules/')) continue;
    const present = installed[path];
    if (!present) {
      if (wanted.optional || wanted.peer) continue;
      return `${path} is not installed`;
    }
    if (present.version !== wanted.version || present.integrity !== wanted.integrity) {
      return `${path} is ${present.version}, locked is ${wanted.version}`;
    }
    if (!wanted.optional && !existsSync(join(root, path))) return `${path} is gone`;
  }
  return undefined;
}

/**
 * Runs `npm ci` when {@link findInstallProblem} finds something; npm's output goes to standard error.
 *
 * @param {{ root?: string, log?: (line: string) => void }} [options]
 * @returns {Promise<boolean>} whether anything was installed
 * @throws Error when npm fails
 */
export async function ensureInstalled({ root = repositoryRoot, log = console.error } = {}) {
  const problem = findInstallProblem(root);
  if (!problem) return false;
  log(`Installing npm packages (${problem}) …`);
  const status = await new Promise((resolve, reject) => {
    const child = spawn('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
      cwd: root,
      stdio: ['ignore', 2, 2],
    });
    child.once('error', (cause) =>
      reject(
        new Error('npm cannot be started; install Node with its npm and try again.', { cause }),
      ),
    );
    child.once('close', resolve);
  });
  if (status !== 0) {
    throw new Error(
      `npm ci ended with status ${status}; its messages are above. Mend that, then run this again.`,
    );
  }
  return true;
}

function readPackages(file) {
  return JSON.parse(readFileSync(file, 'utf8')).packages ?? {};
}

if (isEntry(import.meta.url)) {
  try {
    await ensureInstalled();
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}
