import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { WorkflowBundle } from '@temporalio/worker';

const CHECKOUT = new URL('../../../', import.meta.url);
const FOLDER = fileURLToPath(new URL('node_modules/.cache/workflow-bundles/', CHECKOUT));

/** What the bundle of the real workflows is made of, beside the packages that the lock file names. */
const SOURCES = [
  'workflows/src',
  'temporal/contract/src',
  'temporal/client/src',
  'libs/domain/src',
  'libs/pure/src',
];

/**
 * The bundle that these sources gave before, made now where there is none: bundling costs seconds, and dozens of specs need the same.
 * @param modules absolute paths of modules that go into the bundle as well
 */
export async function bundleOnce(
  modules: readonly string[],
  bundle: () => Promise<WorkflowBundle>,
): Promise<WorkflowBundle> {
  const file = join(FOLDER, `${await digestOfSources(modules)}.js`);
  const kept = await readFile(file, 'utf8').catch(() => undefined);
  if (kept !== undefined) return { code: kept };
  const made = await bundle();
  await mkdir(FOLDER, { recursive: true });
  const temporary = `${file}.${randomUUID()}`;
  await writeFile(temporary, made.code);
  await rename(temporary, file);
  return made;
}

async function digestOfSources(modules: readonly string[]): Promise<string> {
  const hash = createHash('sha256');
  const files = [fileURLToPath(new URL('package-lock.json', CHECKOUT)), ...modules];
  for (const source of SOURCES) {
    const folder = fileURLToPath(new URL(`${source}/`, CHECKOUT));
    const names = await readdir(folder, { recursive: true });
    const code = names.filter((name) => name.endsWith('.ts') && !name.endsWith('.spec.ts'));
    files.push(...code.sort().map((name) => join(folder, name)));
  }
  for (const file of files)
    hash
      .update(`${file}\0`)
      .update(await readFile(file))
      .update('\0');
  return hash.digest('hex');
}
