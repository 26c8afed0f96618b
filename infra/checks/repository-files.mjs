import { existsSync, readdirSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { repositoryRoot } from '../build/workspaces.mjs';

const skipped = new Set(['node_modules', 'dist', '.git', '.nx', '.sluice', 'coverage', 'tmp']);

/**
 * Lists the files that people write, sorted, relative to the root with `/` separators: outputs,
 * dependencies and data folders are left out. It does not ask git, so that a file counts before
 * it is committed and in an unpacked archive too.
 *
 * @param {string} [root] absolute path
 * @returns {string[]}
 */
export function listRepositoryFiles(root = repositoryRoot) {
  const found = [];
  const walk = (folder) => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      if (skipped.has(entry.name)) continue;
      const path = join(folder, entry.name);
      if (entry.isDirectory()) walk(path);
      else if (entry.isFile()) found.push(relative(root, path).split(sep).join('/'));
    }
  };
  if (existsSync(root)) walk(root);
  return found.sort();
}
