/**
 * Writes the registries of step types anew: each is the list of what stands in the types' folders,
 * so that a new type is its folders and nothing beside them.
 *
 *   node infra/build/step-registries.mjs
 *
 * The build does it, too. What is written is committed, for tests run from sources.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeWhole } from './compile.mjs';
import { isEntry, listFiles, repositoryRoot } from './workspaces.mjs';

/**
 * Each registry: `folder` is where the types' folders stand, `suffix` ends the names of the files
 * that it lists, `file` is what is written, `exported` says what such a file must export.
 */
export const registries = [
  {
    folder: 'libs/pipeline/src/step-types',
    suffix: '.step-type.ts',
    file: 'libs/pipeline/src/step-types/step-types.generated.ts',
    exported: ({ constant }) => ({ keyword: 'const', name: constant }),
    render: (entries) => [
      "import type { StepTypeManifest } from './step-type-manifest.ts';",
      '',
      '/** The manifest of every step type that has a folder here, by the name of its file. */',
      'export const STEP_TYPE_MANIFESTS: readonly StepTypeManifest[] = [',
      ...entries.map(({ name }) => `  ${name},`),
      '];',
    ],
  },
  {
    folder: 'activities/src',
    suffix: '.step.ts',
    file: 'activities/src/steps.generated.ts',
    exported: ({ pascal }) => ({ keyword: 'function', name: `create${pascal}Step` }),
    render: (entries) => [
      "import type { StepTypeRef } from '@sluice/domain';",
      "import type { StepTypeParts } from './step/capability-parts.ts';",
      "import type { StepType } from './step/step-type.ts';",
      '',
      '/** What builds every step type that has a folder here, by the name of its file. */',
      'export const STEP_CREATORS: readonly (readonly [',
      '  StepTypeRef,',
      '  (parts: StepTypeParts) => StepType,',
      '])[] = [',
      ...entries.map(({ type, version, name }) => `  ['${type}@${version}', ${name}],`),
      '];',
    ],
  },
  {
    folder: 'activities/src',
    suffix: '.fixture.ts',
    file: 'activities/src/testing/fixtures.generated.ts',
    exported: ({ constant }) => ({ keyword: 'const', name: `${constant}_FIXTURE` }),
    render: (entries) => [
      "import type { StepFixture } from './step-fixture.ts';",
      '',
      '/** How the conformance kit runs every step type that has a folder, by the name of its file. */',
      'export const STEP_FIXTURES: readonly StepFixture[] = [',
      ...entries.map(({ name }) => `  ${name},`),
      '];',
    ],
  },
  {
    folder: 'test/support/step-types',
    suffix: '.story.ts',
    file: 'test/support/step-types/stories.generated.ts',
    exported: ({ constant }) => ({ keyword: 'const', name: `${constant}_STORIES` }),
    render: (entries) => [
      "import type { StepStory } from './step-story.ts';",
      '',
      '/** How every step type that has a folder here is brought to the middle of its work, by the name of its file. */',
      'export const STEP_STORIES: readonly StepStory[] = [',
      ...entries.map(({ name }) => `  ...${name},`),
      '];',
    ],
  },
];

/** What writes all of them, in the root. */
export const command = ['node', 'infra/build/step-registries.mjs'];

const HEAD = `// Made of the folders by \`${command.join(' ')}\`, which the build runs too; not to be edited.`;

/**
 * Writes those registries that are not what their folders say; the others keep their time.
 *
 * @param {string} [root] absolute path of the repository; a registry whose folder is not there is left out
 * @returns {{ written: string[], errors: string[] }} files relative to the root; one error for each file that
 *   is not named or does not export as its registry asks: that registry is not written
 */
export function writeStepRegistries(root = repositoryRoot) {
  const written = [];
  const errors = [];
  for (const registry of registries) {
    if (!existsSync(join(root, registry.folder))) continue;
    const { entries, faults } = listEntries(root, registry);
    errors.push(...faults);
    if (faults.length > 0) continue;
    const text = renderRegistry(registry, entries);
    const path = join(root, registry.file);
    if (existsSync(path) && readFileSync(path, 'utf8') === text) continue;
    writeWhole(path, text);
    written.push(registry.file);
  }
  return { written, errors };
}

function listEntries(root, { folder, suffix, exported }) {
  const entries = [];
  const faults = [];
  for (const file of listFiles(join(root, folder))) {
    if (!file.endsWith(suffix)) continue;
    const [own, ...rest] = file.slice(0, -suffix.length).split('/');
    const base = rest.join('/');
    const [, type, version = '1'] = /^(.*?)(?:-v([2-9]|[1-9]\d+))?$/.exec(base) ?? [];
    if (type !== own) {
      faults.push(
        `${folder}/${file} is no place of a step type: name it <type>/<type>${suffix}, or <type>/<type>-v2${suffix} for its second version.`,
      );
      continue;
    }
    const { keyword, name } = exported(wordsOf(base));
    const source = readFileSync(join(root, folder, file), 'utf8');
    if (!new RegExp(`^export ${keyword} ${name}\\b`, 'm').test(source)) {
      faults.push(
        `${folder}/${file} exports no ${keyword} ${name}, by which the registry would know its step type: name it so.`,
      );
      continue;
    }
    entries.push({ file, type, version: Number(version), name });
  }
  const byType = (one, other) => (one.type < other.type ? -1 : Number(one.type > other.type));
  entries.sort((one, other) => byType(one, other) || one.version - other.version);
  return { entries, faults };
}

/** `my-type-v2` → `MY_TYPE_V2`, `MyTypeV2`. */
function wordsOf(base) {
  const words = base.split('-');
  return {
    constant: words.join('_').toUpperCase(),
    pascal: words.map((word) => word.slice(0, 1).toUpperCase() + word.slice(1)).join(''),
  };
}

function renderRegistry({ folder, file, render }, entries) {
  // The registry stands in the folder, or in one of its own below it.
  const up = file.slice(folder.length + 1).includes('/') ? '..' : '.';
  const imports = entries.map((entry) => `import { ${entry.name} } from '${up}/${entry.file}';`);
  return `${[HEAD, ...imports, ...render(entries)].join('\n')}\n`;
}

if (isEntry(import.meta.url)) {
  const { written, errors } = writeStepRegistries();
  for (const file of written) console.error(`written: ${file}`);
  for (const error of errors) console.error(error);
  process.exitCode = errors.length > 0 ? 1 : 0;
}
