import { repositoryRoot } from '../build/workspaces.mjs';
import { listRepositoryFiles } from './repository-files.mjs';

const kebabCase = /^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9]+(-[a-z0-9]+)*)*$/;
const emptyWords = /(^|[-.])(utils?|helpers?|managers?|misc|common)([-.]|$)/;

/**
 * Refuses source files whose name is not kebab-case or says nothing (`util`, `helper`, …).
 *
 * @param {string} [root] absolute path
 */
export async function checkFileNames(root = repositoryRoot) {
  const problems = [];
  for (const file of listRepositoryFiles(root)) {
    if (!/\.(ts|tsx|mjs)$/.test(file)) continue;
    const name = file.slice(file.lastIndexOf('/') + 1);
    if (!kebabCase.test(name)) problems.push(`${file}: write the name in kebab-case.`);
    if (emptyWords.test(name)) problems.push(`${file}: name what it does, not "${name}".`);
  }
  return { ok: problems.length === 0, output: problems.join('\n') };
}
