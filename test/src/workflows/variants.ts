import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { digestOfBundle } from '@sluice/pure';
import { bundleSources, WORKFLOWS_ENTRY } from './bundle-workflows.ts';

const NODE_MODULES = fileURLToPath(new URL('../../../node_modules', import.meta.url));

/** One place of the workflows' code that a variant has otherwise. */
export interface WorkflowEdit {
  /** In the sources of the workflows: `lease-wait.ts`. */
  readonly file: string;
  /** Stands there exactly once. */
  readonly from: string;
  readonly to: string;
}

/** A bundle of other workflow code than today's, as another build would have it. */
export interface WorkflowVariant {
  readonly code: string;
  /** `sha256:<hex>` of the bundle without its source map. */
  readonly digest: string;
  /** Begins with the variant's name. */
  readonly buildId: string;
}

/** Stands in the entry of the common bundle where the variant's place is written. */
const PLACE = 'the-place-of-the-variant';

/**
 * Bundles variants of the workflows, all in one go: only the entry of each tells which of them its bundle is.
 * @param variants edits by name, such as `step-removed`; without edits it is today's code
 * @throws Error when an edit does not match exactly once: a source that moved on would make a test pass for nothing
 */
export async function buildVariants<Name extends string>(
  variants: Readonly<Record<Name, readonly WorkflowEdit[]>>,
): Promise<Readonly<Record<Name, WorkflowVariant>>> {
  const names = Object.keys(variants) as Name[];
  const folder = await mkdtemp(join(tmpdir(), 'sluice-workflow-variants-'));
  try {
    await symlink(NODE_MODULES, join(folder, 'node_modules'));
    for (const name of names) await writeEdited(join(folder, name), variants[name]);
    const entry = join(folder, 'entry.js');
    const cases = names.map(
      (name) => `  ${JSON.stringify(name)}: () => require('./${name}/index.ts'),`,
    );
    const choice = ['module.exports = {', ...cases, `}['${PLACE}']();`, ''];
    await writeFile(entry, choice.join('\n'));
    const { code } = await bundleSources(entry);
    const built = names.map((name) => [name, chooseVariant(code, name)] as const);
    return Object.fromEntries(built) as Record<Name, WorkflowVariant>;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function chooseVariant(common: string, name: string): WorkflowVariant {
  const code = common.replace(PLACE, name);
  const digest = digestOfBundle(code);
  return { code, digest, buildId: `${name}-${digest.slice('sha256:'.length, 15)}` };
}

async function writeEdited(folder: string, edits: readonly WorkflowEdit[]): Promise<void> {
  await cp(dirname(WORKFLOWS_ENTRY), folder, { recursive: true });
  for (const { file, from, to } of edits) {
    const path = join(folder, file);
    const parts = (await readFile(path, 'utf8')).split(from);
    if (parts.length !== 2) {
      throw new Error(
        `The edit of ${file} matches ${parts.length - 1} times, not once; correct it: ${from}`,
      );
    }
    await writeFile(path, parts.join(to));
  }
}

/**
 * Writes a variant as the build writes its bundle: `<folder>/<buildId>.js` with its metadata beside it.
 * @returns path of the bundle
 */
export async function writeVariant(folder: string, variant: WorkflowVariant): Promise<string> {
  const { code, buildId } = variant;
  const path = join(folder, `${buildId}.js`);
  const digest = variant.digest.slice('sha256:'.length);
  await writeFile(path, code);
  await writeFile(join(folder, `${buildId}.json`), JSON.stringify({ digest, buildId }));
  return path;
}
