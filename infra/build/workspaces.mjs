import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Absolute path of the repository's root. */
export const repositoryRoot = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

/**
 * Lists the npm workspaces of a repository, in the order of the root package.json's patterns.
 *
 * @param {string} [root] absolute path of the repository
 * @returns {{ name: string, folder: string, path: string, manifest: Record<string, any> }[]}
 *   `folder` is relative to the root with `/` separators, `path` is absolute
 */
export function listWorkspaces(root = repositoryRoot) {
  const rootManifest = readJson(join(root, 'package.json'));
  const folders = rootManifest.workspaces.flatMap((pattern) => {
    if (!pattern.endsWith('/*')) return [pattern];
    const parent = pattern.slice(0, -2);
    if (!existsSync(join(root, parent))) return [];
    return readdirSync(join(root, parent), { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => `${parent}/${entry.name}`)
      .sort();
  });
  return folders
    .filter((folder) => existsSync(join(root, folder, 'package.json')))
    .map((folder) => {
      const path = join(root, folder);
      const manifest = readJson(join(path, 'package.json'));
      return { name: manifest.name, folder, path, manifest };
    });
}

/**
 * Lists the files below a folder, sorted, as paths relative to it with `/` separators.
 * An absent folder has no files; `node_modules` is never entered.
 *
 * @param {string} folder absolute path
 * @returns {string[]}
 */
export function listFiles(folder) {
  if (!existsSync(folder)) return [];
  const found = [];
  const walk = (current) => {
    for (const entry of readdirSync(current, { withFileTypes: true })) {
      const path = join(current, entry.name);
      if (entry.isDirectory()) {
        if (entry.name !== 'node_modules') walk(path);
      } else if (entry.isFile()) {
        found.push(relative(folder, path).split(sep).join('/'));
      }
    }
  };
  walk(folder);
  return found.sort();
}

/** Reads a JSON file. @param {string} path */
export function readJson(path) {
  return JSON.parse(readFileSync(path, 'utf8'));
}

/**
 * Tells whether a module is the program that Node was started with.
 *
 * @param {string} moduleUrl the module's `import.meta.url`
 */
export function isEntry(moduleUrl) {
  const program = process.argv[1];
  return program !== undefined && realpathSync(program) === realpathSync(fileURLToPath(moduleUrl));
}
