import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { repositoryRoot } from '../build/workspaces.mjs';
import { listRepositoryFiles } from './repository-files.mjs';

/** Lines a hand-written source file may have, and a test. */
const limits = { source: 400, test: 600 };
const written = /\.(ts|tsx|mjs|cjs|js|sql|rego|py|sh|go|graphql|html|css)$/;
const generated = /(^|\/)(generated|fixtures|histories)\/|^migrations\/schema\.sql$/;
const test = /\.spec\.(ts|tsx|mjs)$|^test\//;

/**
 * Refuses files too long to be read at once.
 *
 * @param {string} [root] absolute path
 */
export async function checkFileSizes(root = repositoryRoot) {
  const problems = [];
  for (const file of listRepositoryFiles(root)) {
    if (!written.test(file) || generated.test(file)) continue;
    const text = readFileSync(join(root, file), 'utf8');
    const lines = text.split('\n').length - (text.endsWith('\n') ? 1 : 0);
    const limit = test.test(file) ? limits.test : limits.source;
    if (lines > limit) problems.push(`${file} has ${lines} lines, at most ${limit}: split it.`);
  }
  return { ok: problems.length === 0, output: problems.join('\n') };
}
