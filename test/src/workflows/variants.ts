import { readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { digestOfBundle } from '@sluice/pure';
import { bundleSources, WORKFLOWS_ENTRY } from './bundle-workflows.ts';
import { replaceModule } from './bundled-module.ts';

const SOURCES = dirname(WORKFLOWS_ENTRY);

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

/**
 * Makes variants of the bundle of today's workflows: each has modules of its own where it differs.
 * @param variants edits by name, such as `step-removed`; without edits it is today's code
 * @throws Error when an edit does not match exactly once: a source that moved on would make a test pass for nothing
 */
export async function buildVariants<Name extends string>(
  variants: Readonly<Record<Name, readonly WorkflowEdit[]>>,
): Promise<Readonly<Record<Name, WorkflowVariant>>> {
  const names = Object.keys(variants) as Name[];
  const { code } = await bundleSources();
  const built = await Promise.all(
    names.map(async (name) => [name, await buildVariant(code, name, variants[name])] as const),
  );
  return Object.fromEntries(built) as Record<Name, WorkflowVariant>;
}

async function buildVariant(
  today: string,
  name: string,
  edits: readonly WorkflowEdit[],
): Promise<WorkflowVariant> {
  let code = `/* ${name} */ ${today}`;
  for (const [file, source] of await editSources(edits)) {
    code = await replaceModule(code, file, source);
  }
  const digest = digestOfBundle(code);
  return { code, digest, buildId: `${name}-${digest.slice('sha256:'.length, 15)}` };
}

/** The sources that have edits, by name, with all of theirs. */
async function editSources(edits: readonly WorkflowEdit[]): Promise<ReadonlyMap<string, string>> {
  const sources = new Map<string, string>();
  for (const { file, from, to } of edits) {
    const source = sources.get(file) ?? (await readFile(join(SOURCES, file), 'utf8'));
    const parts = source.split(from);
    if (parts.length !== 2) {
      throw new Error(
        `The edit of ${file} matches ${parts.length - 1} times, not once; correct it: ${from}`,
      );
    }
    sources.set(file, parts.join(to));
  }
  return sources;
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
