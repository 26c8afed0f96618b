import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { checkGeneratedFiles, generators } from '../checks/generated-files.mjs';
import { registries, writeStepRegistries } from './step-registries.mjs';
import { repositoryRoot } from './workspaces.mjs';

const FILES = registries.map(({ file }) => file);
const [MANIFESTS, STEPS, FIXTURES, STORIES] = FILES;

let root;
const read = (file) => readFileSync(join(root, file), 'utf8');
const write = (file, text) => {
  mkdirSync(dirname(join(root, file)), { recursive: true });
  writeFileSync(join(root, file), text);
};
/** What a type's folders hold, as far as the registries look at it. */
const addType = (type, base, constant, pascal) => {
  const manifest = `libs/pipeline/src/step-types/${type}/${base}.step-type.ts`;
  write(manifest, `export const ${constant}: StepTypeManifest = {};\n`);
  write(
    `activities/src/${type}/${base}.step.ts`,
    `export function create${pascal}Step(): StepType {}\n`,
  );
  write(
    `activities/src/${type}/${base}.fixture.ts`,
    `export const ${constant}_FIXTURE: StepFixture = {};\n`,
  );
  write(
    `test/support/step-types/${type}/${base}.story.ts`,
    `export const ${constant}_STORIES: readonly StepStory[] = [];\n`,
  );
};

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'sluice registries '));
  addType('noop', 'noop', 'NOOP', 'Noop');
  write('activities/src/step/step-type.ts', 'export interface StepType {}\n');
  write('activities/src/testing/step-fixture.ts', 'export interface StepFixture {}\n');
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

test('a new type is registered by its folders, in every room', () => {
  expect(writeStepRegistries(root)).toEqual({ written: FILES, errors: [] });
  const before = FILES.map(read);
  addType('db-dump', 'db-dump', 'DB_DUMP', 'DbDump');
  expect(writeStepRegistries(root)).toEqual({ written: FILES, errors: [] });
  const added = FILES.map((file, index) =>
    read(file)
      .split('\n')
      .filter((line) => !before[index].split('\n').includes(line)),
  );
  expect(added).toEqual([
    ["import { DB_DUMP } from './db-dump/db-dump.step-type.ts';", '  DB_DUMP,'],
    [
      "import { createDbDumpStep } from './db-dump/db-dump.step.ts';",
      "  ['db-dump@1', createDbDumpStep],",
    ],
    ["import { DB_DUMP_FIXTURE } from '../db-dump/db-dump.fixture.ts';", '  DB_DUMP_FIXTURE,'],
    ["import { DB_DUMP_STORIES } from './db-dump/db-dump.story.ts';", '  ...DB_DUMP_STORIES,'],
  ]);
});

test('the second version of a type stands beside the first', () => {
  addType('noop', 'noop-v2', 'NOOP_V2', 'NoopV2');
  expect(writeStepRegistries(root).errors).toEqual([]);
  expect(read(STEPS)).toContain("  ['noop@1', createNoopStep],\n  ['noop@2', createNoopV2Step],\n");
});

test('what is as it should be is left alone, and a type that is gone leaves', () => {
  addType('old', 'old', 'OLD', 'Old');
  writeStepRegistries(root);
  const { mtimeMs } = statSync(join(root, STEPS));
  expect(writeStepRegistries(root)).toEqual({ written: [], errors: [] });
  expect(statSync(join(root, STEPS)).mtimeMs).toBe(mtimeMs);
  rmSync(join(root, 'activities/src/old'), { recursive: true });
  expect(writeStepRegistries(root).written).toEqual([STEPS, FIXTURES]);
  expect(read(STEPS)).not.toContain('old@1');
});

test.each([
  ['activities/src/noop/other.step.ts', 'is no place of a step type'],
  ['activities/src/noop/noop-v1.step.ts', 'is no place of a step type'],
  ['activities/src/noop/deep/noop.step.ts', 'is no place of a step type'],
  ['activities/src/loose.step.ts', 'is no place of a step type'],
  ['activities/src/pause/pause.step.ts', 'exports no function createPauseStep'],
])('%s: %s', (file, message) => {
  writeStepRegistries(root);
  const before = read(STEPS);
  write(file, 'export const nothing = 0;\n');
  const { written, errors } = writeStepRegistries(root);
  expect(written).toEqual([]);
  expect(errors).toEqual([expect.stringContaining(`${file} ${message}`)]);
  expect(read(STEPS)).toBe(before);
});

test('where no types are there is nothing to write', () => {
  rmSync(join(root, 'activities'), { recursive: true });
  expect(writeStepRegistries(root).written).toEqual([MANIFESTS, STORIES]);
});

test('a registry that was forgotten is found by the checks, with what writes it', async () => {
  const [{ files, command }] = generators;
  expect(files).toEqual(FILES);
  const [program, script] = command;
  // The program itself looks at its own repository: here it is asked about this one.
  const module = JSON.stringify(join(repositoryRoot, script));
  const here = [
    program,
    ...['--input-type=module', '-e'],
    `(await import(${module})).writeStepRegistries(process.cwd())`,
  ];
  const list = [{ name: 'registries', files, command: here }];
  writeStepRegistries(root);
  expect((await checkGeneratedFiles(root, list)).ok).toBe(true);
  addType('fresh', 'fresh', 'FRESH', 'Fresh');
  const result = await checkGeneratedFiles(root, list);
  expect(result.ok).toBe(false);
  for (const file of files) expect(result.output).toContain(`${file} is not what`);
  expect(read(STEPS)).not.toContain('fresh');
});
